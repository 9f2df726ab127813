/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * py_port_types.c - the three types of a port: what each is made of, and what it holds. See py_port.c for their methods.
 */
#include "explored/port_explored.h"
#include "py_port.h"

/* `numbers` may be NULL, or a mapping that raises what a site that is none deserves. */
static int set_sites(struct port *port, PyObject *sites, PyObject *numbers)
{
    Py_buffer map;

    port->numbers = numbers == Py_None ? NULL : Py_XNewRef(numbers);
    if (PyObject_GetBuffer(sites, &map, PyBUF_SIMPLE))
        return -1;
    for (Py_ssize_t i = 0; i < map.len && i < SITES; i++)
        port->sites[i] = ((uint8_t *)map.buf)[i];
    port->site_count = map.len < 1 ? 0 : map.len < SITES ? (unsigned)map.len - 1 : SITES - 1;
    PyBuffer_Release(&map);
    return 0;
}

static void port_free(PyObject *self)
{
    struct port *port = (struct port *)self;
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);

    if (port->region.obj)
        PyBuffer_Release(&port->region);
    Py_XDECREF(port->numbers);
    release(self);
    Py_DECREF(type);
}

static struct port *port_new(PyTypeObject *type, enum py_way way, PyObject *region, PyObject *sites, PyObject *numbers)
{
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    struct port *port = (struct port *)allocate(type, 0);

    if (!port)
        return NULL;
    port->way = way;
    if (PyObject_GetBuffer(region, &port->region, PyBUF_WRITABLE) || set_sites(port, sites, numbers)) {
        Py_DECREF(port);
        return NULL;
    }
    return port;
}

static PyObject *refuse(struct port *port, const char *why)
{
    Py_DECREF(port);
    return PyErr_Format(PyExc_ValueError, "%s", why);
}

/* ModelledPort(region, room_offset, cpu, sites, numbers = None) */
static PyObject *modelled_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(kwargs))
{
    PyObject *region, *sites, *numbers = NULL;
    unsigned long long room;
    unsigned int id;
    struct port *port;
    uint8_t *memory;

    if (!PyArg_ParseTuple(args, "OKIO|O:ModelledPort", &region, &room, &id, &sites, &numbers))
        return NULL;
    port = port_new(type, PY_MODELLED, region, sites, numbers);
    if (!port)
        return NULL;
    memory = port->region.buf;
    if (room > (unsigned long long)port->region.len ||
        amp_cpu_open(&port->cpu.model, memory + room, (size_t)port->region.len - room, memory, id))
        return refuse(port, "no model of this version at that offset, or no such CPU");
    if (amp_shared_bounds(&port->cpu.model, &port->shared_start, &port->shared_end) ||
        port->shared_end > (uint64_t)port->region.len)
        return refuse(port, "the model's shared memory lies outside the region");
    amp_port_model(&port->c, &port->seat, &port->cpu.model);
    return (PyObject *)port;
}

/* DirectPort(region, shared_start, shared_end, board_offset, cpu, cpus, sites, numbers = None) */
static PyObject *direct_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(kwargs))
{
    PyObject *region, *sites, *numbers = NULL;
    unsigned long long start, end, board;
    unsigned int id, cpus;
    struct port *port;
    uint64_t size;

    if (!PyArg_ParseTuple(args, "OKKKIIO|O:DirectPort", &region, &start, &end, &board, &id, &cpus, &sites, &numbers))
        return NULL;
    port = port_new(type, PY_DIRECT, region, sites, numbers);
    if (!port)
        return NULL;
    size = (uint64_t)port->region.len;
    if (start > end || end > size || board % sizeof(uint32_t) || size < sizeof(uint32_t) ||
        board > size - sizeof(uint32_t) || cpus > AMP_CPUS || id >= cpus)
        return refuse(port, "shared memory or mailbox outside the region, or no such CPU");
    port->shared_start = start;
    port->shared_end = end;
    port->cpu.direct = (struct amp_direct){.memory = port->region.buf,
                                           .board = (uint32_t *)((uint8_t *)port->region.buf + board),
                                           .shared_start = start,
                                           .shared_end = end,
                                           .spin_ns = AMP_SPIN_NS,
                                           .id = id,
                                           .cpus = cpus};
    amp_port_direct(&port->c, &port->seat, &port->cpu.direct);
    return (PyObject *)port;
}

/* ExploredPort(explorer, cpu, sites, wait, numbers = None) */
static PyObject *explored_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(kwargs))
{
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    PyObject *explorer, *sites, *wait, *numbers = NULL;
    unsigned int id;
    struct port *port;

    if (!PyArg_ParseTuple(args, "OIOO|O:ExploredPort", &explorer, &id, &sites, &wait, &numbers))
        return NULL;
    if (py_is_explorer(explorer) == 0 || id >= py_explorer_cpus(explorer))
        return PyErr_Format(PyExc_ValueError, "not an Explorer, or no such CPU");
    port = (struct port *)allocate(type, 0);
    if (!port)
        return NULL;
    port->way = PY_EXPLORED;
    py_explorer_seat(explorer, &port->cpu.explored, id, wait);
    amp_port_explored(&port->c, &port->seat, &port->cpu.explored.part);
    port->shared_start = port->cpu.explored.part.program->start;
    port->shared_end = port->cpu.explored.part.program->end;
    if (set_sites(port, sites, numbers)) {
        Py_DECREF(port);
        return NULL;
    }
    return (PyObject *)port;
}

static void explored_free(PyObject *self)
{
    struct explored *explored = &((struct port *)self)->cpu.explored;

    Py_XDECREF((PyObject *)explored->owner);
    Py_XDECREF(explored->wait);
    port_free(self);
}

static PyType_Slot explored_slots[] = {
    {Py_tp_new, explored_new},
    {Py_tp_dealloc, explored_free},
    {Py_tp_methods, py_explored_methods},
    {Py_tp_doc, "One CPU's accesses in an exploration: see Explorer."},
    {0, NULL},
};

static PyType_Slot modelled_slots[] = {
    {Py_tp_new, modelled_new},
    {Py_tp_dealloc, port_free},
    {Py_tp_methods, py_modelled_methods},
    {Py_tp_doc, "One CPU's accesses through the ordering model."},
    {0, NULL},
};

static PyType_Slot direct_slots[] = {
    {Py_tp_new, direct_new},
    {Py_tp_dealloc, port_free},
    {Py_tp_methods, py_direct_methods},
    {Py_tp_doc, "One CPU's accesses to the bare region, with this machine's own fences."},
    {0, NULL},
};

static PyType_Spec modelled_spec = {
    "amp._core._bridge.ModelledPort", sizeof(struct port), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, modelled_slots};
static PyType_Spec direct_spec = {
    "amp._core._bridge.DirectPort", sizeof(struct port), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, direct_slots};
static PyType_Spec explored_spec = {
    "amp._core._bridge.ExploredPort", sizeof(struct port), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, explored_slots};

static int add_type(PyObject *module, PyType_Spec *spec)
{
    PyObject *type = PyType_FromSpec(spec);
    int error = type ? PyModule_AddType(module, (PyTypeObject *)type) : -1;

    Py_XDECREF(type);
    return error;
}

int py_port_init(PyObject *module)
{
    if (add_type(module, &modelled_spec) || add_type(module, &direct_spec) || add_type(module, &explored_spec))
        return -1;
    return py_lazy_init(module);
}
