/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * py_code.c - Code: an engine for compiled code as a Python object, for amp.code: how it is made. py_code_run.c has its runs.
 */
#include <stdlib.h>
#include <string.h>

#include "py_code.h"

PyTypeObject *py_code_type;

static int compile(struct code_engine *e, uint64_t pc)
{
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *result = PyObject_CallMethod(((struct code_object *)e->owner)->owner, "compile", "K", (unsigned long long)pc);

    Py_XDECREF(result);
    PyGILState_Release(state);
    return result ? 0 : -ECHILD; /* an exception is set */
}

static int take_registers(struct code_engine *e, PyObject *list)
{
    Py_ssize_t n = PyTuple_Size(list);

    if (n < 0 || n > CODE_SLOTS)
        return -1;
    for (Py_ssize_t i = 0; i < n; i++)
        e->register_id[i] = (int)PyLong_AsLong(PyTuple_GetItem(list, i));
    e->registers = (unsigned)n;
    return PyErr_Occurred() ? -1 : 0;
}

/* Code(owner, functions, uc, registers, (pc, flags, stack, frame, link, argument), shift, thumb) */
static PyObject *code_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(kwargs))
{
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    PyObject *owner, *functions, *registers;
    unsigned long long uc;
    struct code_object *self;
    struct code_engine *e;
    int slot[6];
    unsigned int shift, thumb;

    if (!PyArg_ParseTuple(args, "OO!KO!(iiiiii)II:Code", &owner, &PyTuple_Type, &functions, &uc, &PyTuple_Type, &registers,
                          &slot[0], &slot[1], &slot[2], &slot[3], &slot[4], &slot[5], &shift, &thumb))
        return NULL;
    if (PyTuple_Size(functions) != CODE_UNICORN_FUNCTIONS)
        return PyErr_Format(PyExc_ValueError, "%zd functions, expected %zu", PyTuple_Size(functions),
                            CODE_UNICORN_FUNCTIONS);
    self = (struct code_object *)allocate(type, 0);
    if (!self)
        return NULL;
    e = &self->engine;
    for (Py_ssize_t i = 0; i < (Py_ssize_t)CODE_UNICORN_FUNCTIONS; i++) {
        void *address = PyLong_AsVoidPtr(PyTuple_GetItem(functions, i));

        memcpy((char *)&e->functions + (size_t)i * sizeof address, &address, sizeof address);
    }
    e->uc = (uc_engine *)(uintptr_t)uc;
    e->pc_id = slot[0];
    e->flags_slot = slot[1];
    e->stack_slot = slot[2];
    e->frame_slot = slot[3];
    e->link_slot = slot[4];
    e->argument_slot = slot[5];
    e->shift = shift;
    e->thumb = thumb;
    e->compile = compile;
    e->holds = code_arm_holds;
    e->owner = self;
    e->max_loop = 1000;
    e->max_steps = 10000000;
    e->rows_room = 256;
    e->row = calloc(e->rows_room, sizeof *e->row); /* number 0 is of what has none */
    e->rows = 1;
    self->owner = Py_NewRef(owner);
    if (!e->row || take_registers(e, registers)) {
        Py_DECREF(self);
        return PyErr_Occurred() ? NULL : PyErr_NoMemory();
    }
    return (PyObject *)self;
}

static void code_free(PyObject *object)
{
    struct code_object *self = (struct code_object *)object;
    PyTypeObject *type = Py_TYPE(object);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);

    for (unsigned i = 0; i < self->engine.segments; i++)
        free(self->engine.segment[i].host);
    for (unsigned i = 0; i < self->engine.windows; i++)
        free(self->engine.window[i].host);
    code_close(&self->engine);
    Py_XDECREF(self->owner);
    release(object);
    Py_DECREF(type);
}

static uint8_t *pages(struct code_engine *e, uint64_t address, uint64_t size, uint32_t permissions)
{
    uint8_t *host = size && address % CODE_PAGE == 0 && size % CODE_PAGE == 0 ? aligned_alloc(CODE_PAGE, size) : NULL;

    if (host)
        memset(host, 0, size);
    if (host && e->functions.mem_map_ptr(e->uc, address, size, permissions, host)) {
        free(host);
        host = NULL;
    }
    return host;
}

/* map(address, bytes, permissions): private memory, whole pages */
static PyObject *code_map(PyObject *object, PyObject *args)
{
    struct code_engine *e = py_engine_of(object);
    struct code_segment *segment = &e->segment[e->segments];
    unsigned long long address;
    unsigned int permissions;
    Py_buffer bytes;
    uint64_t size;

    if (!PyArg_ParseTuple(args, "Ky*I:map", &address, &bytes, &permissions))
        return NULL;
    size = (uint64_t)bytes.len;
    if (e->segments == CODE_SEGMENTS || !(segment->host = pages(e, address, size, permissions))) {
        PyBuffer_Release(&bytes);
        return PyErr_Format(PyExc_ValueError, "map: not whole pages, too many segments, or two at one place");
    }
    memcpy(segment->host, bytes.buf, size);
    PyBuffer_Release(&bytes);
    segment->start = address;
    segment->size = size;
    segment->permissions = permissions;
    e->segments++;
    if (permissions & UC_PROT_WRITE) {
        segment->pristine = malloc(size);
        segment->dirty = calloc(1, size / CODE_PAGE);
        if (segment->pristine)
            memcpy(segment->pristine, segment->host, size);
    }
    if (permissions & UC_PROT_EXEC)
        segment->index = calloc((size >> e->shift) + 1, sizeof *segment->index);
    if ((permissions & UC_PROT_WRITE && (!segment->pristine || !segment->dirty)) ||
        (permissions & UC_PROT_EXEC && !segment->index))
        return PyErr_NoMemory();
    Py_RETURN_NONE;
}

