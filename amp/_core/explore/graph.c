/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * graph.c - what must come before what in one execution. `before` is kept closed: a row has everything before its node,
 * so whether a new pair would come round to itself is one bit.
 */
#include "graph_parts.h"

#include <assert.h>
#include <string.h>

bool xp_is_empty(const struct xp_set *set)
{
    for (unsigned i = 0; i < XP_WORDS; i++)
        if (set->bit[i])
            return false;
    return true;
}

void xp_unite(struct xp_set *set, const struct xp_set *other, unsigned words)
{
    for (unsigned i = 0; i < words; i++)
        set->bit[i] |= other->bit[i];
}

void xp_unite_row(const struct xp_graph *g, uint64_t *row, unsigned node)
{
    for (unsigned i = 0; i < g->words; i++)
        row[i] |= g->before[node][i];
    row[node >> 6] |= UINT64_C(1) << (node & 63);
}

/* Everything in `nodes`, and what is before it, is before the new node. Newest first: the older are mostly among it. */
void xp_absorb(struct xp_graph *g, unsigned node, const struct xp_set *nodes)
{
    uint64_t *row = g->before[node];

    for (unsigned i = g->words; i-- > 0;) {
        uint64_t left = nodes->bit[i] & ~row[i];

        while (left) {
            unsigned top = 63 - (unsigned)__builtin_clzll(left);

            xp_unite_row(g, row, 64 * i + top);
            left = nodes->bit[i] & ~row[i] & ((UINT64_C(1) << top) - 1);
        }
    }
}

static void absorb_events(struct xp_graph *g, unsigned node, const struct xp_set *events)
{
    if (g->nodes == 1) {
        xp_absorb(g, node, events);
        return;
    }
    for (unsigned e = 1; e < g->events; e++)
        if (xp_has(events, e))
            for (unsigned level = 0; level < xp_nodes_of(g, (xp_event_id)e); level++)
                xp_unite_row(g, g->before[node], xp_node(g, (xp_event_id)e, level));
}

/* `a` before `b`: -1 if `b` is before `a` already. */
int xp_precede(struct xp_graph *g, unsigned a, unsigned b)
{
    uint64_t row[XP_WORDS];
    unsigned nodes = g->events * g->nodes;

    if (a == b || xp_is_before(g, b, a))
        return -1;
    if (xp_is_before(g, a, b))
        return 0;
    memcpy(row, g->before[a], g->words * sizeof row[0]);
    row[a >> 6] |= UINT64_C(1) << (a & 63);
    for (unsigned x = g->nodes; x < nodes; x++)
        if (x == b || xp_is_before(g, b, x))
            for (unsigned i = 0; i < g->words; i++)
                g->before[x][i] |= row[i];
    return 0;
}

void xp_graph_lay_out(struct xp_graph *g)
{
    bool any = false;

    for (unsigned i = 0; i < g->cpus; i++)
        any |= g->cpu[i].copies;
    g->nodes = g->levels + (any && g->cpus > 2 ? g->cpus - 1 : 0);
}

void xp_graph_reset(struct xp_graph *g)
{
    g->events = 1;
    g->words = 1;
    memset(g->before[0], 0, g->nodes * sizeof g->before[0]);
    for (unsigned i = 0; i < g->cells; i++)
        g->cell[i].writes = 1; /* co[0] is the initial write */
    for (unsigned i = 0; i < g->cpus; i++) {
        struct xp_graph_cpu *cpu = &g->cpu[i];
        struct xp_graph_cpu kept = {.domain = cpu->domain, .copies = cpu->copies};

        memcpy(kept.implicit, cpu->implicit, sizeof kept.implicit);
        *cpu = kept;
    }
}

unsigned xp_position(const struct xp_graph *g, unsigned cell, xp_event_id w)
{
    const struct xp_cell *c = &g->cell[cell];

    for (unsigned i = c->writes; i-- > 0;)
        if (c->co[i] == w)
            return i;
    assert(!"a write of this cell");
    return 0;
}

/* The index of `cell` among the event's cells; -1: it does not touch it. */
int xp_touches(const struct xp_event *e, unsigned cell)
{
    for (unsigned i = 0; i < e->cells; i++)
        if (e->cell[i] == cell)
            return (int)i;
    return -1;
}

static bool overlap(const struct xp_event *a, const struct xp_event *b)
{
    for (unsigned i = 0; i < a->cells; i++)
        if (xp_touches(b, a->cell[i]) >= 0)
            return true;
    return false;
}

static xp_event_id new_event(struct xp_graph *g, enum xp_kind kind, unsigned cpu, const uint16_t *cells, unsigned n,
                             bool status)
{
    struct xp_graph_cpu *state = &g->cpu[cpu];
    xp_event_id e = (xp_event_id)g->events;
    struct xp_event *event = &g->event[e];

    if ((g->events + 1) * g->nodes > XP_EVENTS)
        return 0;
    g->events++;
    g->words = (g->events * g->nodes + 63) / 64;
    *event = (struct xp_event){.kind = (uint8_t)kind, .cpu = (uint8_t)cpu, .cells = (uint8_t)n, .status = status, .choice = -1};
    event->order = state->events++;
    for (unsigned i = 0; i < n; i++) {
        event->cell[i] = cells[i];
        event->mask |= g->cell[cells[i]].mask;
        event->source[i] = XP_UNREAD;
    }
    for (unsigned level = 0; level < g->nodes; level++)
        memset(g->before[xp_node(g, e, level)], 0, sizeof g->before[0]);
    memset(&g->depends[e], 0, sizeof g->depends[e]);
    if (g->nodes > 1)
        memcpy(g->carried[e], state->carry[status ? XP_STATUS : kind], sizeof g->carried[e]);
    /* Program order, for the question whether a write could only be there because of a read. */
    memset(&g->porf[e], 0, sizeof g->porf[e]);
    for (unsigned i = e; i-- > 1;)
        if (g->event[i].cpu == cpu) {
            g->porf[e] = g->porf[i];
            xp_put(&g->porf[e], i);
            break;
        }
    xp_put(&state->all[kind], e);
    return e;
}

