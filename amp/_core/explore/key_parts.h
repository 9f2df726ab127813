/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * key_parts.h - what the files of a state's key share: key.c (the state of the CPUs, and all together), key_cells.c
 * (cells), key_reads.c (who may read what), key_nodes.c (sets of nodes).
 */
#ifndef AMP_KEY_PARTS_H
#define AMP_KEY_PARTS_H

#include "explore.h"
#include "graph_parts.h"

#define XP_KEY_MOST 256 /* writes and open reads that matter, in one state */

struct xp_key_relevant {
    unsigned n;
    xp_event_id event[XP_KEY_MOST];
    uint16_t rank[XP_EVENTS]; /* 1 + its place in `event`; 0: does not matter */
    struct xp_set mask;
};

/* What comes before a read, for each level. */
struct xp_key_rows {
    const uint64_t *level[XP_LEVELS];
};

struct xp_key_hash {
    uint64_t a, b;
};

#define XP_NEXT UINT16_MAX /* the order of a CPU's next event */

/* Somebody who may still read: a CPU, by its next load, or an open read. What is in `row` comes before it anyway. */
struct xp_key_reader {
    unsigned cpu, order;
    struct xp_key_rows rows;
};

struct xp_key_state {
    struct explorer *x;
    struct xp_key_relevant relevant;
    struct xp_key_hash hash;
    uint64_t reads[AMP_CPUS][XP_LEVELS][XP_WORDS]; /* before a CPU's next load, at each level */
    uint64_t writes[AMP_CPUS][XP_WORDS];           /* before its next store, at the first */
    unsigned opens;
    xp_event_id open[XP_EVENTS];       /* the open reads, CPU by CPU */
    uint16_t come[AMP_CPUS][XP_CELLS]; /* the newest write of a cell that a CPU has read or written */
    uint16_t first[XP_CELLS]; /* the oldest write that can still be read; the number of writes: nobody reads any more */
};

static inline bool xp_is_open(const struct xp_event *e)
{
    return e->kind == XP_READ && e->source[0] == XP_UNREAD;
}

static inline void xp_take(struct xp_key_hash *h, uint64_t value)
{
    h->a = xp_mix(h->a, value);
    h->b = xp_mix(h->b ^ UINT64_C(0x94d049bb133111eb), value + UINT64_C(0x2545f4914f6cdd1d));
}

/* key_reads.c: a CPU or an open read returns nothing that is before it, nor what is older than its CPU has read there. */
bool xp_is_behind(const struct xp_graph *g, unsigned cpu, const struct xp_key_rows *rows, xp_event_id w);
struct xp_key_rows xp_rows_of(const struct xp_graph *g, xp_event_id e);
void xp_find_accesses(struct xp_key_state *s);
unsigned xp_oldest_for(const struct xp_key_state *s, unsigned number, unsigned cpu, const struct xp_key_rows *rows,
                       unsigned order);
unsigned xp_newest_for(const struct xp_graph *g, unsigned number, const struct xp_event *read);
bool xp_several_writers(const struct xp_key_state *s, unsigned number);
unsigned xp_readers_of(const struct xp_key_state *s, unsigned number, struct xp_key_reader list[XP_EVENTS]);
bool xp_add_relevant(const struct xp_graph *g, struct xp_key_relevant *r, xp_event_id e);
bool xp_find_relevant(struct xp_key_state *s, unsigned number);

/* key_nodes.c: into the hash; what is in `known` is left out. */
void xp_close_set(const struct xp_graph *g, const struct xp_set *set, uint64_t *row);
void xp_take_row(struct xp_key_hash *h, const struct xp_graph *g, const struct xp_key_relevant *r, const uint64_t *row);
void xp_take_new(struct xp_key_state *s, const struct xp_set *set, const uint64_t *known);
void xp_take_events(struct xp_key_state *s, const struct xp_set *events);
void xp_take_each_level(struct xp_key_state *s, const struct xp_set *events, const uint64_t *known);

/* key_cells.c: what of a cell matters, and what a new write of it comes after. */
void xp_take_past(struct xp_key_state *s, unsigned number, unsigned position);
void xp_take_rows(struct xp_key_state *s, xp_event_id e);
bool xp_somebody_writes(const struct xp_key_state *s, unsigned number);
void xp_take_cell(struct xp_key_state *s, unsigned number);

#endif
