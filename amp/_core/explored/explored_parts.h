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

/* Until it is done, or the part has to be unwound. */
#define XP_ASKING(part, call)                     \
    do {                                          \
        int asked = (call), unwind;               \
                                                  \
        if (asked == XP_DONE)                     \
            break;                                \
        unwind = xp_step_aside(part, asked);      \
        if (unwind)                               \
            return unwind;                        \
    } while (1)

/* What the program did; together with what it looked into, all that its state can depend on. */
enum xp_did { DID_LOAD = 1, DID_STORE, DID_ATOMIC, DID_READ, DID_KICK, DID_WAIT, DID_BARRIER, DID_BRANCH, DID_ISB, DID_CHOOSE, DID_STATUS };

static inline uint64_t xp_did(enum xp_did what, uint64_t address, uint64_t size)
{
    return (uint64_t)what << 56 | size << 40 | address;
}

/* The cells of a scalar. Should they have had to be split, or be too many, the run is over. */
int xp_find_cells(struct xp_part *part, uint64_t address, unsigned size, uint16_t cells[XP_SPAN]);

/* What address and data of a store come from, together. */
const struct xp_set *xp_origins(struct amp_origin from, struct xp_set *room);

/* The store just made is the `nth` event of the present store of its CPU. */
void xp_number_store(const struct xp_part *part, unsigned nth);

/* A barrier; one for loads alone does not wait for those of atomics without a result. */
void xp_barrier_seen(struct xp_part *part, const struct xp_orders *orders);

static inline const struct xp_orders *xp_orders_of(const struct xp_part *part, unsigned primitive)
{
    return &part->program->orders[part->id][primitive];
}

static inline unsigned xp_shift_of(uint64_t address)
{
    return 8 * (unsigned)(address % AMP_GRANULE);
}

static inline void xp_number_event(struct xp_program *program, xp_event_id event, unsigned call, unsigned part)
{
    program->number[event] = ++program->numbers;
    program->call[event] = (uint16_t)call;
    program->part[event] = (uint16_t)part;
    program->at[event] = ++program->steps[program->x->graph.event[event].cpu];
}

#endif