void xp_add_isb(struct xp_graph *g, unsigned cpu)
{
    xp_unite(&g->cpu[cpu].instruction, &g->cpu[cpu].control, XP_WORDS);
}

void xp_add_control(struct xp_graph *g, unsigned cpu, const struct xp_set *depends)
{
    if (g->faults & XP_NO_CONTROL)
        return;
    xp_unite(&g->cpu[cpu].control, depends, g->words);
}

static void add_read(struct xp_graph *g, xp_event_id e, struct xp_orders acquire, const struct xp_set *address)
{
    unsigned cpu = g->event[e].cpu;
    struct xp_graph_cpu *state = &g->cpu[cpu];

    for (unsigned level = 0; level < g->levels; level++) {
        unsigned node = xp_node(g, e, level);

        xp_absorb(g, node, &state->must[g->event[e].status ? XP_STATUS : XP_READ][level]);
        absorb_events(g, node, &state->instruction);
        if (address && !(g->faults & XP_NO_DEPENDENCY))
            absorb_events(g, node, address);
        if (acquire.level[level] & AMP_RCSC)
            absorb_events(g, node, &state->releases);
    }
    xp_order_event(g, cpu, e, state->implicit);
    xp_order_event(g, cpu, e, acquire.level);
    if (address)
        xp_add_control(g, cpu, address); /* a later write waits until it is known that it is another location */
}

xp_event_id xp_add_read(struct xp_graph *g, unsigned cpu, const uint16_t *cells, unsigned n, struct xp_orders acquire,
                        const struct xp_set *address)
{
    xp_event_id e = new_event(g, XP_READ, cpu, cells, n, false);

    if (e)
        add_read(g, e, acquire, address);
    return e;
}

xp_event_id xp_add_status(struct xp_graph *g, unsigned cpu, uint16_t mailbox, const struct xp_set *address)
{
    xp_event_id e = new_event(g, XP_READ, cpu, &mailbox, 1, true);

    if (!e)
        return 0;
    xp_put(&g->cpu[cpu].status, e);
    add_read(g, e, (struct xp_orders){{0}}, address);
    return e;
}

bool xp_comes_behind_read(const struct xp_graph *g, xp_event_id e, unsigned cell, xp_event_id w)
{
    return xp_has_observers(g) && w != XP_UNREAD && w != XP_INITIAL && xp_touches(&g->event[e], cell) >= 0 &&
           xp_between(g, g->event[e].cpu, g->event[w].cpu) == 1;
}

/* What its CPU has read there of the others is made before they, or its siblings, see the write `e`. */
static void follow_read(struct xp_graph *g, xp_event_id r, xp_event_id e)
{
    const struct xp_event *read = &g->event[r];

    for (unsigned i = 0; read->kind == XP_READ && i < read->cells; i++)
        if (xp_comes_behind_read(g, e, read->cell[i], read->source[i]))
            xp_unite_row(g, g->before[xp_node(g, e, 0)], xp_node(g, read->source[i], 1));
}

xp_event_id xp_add_write(struct xp_graph *g, enum xp_kind kind, unsigned cpu, const uint16_t *cells, unsigned n,
                         struct xp_orders release, const struct xp_set *depends, const struct xp_set *address)
{
    struct xp_graph_cpu *state = &g->cpu[cpu];
    xp_event_id e = new_event(g, kind, cpu, cells, n, false);

    if (!e)
        return 0;
    for (unsigned level = 0; level < g->levels; level++) {
        unsigned node = xp_node(g, e, level);

        xp_absorb(g, node, &state->must[kind][level]);
        absorb_events(g, node, &state->control);
        if (depends && !(g->faults & XP_NO_DEPENDENCY))
            absorb_events(g, node, depends);
        for (unsigned x = e; x-- > 1;) /* same location: never before an earlier access of its own CPU */
            if (g->event[x].cpu == cpu && overlap(&g->event[x], &g->event[e])) {
                xp_unite_row(g, g->before[node], xp_node(g, (xp_event_id)x, level));
                if (level == 0)
                    follow_read(g, (xp_event_id)x, e);
            }
    }
    xp_add_release(g, cpu, e, release.level);
    if (g->levels == 2) /* siblings see it first */
        xp_unite_row(g, g->before[xp_node(g, e, 1)], xp_node(g, e, 0));
    if (depends)
        g->depends[e] = *depends;
    for (unsigned level = 0; level < g->levels; level++)
        g->event[e].release |= (release.level[level] & (AMP_RW | AMP_WW)) != 0;
    if (g->event[e].release)
        xp_put(&state->releases, e);
    xp_order_event(g, cpu, e, state->implicit);
    if (address)
        xp_add_control(g, cpu, address);
    return e;
}
