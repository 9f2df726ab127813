/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * py_bridge.h - what the files that know both C and Python share. Files named py_* are the bridge; no other C
 * file includes Python.h. The bridge keeps to the stable ABI of CPython 3.11.
 */
#ifndef AMP_PY_BRIDGE_H
#define AMP_PY_BRIDGE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "core.h"

/* py_word.c */
int py_word_init(PyObject *module);
PyObject *py_word_new(uint64_t value, uint64_t time);
/* An int or a Word as u64, and the word's time (0 for an int). 0, or -1 with an exception set. */
int py_word_value(PyObject *object, uint64_t *value, uint64_t *time);
/* The program has come to know the object's value, should it be a Word: an exploration takes note. */
void py_word_look(PyObject *object);
/* The time of what is computed from values of these times. */
uint64_t py_word_later(uint64_t x, uint64_t y);

/* py_port_types.c */
int py_port_init(PyObject *module);

/* py_bench_barriers.c */
int py_bench_barriers_init(PyObject *module);

/* py_bench_work.c */
int py_bench_work_init(PyObject *module);

/* py_code.c */
int py_code_init(PyObject *module);

/* py_ring.c */
int py_ring_init(PyObject *module);

/* py_module.c: amp.errors' classes */
struct py_errors {
    PyObject *access_fault, *peer_died, *peer_finished, *schedule_mismatch, *stall, *violation;
};
extern struct py_errors py_errors;

#endif
