/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * graph.h - one execution as a graph: who read what, in which order writes of a cell became visible, and what must have
 * happened before what. The explorer builds one, event by event; an execution is possible if nothing comes before itself.
 *
 * "Before" is the order in which reads were performed and writes became visible (Armv8's ordered-before; Pulte et al.,
 * POPL 2018): reading another CPU's write comes after it (rf); a read comes before the write that replaced what it read
 * (fr); writes of one cell are in order (co); barriers, acquires, releases, dependencies and what the hardware keeps by
 * itself order the accesses of one CPU. What a CPU reads of its own writes orders nothing by itself.
 *
 * A cell is a set of bytes that every access covers wholly or not at all. An access covers one or more cells of one
 * granule and is one event: it happens at once.
 *
 * Distance. With one level, an event is one node. With two, CPUs live in domains, and an event has two nodes: as seen by
 * the siblings of its domain (INNER), and by everybody else (OUTER). A write reaches its siblings before the others. A
 * barrier orders each level by itself, as far as it reaches; one that reaches the others also carries along what its CPU
 * has read of its siblings' writes (cumulativity). Of a pair of accesses as seen by different levels it orders what it
 * reaches the farther of: all it orders behind a read, and a read behind a write. With one level both are the same node.
 *
 * Observers. The writes of a CPU that is not multi-copy atomic reach the others one by one, in no order. Such a write has,
 * beside the nodes of its levels (there it is made: whoever reads it does so later), one for each other CPU: that one sees
 * it or a newer one of its cell, and nothing older from then on. So a write that is overwritten before it comes to a CPU
 * is no constraint there. A barrier puts what it reaches all of these nodes of, of its own CPU's writes and, where it
 * carries along, of those that its CPU has read, before what comes behind it: A- and B-cumulativity of a full fence (Alglave,
 * Maranget, Tautschnig, "Herding cats", TOPLAS 2014, 4.6 and 4.7: `prop`; propagation to each thread, and coherence
 * among what has come there: Sarkar, Sewell, Alglave, Maranget, Williams, "Understanding POWER multiprocessors", PLDI
 * 2011). Dependencies, acquires and the hardware's own orders between reads carry nothing.
 */
#ifndef AMP_GRAPH_H
#define AMP_GRAPH_H

#include <stdbool.h>

#include "granule.h"

#define XP_EVENTS 1024 /* of one execution, initial write included; times the nodes of an event */
#define XP_WORDS (XP_EVENTS / 64)
#define XP_CELLS 512
#define XP_SPAN 8 /* cells one access may cover */
#define XP_LEVELS 2 /* distances; a write may have nodes beside these, see Observers */

typedef uint16_t xp_event_id; /* 0: the initial write of every cell, before everything */
#define XP_INITIAL 0
#define XP_UNREAD UINT16_MAX /* source of a read that is not resolved yet */

struct xp_set {
    uint64_t bit[XP_WORDS];
};

/* What of that which a CPU has read its barrier carries along, and to whom (the bits of what put_ordered returns): of its
 * siblings to its siblings; of all to all; of the others to its siblings. Without observers only the second counts. */
enum xp_reach { XP_AMONG_SIBLINGS, XP_TO_ALL, XP_TO_SIBLINGS, XP_REACHES };

enum xp_kind { XP_READ, XP_WRITE, XP_DOORBELL, XP_KINDS };

/* What a later event waits for: by its kind, and a read of a mailbox's status, which not every fence orders, by itself. */
enum { XP_STATUS = XP_KINDS, XP_LATER };

/* One access. */
struct xp_event {
    uint8_t kind, cpu;
    uint8_t cells;               /* how many */
    uint8_t mask;                /* the bytes of the granule that it covers */
    bool release, atomic;        /* WRITE: a store-release that a load-acquire waits for; part of a read-modify-write */
    bool picked;                 /* WRITE: `picks` has something */
    bool promised;               /* READ: its value was promised before its write was there */
    bool compares;               /* READ: of a compare-and-swap, which orders less if it stores nothing */
    bool interrupt;              /* READ: an interrupt taken, which nothing behind it overtakes */
    bool status;                 /* READ: of a mailbox's status, a load of Device memory */
    xp_event_id partner;         /* atomic: its other half; else 0 */
    uint16_t order;              /* this CPU's how-manieth event, from 0 */
    uint16_t cell[XP_SPAN];
    xp_event_id source[XP_SPAN]; /* READ: per cell */
    uint64_t value;              /* WRITE: the bytes in place. Promised READ: what it must read */
    int32_t choice;              /* the explorer's: at which choice it was resolved; -1: at none */
};

