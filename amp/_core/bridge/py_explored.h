/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * py_explored.h - an explorer as a Python object. The program it explores is explored.h's.
 */
#ifndef AMP_PY_EXPLORED_H
#define AMP_PY_EXPLORED_H

#include "py_port.h"

struct explorer_object {
    PyObject_HEAD
    struct xp_program program;
    PyObject *unlook, *over; /* the exceptions that unwind a look, and a run */
    PyObject *broken;        /* called with the text of a rule that a program broke, while it stands there */
    bool merging; /* are states merged when all executions are explored? */
};

static inline struct explorer_object *py_explorer_of(PyObject *object)
{
    return (struct explorer_object *)object;
}

/* py_execution.c: methods of an Explorer. */
PyObject *py_execution_final(PyObject *explorer, PyObject *address);
PyObject *py_execution_events(PyObject *explorer, PyObject *nothing);
PyObject *py_execution_passages(PyObject *explorer, PyObject *nothing);

int py_bytes_init(PyObject *module); /* py_bytes.c: what an explored port's read() returns */

#endif
