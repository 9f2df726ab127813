/* SPDX-License-Identifier: BSD-3-Clause */
/* py_bench_work.c - the timed loops of bench_work.h as functions of the module. */
#include <errno.h>

#include "bench/bench_work.h"
#include "py_bridge.h"

static PyObject *fail(int error)
{
    errno = -error;
    return PyErr_SetFromErrno(PyExc_OSError);
}

/* (buffer, room_offset, cpu, (access, primitive, address, rounds)) -> (wall_ns, cpu_ns, involuntary_switches) */
static PyObject *bench_model(PyObject *Py_UNUSED(self), PyObject *args)
{
    unsigned long long offset, address, rounds;
    unsigned int id, access, primitive;
    struct amp_bench_time time;
    struct amp_cpu cpu;
    PyObject *object;
    Py_buffer region;
    int error;

    if (!PyArg_ParseTuple(args, "OKI(IIKK)", &object, &offset, &id, &access, &primitive, &address, &rounds) ||
        PyObject_GetBuffer(object, &region, PyBUF_WRITABLE))
        return NULL;
    if (offset > (unsigned long long)region.len) {
        PyBuffer_Release(&region);
        PyErr_SetString(PyExc_ValueError, "the offset lies behind the buffer's end");
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    error = amp_cpu_open(&cpu, (uint8_t *)region.buf + offset, (size_t)region.len - offset, region.buf, id);
    if (!error)
        error = amp_bench_model(&cpu, &(struct amp_bench_model){access, primitive, address, rounds}, &time);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&region);
    if (error)
        return fail(error);
    return Py_BuildValue("(KKK)", (unsigned long long)time.wall_ns, (unsigned long long)time.cpu_ns,
                         (unsigned long long)time.involuntary_switches);
}

/* (rounds) -> (wall_ns, cpu_ns, involuntary_switches) */
static PyObject *bench_locked(PyObject *Py_UNUSED(self), PyObject *number)
{
    unsigned long long rounds = PyLong_AsUnsignedLongLong(number);
    struct amp_bench_time time;
    int error;

    if (PyErr_Occurred())
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    error = amp_bench_locked(rounds, &time);
    Py_END_ALLOW_THREADS
    if (error)
        return fail(error);
    return Py_BuildValue("(KKK)", (unsigned long long)time.wall_ns, (unsigned long long)time.cpu_ns,
                         (unsigned long long)time.involuntary_switches);
}

/* (buffer, role, word, base, rounds, budget_ns) -> {wall_ns, cpu_ns, involuntary_switches} */
static PyObject *bench_bounce(PyObject *Py_UNUSED(self), PyObject *args)
{
    unsigned long long word, base, rounds, budget_ns;
    struct amp_bench_time time;
    PyObject *object;
    unsigned int role;
    Py_buffer region;
    int error;

    if (!PyArg_ParseTuple(args, "OIKKKK", &object, &role, &word, &base, &rounds, &budget_ns) ||
        PyObject_GetBuffer(object, &region, PyBUF_WRITABLE))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    error = amp_bench_bounce(region.buf, (size_t)region.len, role,
                             &(struct amp_bench_bounce){word, base, rounds, budget_ns}, &time);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&region);
    if (error)
        return fail(error);
    return Py_BuildValue("{sKsKsK}", "wall_ns", (unsigned long long)time.wall_ns, "cpu_ns",
                         (unsigned long long)time.cpu_ns, "involuntary_switches",
                         (unsigned long long)time.involuntary_switches);
}

static PyMethodDef functions[] = {
    {"bench_model", bench_model, METH_VARARGS,
     "bench_model(buffer, room_offset, cpu, (access, primitive, address, rounds)) -> "
     "(wall_ns, cpu_ns, involuntary_switches)"},
    {"bench_locked", bench_locked, METH_O, "bench_locked(rounds) -> (wall_ns, cpu_ns, involuntary_switches)"},
    {"bench_bounce", bench_bounce, METH_VARARGS, "bench_bounce(buffer, role, word, base, rounds, budget_ns) -> dict"},
    {NULL, NULL, 0, NULL},
};

int py_bench_work_init(PyObject *module)
{
    static const struct {
        const char *name;
        long value;
    } numbers[] = {
        {"BENCH_LOAD", AMP_BENCH_LOAD},       {"BENCH_STORE", AMP_BENCH_STORE},     {"BENCH_MIXED", AMP_BENCH_MIXED},
        {"BENCH_BARRIER", AMP_BENCH_BARRIER}, {"BENCH_WARM_UP", AMP_BENCH_WARM_UP},
    };

    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (PyModule_AddIntConstant(module, numbers[i].name, numbers[i].value))
            return -1;
    return PyModule_AddFunctions(module, functions);
}
