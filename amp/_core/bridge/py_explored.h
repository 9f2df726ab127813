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

int py_bytes_init(PyObject *module); /* py_bytes.c: what an explored port's read() returns */

#endif