/* The writes of one cell in coherence order; co[0] is the initial one. */
struct xp_cell {
    uint8_t mask; /* its bytes in the granule */
    uint16_t writes;
    xp_event_id co[64];
};
#define XP_COHERENCE 64

/* What a primitive orders: towards siblings, and towards the others (bits of enum amp_orders). Of one that names devices as
 * well, a RISC-V fence, XP_EXACT and what it keeps of each kind before which: r, i (a status), w and o (a doorbell, an
 * acknowledgement) before, four bits each, of the same behind. What is below counts for nothing then. */
struct xp_orders {
    uint32_t level[XP_LEVELS];
};
#define XP_EXACT (1u << 24)
#define XP_KEPT_AT 8 /* the first of the bits */

struct xp_graph_cpu {
    uint8_t domain;
    bool copies;                              /* its writes reach the others one by one */
    uint32_t implicit[XP_LEVELS];
    uint16_t events;
    struct xp_set all[XP_KINDS];              /* its events, by kind */
    struct xp_set must[XP_LATER][XP_LEVELS]; /* nodes before its next event of that kind, at that level */
    /* Reads of which barriers carry along what they return before its next event of that kind, as far as they reach. */
    struct xp_set carry[XP_LATER][XP_REACHES];
    struct xp_set status;                     /* its reads of a mailbox's status */
    struct xp_set control;                    /* events its next write waits for: branches taken, addresses awaited */
    struct xp_set instruction;                /* events its next read waits for, after an isb */
    struct xp_set releases;
    struct xp_set unseen;                     /* reads of atomics without a result: barriers for loads do not wait for them */
    bool any_unseen;
    xp_event_id last_doorbell;
};

/* Rules of the model that are left out, so that tests can show that they would notice (Explorer.plant). */
enum xp_fault {
    XP_NO_COHERENCE = 1,
    XP_NO_DEPENDENCY = 2,
    XP_NO_CONTROL = 4,
    XP_NO_CUMULATIVITY = 8,   /* barriers carry nothing along */
    XP_BLIND_OBSERVER = 16,   /* barriers do not wait for the last CPU */
};

struct xp_graph {
    unsigned levels, cpus;
    unsigned nodes; /* of an event: `levels`, or more with observers */
    uint8_t faults; /* bits of enum xp_fault; 0 but in tests */
    bool hazards;   /* a read comes before what a later, wider read of its CPU that shares bytes with it has missed */
    unsigned events, words; /* in use; words: of a row of `before` */
    struct xp_event event[XP_EVENTS];
    uint64_t before[XP_EVENTS][XP_WORDS];
    struct xp_set porf[XP_EVENTS]; /* events before it in program order or by being read */
    struct xp_set depends[XP_EVENTS]; /* WRITE: events its address and data come from */
    struct xp_set carried[XP_EVENTS][XP_REACHES]; /* unless `nodes` is 1: reads of its CPU whose write comes before it */
    struct xp_set picks[XP_EVENTS]; /* WRITE, if `picked`: events that decided which value it is, or where */
    unsigned cells;
    struct xp_cell cell[XP_CELLS];
    struct xp_graph_cpu cpu[AMP_CPUS];
};

/* Does it ring a doorbell? The other write of a mailbox is an acknowledgement. */
static inline bool xp_rings(const struct xp_event *e)
{
    return e->kind == XP_DOORBELL && e->value;
}

static inline bool xp_has(const struct xp_set *set, unsigned bit)
{
    return set->bit[bit >> 6] >> (bit & 63) & 1;
}

static inline void xp_put(struct xp_set *set, unsigned bit)
{
    set->bit[bit >> 6] |= UINT64_C(1) << (bit & 63);
}

bool xp_is_empty(const struct xp_set *set);
/* What is in `other` is in `set`, too: the first so many words of both. */
void xp_unite(struct xp_set *set, const struct xp_set *other, unsigned words);

