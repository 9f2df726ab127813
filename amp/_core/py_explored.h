/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * py_explored.h - an explorer as a Python object, and where the cells of its memory lie.
 */
#ifndef AMP_PY_EXPLORED_H
#define AMP_PY_EXPLORED_H

#include "py_port.h"
#include "py_tags.h"

#define NO_CELL UINT16_MAX

/* Which cell each byte of a granule belongs to. */
struct granule {
    uint16_t cell[AMP_GRANULE];
};

struct explorer_object {
    PyObject_HEAD
    struct explorer *x;
    uint64_t start, end;     /* the shared memory, as addresses */
    struct granule *granule; /* of the shared memory, in order */
    struct xp_orders orders[AMP_CPUS][AMP_PRIMITIVES];
    uint64_t cell_at[XP_CELLS]; /* the address of the granule it lies in */
    PyObject *unlook, *over;    /* the exceptions that unwind a look, and a run */
    PyObject *broken;           /* called with the text of a rule that a program broke, while it stands there */
    /* Which call of its CPU an event belongs to (loads and stores are counted apart), and its place among that call's. */
    uint16_t call[XP_EVENTS], part[XP_EVENTS];
    uint16_t loads[AMP_CPUS], stores[AMP_CPUS], loads_before_look;
    uint64_t number[XP_EVENTS], numbers; /* of events, in the order in which they were made, of all runs and looks */
    unsigned long thread; /* that runs the parts */
    uint16_t unwound[AMP_CPUS]; /* how often a CPU was told that its run is over */
    /* When, in its CPU's own order, a store was issued or a load performed, as the ordering model does it; 0: not yet. */
    uint16_t at[XP_EVENTS];
    bool look_used_bytes; /* of a bulk load that stands before it */
    uint16_t steps[AMP_CPUS], open[AMP_CPUS]; /* open: bulk loads that are not performed */
    bool merging; /* are states merged when all executions are explored? */
};

static inline void py_number_event(struct explorer_object *owner, xp_event_id event, unsigned call, unsigned part)
{
    owner->number[event] = ++owner->numbers;
    owner->call[event] = (uint16_t)call;
    owner->part[event] = (uint16_t)part;
    owner->at[event] = ++owner->steps[owner->x->graph.event[event].cpu];
}

/* The model performs bulk loads whose bytes nobody has asked for: those on `cells`, or (n is 0) all. */
void py_perform_open(struct explorer_object *owner, unsigned cpu, const uint16_t *cells, unsigned n);

/* The cells that an access of `size` bytes covers, all in one granule; how many, or a negative errno: -EAGAIN if cells
 * had to be split, which makes the exploration start again. */
int py_cells(struct explorer_object *owner, uint64_t address, unsigned size, uint16_t cells[XP_SPAN]);

/* After a result that is not XP_DONE: let others run and return 1 (ask again), or 0 with an exception set. */
int py_step_aside(struct port *port, int result);

/* Before an access that loads, and before a look: 0, or -ECANCELED with an exception set. */
int py_may_load(struct port *port);
int py_may_look(struct port *port);

/* The program broke a rule, which ends the exploration: -ECANCELED, with an exception set. */
int py_break_rule(struct port *port, const char *rule);

int py_bytes_init(PyObject *module); /* py_bytes.c: what an explored port's read() returns */
PyObject *py_explored_read(PyObject *port, uint64_t address, uint64_t length, uint64_t after);

#endif
