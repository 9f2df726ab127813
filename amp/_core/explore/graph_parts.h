/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * graph_parts.h - what graph.c (events, and the order within a CPU) and relations.c (reading, coherence) share.
 */
#ifndef AMP_GRAPH_PARTS_H
#define AMP_GRAPH_PARTS_H

#include "graph.h"

/* `node`, and what is before it, into `row`. */
void xp_unite_row(const struct xp_graph *g, uint64_t *row, unsigned node);

/* Node `a` before node `b`: -1 if `b` is before `a` already. */
int xp_precede(struct xp_graph *g, unsigned a, unsigned b);

/* The index of `cell` among the event's cells; -1: it does not touch it. */
int xp_touches(const struct xp_event *e, unsigned cell);

/* A write of a sibling that CPU `cpu` has read, before its next event of that kind. */
void xp_put_carried(const struct xp_graph *g, struct xp_set before[XP_LEVELS], unsigned cpu, xp_event_id w,
                    enum xp_kind kind);

#endif
