/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * py_code.h - what py_code.c and py_code_run.c share: an engine for compiled code as a Python object.
 */
#ifndef AMP_PY_CODE_H
#define AMP_PY_CODE_H

#include "code/code.h"
#include "py_port.h"

struct code_object {
    PyObject_HEAD
    struct code_engine engine;
    PyObject *owner; /* has compile(pc) and ended(error, text, pc, before) */
};

extern PyTypeObject *py_code_type;

static inline struct code_engine *py_engine_of(PyObject *object)
{
    return &((struct code_object *)object)->engine;
}

void *py_grown(void *list, uint32_t room, size_t size);

/* Of the last run. */
PyObject *py_code_reached(PyObject *object, PyObject *ignored);
PyObject *py_code_keep(PyObject *object, PyObject *args);
PyObject *py_code_places(PyObject *object, PyObject *ignored);
PyObject *py_code_said(PyObject *object, PyObject *ignored);
PyObject *py_code_standing(PyObject *object, PyObject *ignored);
PyObject *py_code_steps(PyObject *object, PyObject *ignored);
PyObject *py_code_registers(PyObject *object, PyObject *ignored);

#define PY_CODE_TOLD                                                                                                        \
    {"reached", py_code_reached, METH_NOARGS, "reached(): the sites that runs have come to since it was last asked"},         \
    {"keep", py_code_keep, METH_VARARGS, "keep(n, general): keep n accesses of a run, with so many registers"},               \
    {"places", py_code_places, METH_NOARGS, "the last run's loads, stores and barriers: (address, value, registers, before)"}, \
    {"said", py_code_said, METH_NOARGS, "what the last run has printed: [(behind how many accesses and barriers, text)]"},    \
    {"standing", py_code_standing, METH_NOARGS, "where the last run stood, and what it loaded last"},                         \
    {"steps", py_code_steps, METH_NOARGS, "instructions of the last run"},                                                    \
    {"registers", py_code_registers, METH_NOARGS, "values of the registers at the end of the last run"}

#endif
