/* SPDX-License-Identifier: BSD-3-Clause */
/* py_bench_barriers.c - the timed loops of bench_barriers.h as two functions of the module. */
#include <errno.h>

#include "bench/bench_barriers.h"
#include "py_bridge.h"

/* (buffer, (primitive, before, lines, rounds)) -> (wall_ns, cpu_ns, involuntary_switches) */
static PyObject *bench_barrier(PyObject *module, PyObject *args)
{
    unsigned int primitive, before, lines;
    unsigned long long rounds;
    struct amp_bench_time time;
    PyObject *object;
    Py_buffer room;
    int error;

    (void)module;
    if (!PyArg_ParseTuple(args, "O(IIIK)", &object, &primitive, &before, &lines, &rounds) ||
        PyObject_GetBuffer(object, &room, PyBUF_WRITABLE))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    error = amp_bench_barrier(room.buf, (size_t)room.len,
                              &(struct amp_bench_barrier){primitive, before, lines, rounds}, &time);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&room);
    if (error) {
        errno = -error;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    return Py_BuildValue("(KKK)", (unsigned long long)time.wall_ns, (unsigned long long)time.cpu_ns,
                         (unsigned long long)time.involuntary_switches);
}

static PyObject *bench_instruction(PyObject *module, PyObject *number)
{
    unsigned long primitive = PyLong_AsUnsignedLong(number);
    const char *text;

    (void)module;
    if (PyErr_Occurred())
        return NULL;
    text = primitive <= UINT32_MAX ? amp_bench_instruction((uint32_t)primitive) : NULL;
    if (!text)
        Py_RETURN_NONE;
    return PyUnicode_FromString(text);
}

static PyMethodDef functions[] = {
    {"bench_barrier", bench_barrier, METH_VARARGS,
     "bench_barrier(buffer, (primitive, before, lines, rounds)) -> (wall_ns, cpu_ns, involuntary_switches)"},
    {"bench_instruction", bench_instruction, METH_O, "bench_instruction(primitive) -> assembler template, or None"},
    {NULL, NULL, 0, NULL},
};

int py_bench_barriers_init(PyObject *module)
{
    static const struct {
        const char *name;
        long value;
    } numbers[] = {
        {"BENCH_LINE", AMP_BENCH_LINE},       {"BENCH_NOTHING", AMP_BENCH_NOTHING}, {"BENCH_NEAR", AMP_BENCH_NEAR},
        {"BENCH_FAR", AMP_BENCH_FAR}, {"BENCH_STREAM", AMP_BENCH_STREAM},
    };

    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (PyModule_AddIntConstant(module, numbers[i].name, numbers[i].value))
            return -1;
    return PyModule_AddFunctions(module, functions);
}
