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

#include "py_bridge.h"

struct explorer_object;

/* The part of a port that is the explorer's. */
struct explored {
    struct explorer_object *owner; /* a reference */
    PyObject *wait;                /* a reference; called with nothing when the CPU must let others run */
    unsigned id;
};

int py_explore_init(PyObject *module);
PyObject *py_litmus(PyObject *module, PyObject *const *args, Py_ssize_t n);
int py_explored_init(PyObject *module); /* py_explorer.c */
int py_is_explorer(PyObject *object);
unsigned py_explorer_cpus(PyObject *explorer);
void py_explorer_bounds(PyObject *explorer, uint64_t *start, uint64_t *end);
/* Methods of an explored port: a poll's looks. */
PyObject *py_look_begin(PyObject *port, PyObject *nothing);
PyObject *py_look_end(PyObject *port, PyObject *found);
PyObject *py_look_undone(PyObject *port, PyObject *nothing);
PyObject *py_look_place(PyObject *port, PyObject *nothing);
PyObject *py_look_path(PyObject *port, PyObject *nothing);

/* py_tags.c. `tag` is a Word's time with PY_TAGGED set. */
#define PY_TAGGED (UINT64_C(1) << 63)
uint64_t py_tag_join(uint64_t a, uint64_t b);       /* the tag of what is computed from both */
void py_tag_value(uint64_t tag, uint64_t value);    /* the new value that has this tag */
void py_tag_looked(uint64_t tag, uint64_t what);    /* the program saw this of the value */
void py_tag_drop(uint64_t tag);                     /* the value is gone */

#endif