static inline bool xp_is_before(const struct xp_graph *g, unsigned node, unsigned later)
{
    return g->before[later][node >> 6] >> (node & 63) & 1;
}

/* The node of an event at that level. */
static inline unsigned xp_node(const struct xp_graph *g, xp_event_id e, unsigned level)
{
    return g->nodes == 1 ? e : g->nodes * e + level;
}

static inline unsigned xp_between(const struct xp_graph *g, unsigned cpu, unsigned other)
{
    return g->levels == 1 || g->cpu[cpu].domain == g->cpu[other].domain ? 0 : 1;
}

static inline bool xp_has_observers(const struct xp_graph *g)
{
    return g->nodes > g->levels;
}

/* Do the writes of that event's CPU have nodes of their own for each observer? */
static inline bool xp_is_copied(const struct xp_graph *g, xp_event_id e)
{
    return xp_has_observers(g) && g->event[e].kind != XP_READ && g->cpu[g->event[e].cpu].copies;
}

/* The node from which on CPU `cpu` sees the write or a newer one: for its own CPU, and where all at a distance see it at
 * once, that of the level. */
static inline unsigned xp_seen(const struct xp_graph *g, xp_event_id w, unsigned cpu)
{
    unsigned writer = g->event[w].cpu;

    if (!xp_has_observers(g) || !g->cpu[writer].copies || cpu == writer)
        return xp_node(g, w, xp_between(g, cpu, writer));
    return xp_node(g, w, g->levels + cpu - (cpu > writer));
}

/* How many nodes the event has. */
static inline unsigned xp_nodes_of(const struct xp_graph *g, xp_event_id e)
{
    return xp_is_copied(g, e) ? g->nodes : g->levels;
}

/* Once all CPUs are described: which nodes there are. Two CPUs cannot tell that a write reaches one before another. */
void xp_graph_lay_out(struct xp_graph *g);
void xp_graph_reset(struct xp_graph *g); /* events and cells' writes forgotten; cells, levels and CPUs stay */

/* New events, at the end of their CPU's program. `depends`: events their address and data come from; `address`: those of
 * the address alone. Returns its id, or 0 if there is no room. */
xp_event_id xp_add_read(struct xp_graph *g, unsigned cpu, const uint16_t *cells, unsigned n, struct xp_orders acquire,
                        const struct xp_set *address);
/* The same of a mailbox's status. */
xp_event_id xp_add_status(struct xp_graph *g, unsigned cpu, uint16_t mailbox, const struct xp_set *address);
xp_event_id xp_add_write(struct xp_graph *g, enum xp_kind kind, unsigned cpu, const uint16_t *cells, unsigned n,
                         struct xp_orders release, const struct xp_set *depends, const struct xp_set *address);
void xp_add_barrier(struct xp_graph *g, unsigned cpu, struct xp_orders orders);
/* As if the barrier had stood before the read `r`, its CPU's last event: -1 if `r` would come before itself. */
int xp_order_behind(struct xp_graph *g, xp_event_id r, struct xp_orders orders);
/* All later accesses of its CPU come behind the write `w`. */
void xp_add_behind(struct xp_graph *g, unsigned cpu, xp_event_id w);
void xp_add_isb(struct xp_graph *g, unsigned cpu);
void xp_add_control(struct xp_graph *g, unsigned cpu, const struct xp_set *depends);

/* May read `r` take these sources, one per cell? */
bool xp_may_read(const struct xp_graph *g, xp_event_id r, const xp_event_id *sources);
int xp_read_from(struct xp_graph *g, xp_event_id r, const xp_event_id *sources); /* -1: comes before itself */
/* May write `w` stand right behind co[position - 1] in cell number `i` of its cells? */
bool xp_may_place(const struct xp_graph *g, xp_event_id w, unsigned i, unsigned position);
int xp_place(struct xp_graph *g, xp_event_id w, unsigned i, unsigned position);

/* Has what atomic read `r` read been taken by another atomic's write? */
bool xp_taken(const struct xp_graph *g, xp_event_id r);

unsigned xp_position(const struct xp_graph *g, unsigned cell, xp_event_id w);
uint64_t xp_value_of(const struct xp_graph *g, xp_event_id r, const uint64_t *initial);

#endif
