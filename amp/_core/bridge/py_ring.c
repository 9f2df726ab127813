/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * py_ring.c - the split ring in C as Python sees it: what DriverRing and DeviceRing have in common, and the benchmark's
 * two sides.
 */
#include <errno.h>
#include <stdlib.h>

#include "py_ring.h"
#include "bench/ring_bench.h"

struct py_ring_errors py_ring_errors;

PyObject *py_ring_fail(int error, const struct amp_ring_fault *fault, PyObject *writer)
{
    PyObject *arguments, *names, *value;

    if (error == -EDEADLK) {
        PyErr_SetString(py_errors.stall, "both sides sleep, and neither was told of what the other did");
        return NULL;
    }
    if (error != -EPROTO || !fault->field) {
        errno = -error;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    arguments = Py_BuildValue("(sK)", fault->field, (unsigned long long)fault->value);
    names = Py_BuildValue("{sssOsK}", "limit", fault->limit, "writer", writer, "address",
                          (unsigned long long)fault->address);
    value = arguments && names ? PyObject_Call(py_ring_errors.bad_ring, arguments, names) : NULL;
    if (value)
        PyErr_SetObject(py_ring_errors.bad_ring, value);
    Py_XDECREF(arguments);
    Py_XDECREF(names);
    Py_XDECREF(value);
    return NULL;
}

int py_ring_u32(PyObject *object, uint32_t *value)
{
    uint64_t wide, ignored;

    if (py_word_value(object, &wide, &ignored))
        return -1;
    *value = (uint32_t)wide;
    if (wide <= UINT32_MAX)
        return 0;
    PyErr_Format(PyExc_OverflowError, "%llu does not fit into 4 bytes", (unsigned long long)wide);
    return -1;
}

int py_ring_array(PyObject *object, const char *name, Py_ssize_t size, int writable, Py_ssize_t least,
                  struct py_ring_array *array)
{
    if (PyObject_GetBuffer(object, &array->buffer, PyBUF_C_CONTIGUOUS | (writable ? PyBUF_WRITABLE : 0)))
        return -1;
    array->n = array->buffer.len / size;
    if (array->buffer.itemsize == size && array->n >= least)
        return 0;
    PyErr_Format(PyExc_ValueError, "%s: %zd elements of %zd bytes, wanted %zd of %zd", name, array->n,
                 array->buffer.itemsize, least, size);
    PyBuffer_Release(&array->buffer);
    return -1;
}

int py_ring_parse(PyObject *tuple, struct amp_ring_config *config)
{
    unsigned long long at[9], bounds[4], tables;
    unsigned int num, entries, how;
    int weak, event_idx, indirect, fifo, rewrite;

    if (!PyArg_ParseTuple(tuple, "(IKKKKKKKKK)(KKKK)(KI)Ippppp", &num, &at[0], &at[1], &at[2], &at[3], &at[4], &at[5],
                          &at[6], &at[7], &at[8], &bounds[0], &bounds[1], &bounds[2], &bounds[3], &tables, &entries,
                          &how, &weak, &event_idx, &indirect, &fifo, &rewrite))
        return -1;
    *config = (struct amp_ring_config){
        .layout = {num, at[0], at[1], at[2], at[3], at[4], at[5], at[6], at[7], at[8]},
        .start = bounds[0],
        .end = bounds[1],
        .buffers = bounds[2],
        .buffers_end = bounds[3],
        .tables = tables,
        .table_entries = entries,
        .how = how,
        .weak = weak,
        .event_idx = event_idx,
        .indirect = indirect,
        .fifo = fifo,
        .rewrite = rewrite,
    };
    return 0;
}

PyObject *py_ring_new(PyTypeObject *type, PyObject *args, struct amp_ring_config *config)
{
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    PyObject *buffer, *tuple, *layout, *writer;
    unsigned long long board;
    struct ring_object *self;
    unsigned int cpu;
    Py_buffer sites;

    if (!PyArg_ParseTuple(args, "OO!OOKIU", &buffer, &PyTuple_Type, &tuple, &layout, &sites.obj, &board, &cpu, &writer) ||
        py_ring_parse(tuple, config) || PyObject_GetBuffer(sites.obj, &sites, PyBUF_SIMPLE))
        return NULL;
    self = (struct ring_object *)allocate(type, 0);
    for (Py_ssize_t site = 0; self && site < sites.len && site < AMP_SITES; site++)
        self->sites[site] = ((uint8_t *)sites.buf)[site];
    PyBuffer_Release(&sites);
    if (!self)
        return NULL;
    for (unsigned site = 0; config->how == AMP_RING_TABLE && site < AMP_SITES; site++)
        if (self->sites[site] >= AMP_FENCES) {
            Py_DECREF(self);
            errno = EINVAL;
            return PyErr_SetFromErrno(PyExc_OSError);
        }
    self->layout = Py_NewRef(layout);
    self->writer = Py_NewRef(writer);
    self->other = cpu;
    if (PyObject_GetBuffer(buffer, &self->region, PyBUF_WRITABLE) == 0) {
        uint64_t size = (uint64_t)self->region.len;

        if (config->end <= size && size >= sizeof(uint32_t) && board % sizeof(uint32_t) == 0 &&
            board <= size - sizeof(uint32_t) && cpu < AMP_CPUS) {
            self->cpu = (struct amp_direct){.memory = self->region.buf,
                                            .board = (uint32_t *)((uint8_t *)self->region.buf + board),
                                            .shared_start = config->start,
                                            .shared_end = config->end,
                                            .cpus = AMP_CPUS};
            amp_port_direct(&self->port, &self->seat, &self->cpu);
            self->seat.sites = self->sites;
            self->seat.site_count = AMP_SITES_LIMIT - 1;
            return (PyObject *)self;
        }
        PyErr_SetString(PyExc_ValueError, "the shared memory or the doorbell lies behind the buffer's end, or no such CPU");
    }
    Py_DECREF(self);
    return NULL;
}

void py_ring_clear(struct ring_object *self)
{
    Py_CLEAR(self->layout);
    Py_CLEAR(self->writer);
    if (self->region.obj)
        PyBuffer_Release(&self->region);
}

/* --- the benchmark ------------------------------------------------------------------------------------------------- */

/*
 * ring_bench(buffer, role, ring, (control, board, messages, budget_ns, run, outstanding, batch, payload, wait), checks,
 * relax) -> dict
 */
static PyObject *ring_bench(PyObject *Py_UNUSED(self), PyObject *args)
{
    unsigned long long control, board, messages, budget_ns;
    unsigned int role, run, outstanding, batch, payload, wait;
    struct amp_ring_bench_result out;
    struct amp_ring_bench bench;
    PyObject *buffer, *ring;
    int checks, relax, error;
    Py_buffer region;

    if (!PyArg_ParseTuple(args, "OIO!(KKKKIIIII)pp", &buffer, &role, &PyTuple_Type, &ring, &control, &board, &messages,
                          &budget_ns, &run, &outstanding, &batch, &payload, &wait, &checks, &relax))
        return NULL;
    bench = (struct amp_ring_bench){.control = control,
                                    .board = board,
                                    .messages = messages,
                                    .budget_ns = budget_ns,
                                    .run = run,
                                    .outstanding = outstanding,
                                    .batch = batch,
                                    .payload = payload,
                                    .wait = wait,
                                    .checks = checks,
                                    .relax = relax};
    if (py_ring_parse(ring, &bench.ring) || PyObject_GetBuffer(buffer, &region, PyBUF_WRITABLE))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    error = (role ? amp_ring_bench_device : amp_ring_bench_driver)(region.buf, (uint64_t)region.len, &bench, &out);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&region);
    if (error) {
        PyObject *writer = PyUnicode_FromString(role ? "host" : "remote");

        if (writer)
            py_ring_fail(error, &out.fault, writer);
        Py_XDECREF(writer);
        return NULL;
    }
    return Py_BuildValue("{sKsKsKsKsKsKsKsKsKsKsKsKsK}", "messages", out.messages, "wall_ns", out.wall_ns, "cpu_ns",
                         out.cpu_ns, "involuntary_switches", out.involuntary_switches, "delivered", out.delivered,
                         "returned", out.returned, "corrupted", out.corrupted, "notifications", out.notifications,
                         "announcements", out.announcements, "looks", out.looks, "empty_looks", out.empty_looks,
                         "waits", out.waits, "spurious", out.spurious);
}

