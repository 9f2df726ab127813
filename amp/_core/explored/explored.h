/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * explored.h - a program being explored: what the accesses of its parts are, as events of the execution (explore.h).
 *
 * A part is one CPU's side of the program. Its memory is split into cells, byte by byte as they are accessed. A part that
 * has to wait calls `wait`, which runs the others and comes back; a part that has to be unwound is told so by the result.
 *
 * Every function returns 0 or a negative errno:
 *   -ECANCELED  the run is over: the part ends now, whatever it was doing
 *   -ENODATA    inside a look of a poll: the look cannot go on; xp_part_undo_look() comes next
 *   -EFAULT, -EINVAL  as in core.h
 */
#ifndef AMP_EXPLORED_H
#define AMP_EXPLORED_H

#include <pthread.h>

#include "include/amp.h"
#include "explore/tags.h"

struct xp_part;

/* Which cell each byte of a granule belongs to. */
struct xp_granule {
    uint16_t cell[AMP_GRANULE];
};

/* A barrier that a CPU came to: before the event of that number, in its program order. */
struct xp_passage {
    xp_event_id event;
    uint8_t cpu, primitive, site;
};
#define XP_PASSAGES 1024 /* those that are told of one run */

struct xp_program {
    struct explorer *x;
    uint64_t start, end;        /* the shared memory, as addresses */
    struct xp_granule *granule; /* of the shared memory, in order */
    struct xp_orders orders[AMP_CPUS][AMP_PRIMITIVES];
    uint64_t cell_at[XP_CELLS]; /* the address of the granule it lies in */
    /* Which call of its CPU an event belongs to (loads and stores are counted apart), and its place among that call's. */
    uint16_t call[XP_EVENTS], part[XP_EVENTS];
    uint16_t loads[AMP_CPUS], stores[AMP_CPUS], loads_before_look;
    struct xp_passage passage[XP_PASSAGES];
    unsigned passages, passages_before_look;
    uint64_t number[XP_EVENTS], numbers; /* of events, in the order in which they were made, of all runs and looks */
    pthread_t thread;                    /* that runs the parts */
    uint16_t unwound[AMP_CPUS];          /* how often a CPU was told that its run is over */
    /* When, in its CPU's own order, a store was issued or a load performed, as the ordering model does it; 0: not yet. */
    uint16_t at[XP_EVENTS];
    bool look_used_bytes; /* of a bulk load that stands before it */
    uint16_t steps[AMP_CPUS], open[AMP_CPUS]; /* open: bulk loads that are not performed */
    /* Runs other parts. 0: it is this one's turn again. */
    int (*wait)(struct xp_part *part);
    /* Takes down the rule that the program broke, while it stands there. 0, or an error to be passed on. */
    int (*broken)(struct xp_part *part, const char *rule);
};

struct xp_part {
    struct xp_program *program;
    unsigned id;
};

#define XP_MEMORY_LIMIT (1u << 24) /* bytes of shared memory; the table of its cells is twice that */

/* -EINVAL for sizes that cannot be, -ENOMEM. Either way it is to be closed. The orders are the caller's to fill in. */
int xp_program_open(struct xp_program *program, unsigned cpus, unsigned levels, uint64_t start, uint64_t end);
void xp_program_close(struct xp_program *program);
void xp_program_begin(struct xp_program *program, bool again); /* the next run, or the last once more, counted once */
enum xp_ending xp_program_ending(struct xp_program *program);
uint64_t xp_program_final(struct xp_program *program, uint64_t address); /* a granule, as this run left it */

int xp_part_load(struct xp_part *part, uint64_t address, unsigned size, uint64_t after, int acquire,
                 struct amp_word *out);
int xp_part_store(struct xp_part *part, uint64_t address, unsigned size, uint64_t value, int release,
                  struct amp_origin from);
int xp_part_atomic(struct xp_part *part, uint64_t address, unsigned size, enum amp_atomic op, uint64_t operand,
                   uint64_t expected, struct amp_origin from, struct amp_word *out);
int xp_part_write(struct xp_part *part, uint64_t address, const uint8_t *bytes, uint64_t length,
                  struct amp_origin from);
int xp_part_barrier(struct xp_part *part, unsigned primitive, unsigned site);
int xp_part_kick(struct xp_part *part, unsigned target);
int xp_part_status(struct xp_part *part, uint64_t after, struct amp_word *out); /* 1: its doorbell has rung; 0 */
int xp_part_acknowledge(struct xp_part *part);
int xp_part_wait(struct xp_part *part, int64_t timeout_ns); /* a limit is a broken rule: there is no clock */

/* explored_followed.c: the same for code in which every value is followed; `how` and `from` as with AMP_TOLD in amp.h. */
int xp_part_followed_load(struct xp_part *part, uint64_t address, unsigned size, uint64_t after, unsigned how,
                          struct amp_word *out);
int xp_part_followed_store(struct xp_part *part, uint64_t address, unsigned size, uint64_t value, unsigned how,
                           struct amp_origin from);
int xp_part_branch(struct xp_part *part, uint64_t tag);
int xp_part_isb(struct xp_part *part);
int xp_part_choose(struct xp_part *part, unsigned n, unsigned *which);

/* A bulk load, one event a granule. The caller has `event` with room for that many, and fills in address and length. */
struct xp_bulk {
    uint64_t address, length;
    xp_event_id *event;
    unsigned events;
    bool performed, given; /* given: to code in which nobody follows the bytes; that a branch hangs on them is not said */
    uint64_t number; /* of the first event */
};

unsigned xp_granules(uint64_t address, uint64_t length);
int xp_bulk_issue(struct xp_part *part, struct xp_bulk *bulk, uint64_t after);
/* Its bytes are needed now; they are written to `bytes` the first time. */
int xp_bulk_perform(struct xp_part *part, struct xp_bulk *bulk, uint8_t *bytes);
void xp_bulk_forget(struct xp_part *part, struct xp_bulk *bulk); /* nobody will ask for them any more */

int xp_part_begin_look(struct xp_part *part);
/* 1: the look stands. 0: it is worth repeating now. Or a negative errno. */
int xp_part_end_look(struct xp_part *part, bool found);
int xp_part_undo_look(struct xp_part *part);

/* The program broke a rule, which ends the exploration: the error to be passed on. */
int xp_break_rule(struct xp_part *part, const char *rule);

#endif
