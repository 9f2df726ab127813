/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * graph_parts.h - what graph.c (events), orders.c (what keeps those of a CPU in order) and relations.c (reading, coherence)
 * share.
 */
#ifndef AMP_GRAPH_PARTS_H
#define AMP_GRAPH_PARTS_H

#include "graph.h"

/* `node`, and what is before it, into `row`. */
void xp_unite_row(const struct xp_graph *g, uint64_t *row, unsigned node);

/* Everything in `nodes`, and what is before it, is before the new node. Newest first: the older are mostly among it. */
void xp_absorb(struct xp_graph *g, unsigned node, const struct xp_set *nodes);

/* Node `a` before node `b`: -1 if `b` is before `a` already. */
int xp_precede(struct xp_graph *g, unsigned a, unsigned b);

/* The index of `cell` among the event's cells; -1: it does not touch it. */
int xp_touches(const struct xp_event *e, unsigned cell);

/* Its own CPU's write that a read takes a cell from; 0: it is another's, or the first value. */
xp_event_id xp_own_source(const struct xp_graph *g, xp_event_id r, unsigned cell);
/* A read that takes some of its bytes from what its CPU stored waits for that store's operands in those bytes alone; here
 * an access happens at once. */
bool xp_waits_in_part(const struct xp_graph *g, xp_event_id r);

/* A write that CPU `cpu` has read, as a barrier that reaches so far carries it along, before an event of that kind. */
void xp_put_carried(const struct xp_graph *g, struct xp_set before[XP_LEVELS], unsigned cpu, xp_event_id w,
                    unsigned kind, enum xp_reach reach);
/* With observers: does the write `e` come behind `w`, as the others make it, because its CPU has read it there before? */
bool xp_comes_behind_read(const struct xp_graph *g, xp_event_id e, unsigned cell, xp_event_id w);
/* From now on `e`, an access of this CPU, is before the later ones that `orders` names. */
void xp_order_event(struct xp_graph *g, unsigned cpu, xp_event_id e, const uint32_t orders[XP_LEVELS]);
/* A store-release comes after what is before it in program order. */
void xp_add_release(struct xp_graph *g, unsigned cpu, xp_event_id e, const uint32_t orders[XP_LEVELS]);
/* What of a CPU's own event an order at that level waits for. */
void xp_put_own(const struct xp_graph *g, struct xp_set *before, xp_event_id e, unsigned level);

#endif
