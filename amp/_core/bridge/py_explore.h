/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * py_explore.h - what the bridge offers of the explorer: litmus() for litmus tests, and Explorer with its ports for
 * programs written against Port.
 *
 * An explored port's loads return Words whose time is a tag: it names the loads that the value was computed from, and
 * tells the explorer when the program looks into it. A comparison tells no more than its outcome, so two runs that read
 * different values and compared them alike are the same run, as far as that program is concerned.
 */
#ifndef AMP_PY_EXPLORE_H
#define AMP_PY_EXPLORE_H

#include "explored/explored.h"
#include "py_bridge.h"

struct explorer_object;

/* The part of a port that is the explorer's. */
struct explored {
    struct xp_part part;
    struct explorer_object *owner; /* a reference */
    PyObject *wait;                /* a reference; called with nothing when the CPU must let others run */
};

int py_explore_init(PyObject *module);
PyObject *py_litmus(PyObject *module, PyObject *const *args, Py_ssize_t n);
int py_explored_init(PyObject *module); /* py_explorer.c */
int py_is_explorer(PyObject *object);
unsigned py_explorer_cpus(PyObject *explorer);
/* Seats the port of CPU `id` before it; `wait` is called with nothing when the CPU must let others run. */
void py_explorer_seat(PyObject *explorer, struct explored *explored, unsigned id, PyObject *wait);
/* The exception for a part that has to be unwound; NULL. */
PyObject *py_unwind(const struct explored *explored, int error);
/* py_explored.c: methods of an explored port, a poll's looks. */
PyObject *py_look_begin(PyObject *port, PyObject *nothing);
PyObject *py_look_end(PyObject *port, PyObject *found);
PyObject *py_look_undone(PyObject *port, PyObject *nothing);
PyObject *py_look_place(PyObject *port, PyObject *nothing);
PyObject *py_look_path(PyObject *port, PyObject *nothing);

#endif