/* window(address, size, region): shared memory; in the region it begins at `region` */
static PyObject *code_window(PyObject *object, PyObject *args)
{
    struct code_engine *e = py_engine_of(object);
    struct code_window *window = &e->window[e->windows];
    unsigned long long address, size, region;

    if (!PyArg_ParseTuple(args, "KKK:window", &address, &size, &region))
        return NULL;
    if (e->windows == CODE_WINDOWS || !(window->host = pages(e, address, size, UC_PROT_READ | UC_PROT_WRITE)))
        return PyErr_Format(PyExc_ValueError, "window: not whole pages, too many windows, or two at one place");
    window->start = address;
    window->size = size;
    window->region = region;
    e->windows++;
    Py_RETURN_NONE;
}

/* device(kind, address, value): a register of enum code_device_kind */
static PyObject *code_add_device(PyObject *object, PyObject *args)
{
    struct code_engine *e = py_engine_of(object);
    unsigned long long address, value;
    unsigned int kind;

    if (!PyArg_ParseTuple(args, "IKK:device", &kind, &address, &value))
        return NULL;
    if (e->devices == CODE_DEVICES || kind > CODE_DRAIN)
        return PyErr_Format(PyExc_ValueError, "device: kind %u, or more than %d", kind, CODE_DEVICES);
    e->device[e->devices++] = (struct code_device){address, value, (uint8_t)kind};
    Py_RETURN_NONE;
}

static PyObject *code_open_engine(PyObject *object, PyObject *args)
{
    struct code_engine *e = py_engine_of(object);
    unsigned long long loop, steps;

    if (!PyArg_ParseTuple(args, "KK:open", &loop, &steps))
        return NULL;
    e->max_loop = loop;
    e->max_steps = steps;
    if (code_open(e))
        return PyErr_NoMemory();
    Py_RETURN_NONE;
}

void *py_grown(void *list, uint32_t room, size_t size)
{
    return realloc(list, (size_t)room * size);
}

static int add_row(struct code_engine *e, uint64_t address, const uint8_t *bytes)
{
    struct code_segment *segment = code_segment_at(e, address);
    struct code_row row;

    if (!segment || !segment->index)
        return -1;
    memcpy(&row, bytes, sizeof row);
    if (row.flags & CODE_HEAD) {
        struct code_head *more = py_grown(e->head, e->heads + 1, sizeof *more);

        if (!more || e->heads >= UINT16_MAX)
            return -1;
        e->head = more;
        e->head[e->heads] = (struct code_head){.spins = row.loop};
        row.loop = (uint16_t)e->heads++;
    }
    if (e->rows == e->rows_room) {
        struct code_row *more = py_grown(e->row, 2 * e->rows_room, sizeof *more);

        if (!more)
            return -1;
        e->row = more;
        e->rows_room *= 2;
    }
    e->row[e->rows] = row;
    segment->index[(address - segment->start) >> e->shift] = e->rows++;
    return 0;
}

/* rows([(address, row)]): what the instructions at these addresses are */
static PyObject *code_rows(PyObject *object, PyObject *list)
{
    struct code_engine *e = py_engine_of(object);
    Py_ssize_t n = PyList_Size(list);

    for (Py_ssize_t i = 0; i < n; i++) {
        unsigned long long address;
        const char *bytes;
        Py_ssize_t length;

        if (!PyArg_ParseTuple(PyList_GetItem(list, i), "Ky#:rows", &address, &bytes, &length))
            return NULL;
        if (length != (Py_ssize_t)sizeof(struct code_row) || add_row(e, address, (const uint8_t *)bytes))
            return PyErr_Format(PyExc_ValueError, "rows: %zd bytes, or no code at that address", length);
    }
    if (n < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* stack(start, size, red_zone): where the stack begins, its bytes, and how many bytes below its pointer a function may use */
static PyObject *code_stack(PyObject *object, PyObject *args)
{
    struct code_engine *e = py_engine_of(object);
    unsigned long long start, size, zone;

    if (!PyArg_ParseTuple(args, "KKK:stack", &start, &size, &zone))
        return NULL;
    e->stack_start = start;
    e->stack_size = size;
    e->red_zone = zone;
    Py_RETURN_NONE;
}

static PyMethodDef code_methods[] = {
    PY_CODE_TOLD,
    {"map", code_map, METH_VARARGS, "map(address, bytes, permissions): private memory, whole pages"},
    {"window", code_window, METH_VARARGS, "window(address, size, region): shared memory"},
    {"stack", code_stack, METH_VARARGS, "stack(start, size, red_zone): the part's own stack"},
    {"device", code_add_device, METH_VARARGS, "device(kind, address, value): a register that the code knows by its address"},
    {"open", code_open_engine, METH_VARARGS, "open(max_loop, max_steps): registers and memory are now as every run finds them"},
    {"rows", code_rows, METH_O, "rows([(address, row)]): what the instructions there are"},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot code_slots[] = {
    {Py_tp_new, code_new},
    {Py_tp_dealloc, code_free},
    {Py_tp_methods, code_methods},
    {Py_tp_doc, "An engine that runs compiled code: see code.h."},
    {0, NULL},
};

static PyType_Spec code_spec = {"amp._core._bridge.Code", sizeof(struct code_object), 0, Py_TPFLAGS_DEFAULT, code_slots};

int py_code_init(PyObject *module)
{
    py_code_type = (PyTypeObject *)PyType_FromSpec(&code_spec);
    return !py_code_type || PyModule_AddType(module, py_code_type) ? -1 : 0;
}