static PyMethodDef functions[] = {
    {"ring_bench", ring_bench, METH_VARARGS, "ring_bench(buffer, role, ring, bench, checks, relax) -> dict"},
    {NULL, NULL, 0, NULL},
};

static int add_type(PyObject *module, PyType_Spec *spec)
{
    PyObject *type = PyType_FromSpec(spec);
    int error = type ? PyModule_AddType(module, (PyTypeObject *)type) : -1;

    Py_XDECREF(type);
    return error;
}

int py_ring_init(PyObject *module)
{
    static const struct {
        const char *name;
        long value;
    } numbers[] = {
        {"RING_NONE", AMP_RING_NONE},     {"RING_COMPILER", AMP_RING_COMPILER},   {"RING_SMP", AMP_RING_SMP},
        {"RING_DMA", AMP_RING_DMA},       {"RING_MANDATORY", AMP_RING_MANDATORY}, {"RING_BRANCH", AMP_RING_BRANCH},
        {"RING_TABLE", AMP_RING_TABLE},
        {"BENCH_POLL", AMP_BENCH_POLL},   {"BENCH_SLEEP", AMP_BENCH_SLEEP},       {"BENCH_FILL", AMP_BENCH_FILL},
        {"BENCH_CONTROL_BYTES", AMP_BENCH_CONTROL_BYTES},
    };
    PyObject *errors = PyImport_ImportModule("amp.errors");

    py_ring_errors.bad_ring = errors ? PyObject_GetAttrString(errors, "BadRing") : NULL;
    py_ring_errors.usage = errors ? PyObject_GetAttrString(errors, "UsageError") : NULL;
    Py_XDECREF(errors);
    if (!py_ring_errors.bad_ring || !py_ring_errors.usage || PyModule_AddFunctions(module, functions))
        return -1;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (PyModule_AddIntConstant(module, numbers[i].name, numbers[i].value))
            return -1;
    return add_type(module, &py_ring_driver_spec) || add_type(module, &py_ring_device_spec) ? -1 : 0;
}
