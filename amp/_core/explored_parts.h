/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * explored_parts.h - what the files of an explored program know of one another. explored.c has runs, cells, waiting and
 * looks, explored_access.c what the parts do.
 */
#ifndef AMP_EXPLORED_PARTS_H
#define AMP_EXPLORED_PARTS_H

#include <errno.h>

#include "explored.h"
#include "granule.h"

/* The cells that an access of `size` bytes covers, all in one granule; how many, or a negative errno: -EAGAIN if cells
 * had to be split, which makes the exploration start again. */
int xp_cells_of(struct xp_program *program, uint64_t address, unsigned size, uint16_t cells[XP_SPAN]);

/* After a result that is not XP_DONE: let others run and return 0 (ask again), or the error to unwind with. */
int xp_step_aside(struct xp_part *part, int result);

/* Before any access: a look may only load, and one that is to be undone goes no further, whatever the program catches.
 * `what` is the rule that an access breaks in a look; NULL: none. */
int xp_may_go_on(struct xp_part *part, const char *what);

/* The model performs bulk loads whose bytes nobody has asked for: those on `cells`, or (n is 0) all. */
void xp_perform_open(struct xp_program *program, unsigned cpu, const uint16_t *cells, unsigned n);

#define XP_LOOKS_ONLY_LOAD(what) "a look of poll() " what ": it may be made any number of times, and may only load"

static inline void xp_number_event(struct xp_program *program, xp_event_id event, unsigned call, unsigned part)
{
    program->number[event] = ++program->numbers;
    program->call[event] = (uint16_t)call;
    program->part[event] = (uint16_t)part;
    program->at[event] = ++program->steps[program->x->graph.event[event].cpu];
}

#endif
