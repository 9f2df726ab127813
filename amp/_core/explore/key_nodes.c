/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * key_nodes.c - sets of nodes in a state's key: what of them matters, named by where it stands among the relevant.
 */
#include <string.h>

#include "key_parts.h"

void xp_close_set(const struct xp_graph *g, const struct xp_set *set, uint64_t *row)
{
    memset(row, 0, g->words * sizeof row[0]);
    for (unsigned i = g->words; i-- > 0;) {
        uint64_t left = set->bit[i] & ~row[i];

        while (left) {
            unsigned top = 63 - (unsigned)__builtin_clzll(left), node = 64 * i + top;

            for (unsigned w = 0; w < g->words; w++)
                row[w] |= g->before[node][w];
            row[i] |= UINT64_C(1) << top;
            left = set->bit[i] & ~row[i] & ((UINT64_C(1) << top) - 1);
        }
    }
}

static unsigned rank_of(const struct xp_graph *g, const struct xp_key_relevant *r, unsigned node)
{
    return g->nodes == 1 ? r->rank[node] : g->nodes * r->rank[node / g->nodes] + node % g->nodes;
}

/* What of the relevant is in `row`. */
void xp_take_row(struct xp_key_hash *h, const struct xp_graph *g, const struct xp_key_relevant *r, const uint64_t *row)
{
    uint64_t a = 0, b = 0;

    for (unsigned i = 0; i < g->words; i++) {
        uint64_t left = row[i] & r->mask.bit[i];

        while (left) {
            unsigned node = 64 * i + (unsigned)__builtin_ctzll(left);

            a += xp_mix(1, rank_of(g, r, node));
            b += xp_mix(2, rank_of(g, r, node));
            left &= left - 1;
        }
    }
    xp_take(h, a);
    xp_take(h, b);
}

/* Nodes: `set` without what is in `known` anyway. */
void xp_take_new(struct xp_key_state *s, const struct xp_set *set, const uint64_t *known)
{
    const struct xp_graph *g = &s->x->graph;
    uint64_t row[XP_WORDS];

    xp_close_set(g, set, row);
    for (unsigned i = 0; known && i < g->words; i++)
        row[i] &= ~known[i];
    xp_take_row(&s->hash, g, &s->relevant, row);
}

/* The nodes of events, at one level or (level is g->levels) at all. */
static struct xp_set nodes_of(const struct xp_graph *g, const struct xp_set *events, unsigned level)
{
    struct xp_set nodes = {{0}};

    for (unsigned e = 1; e < g->events; e++) {
        if (!xp_has(events, e))
            continue;
        if (level < g->levels)
            xp_put_own(g, &nodes, (xp_event_id)e, level);
        for (unsigned each = 0; level == g->levels && each < xp_nodes_of(g, (xp_event_id)e); each++)
            xp_put(&nodes, xp_node(g, (xp_event_id)e, each));
    }
    return nodes;
}

/* Of events that something waits for at both levels, and of events that each level has by itself. */
void xp_take_events(struct xp_key_state *s, const struct xp_set *events)
{
    const struct xp_graph *g = &s->x->graph;

    if (g->nodes == 1) { /* the event itself */
        xp_take_new(s, events, NULL);
    } else {
        struct xp_set nodes = nodes_of(g, events, g->levels);

        xp_take_new(s, &nodes, NULL);
    }
}

void xp_take_each_level(struct xp_key_state *s, const struct xp_set *events, const uint64_t *known)
{
    const struct xp_graph *g = &s->x->graph;

    if (g->nodes == 1)
        xp_take_new(s, events, known);
    for (unsigned level = 0; g->nodes > 1 && level < g->levels; level++) {
        struct xp_set nodes = nodes_of(g, events, level);

        xp_take_new(s, &nodes, known);
    }
}
