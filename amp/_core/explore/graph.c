/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * graph.c - what must come before what in one execution. `before` is kept closed: a row has everything before its node,
 * so whether a new pair would come round to itself is one bit.
 */
#include "graph_parts.h"

#include <assert.h>
#include <string.h>

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
static void absorb(struct xp_graph *g, unsigned node, const struct xp_set *nodes)
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
    if (g->levels == 1) {
        absorb(g, node, events);
        return;
    }
    for (unsigned e = 1; e < g->events; e++)
        if (xp_has(events, e))
            for (unsigned level = 0; level < g->levels; level++)
                xp_unite_row(g, g->before[node], xp_node(g, (xp_event_id)e, level));
}

/* `a` before `b`: -1 if `b` is before `a` already. */
int xp_precede(struct xp_graph *g, unsigned a, unsigned b)
{
    uint64_t row[XP_WORDS];
    unsigned nodes = g->events * g->levels;

    if (a == b || xp_is_before(g, b, a))
        return -1;
    if (xp_is_before(g, a, b))
        return 0;
    memcpy(row, g->before[a], g->words * sizeof row[0]);
    row[a >> 6] |= UINT64_C(1) << (a & 63);
    for (unsigned x = g->levels; x < nodes; x++)
        if (x == b || xp_is_before(g, b, x))
            for (unsigned i = 0; i < g->words; i++)
                g->before[x][i] |= row[i];
    return 0;
}

void xp_graph_reset(struct xp_graph *g)
{
    g->events = 1;
    g->words = 1;
    memset(g->before[0], 0, g->levels * sizeof g->before[0]);
    for (unsigned i = 0; i < g->cells; i++)
        g->cell[i].writes = 1; /* co[0] is the initial write */
    for (unsigned i = 0; i < g->cpus; i++) {
        struct xp_graph_cpu *cpu = &g->cpu[i];
        struct xp_graph_cpu kept = {.domain = cpu->domain};

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

static xp_event_id new_event(struct xp_graph *g, enum xp_kind kind, unsigned cpu, const uint16_t *cells, unsigned n)
{
    struct xp_graph_cpu *state = &g->cpu[cpu];
    xp_event_id e = (xp_event_id)g->events;
    struct xp_event *event = &g->event[e];

    if ((g->events + 1) * g->levels > XP_EVENTS)
        return 0;
    g->events++;
    g->words = (g->events * g->levels + 63) / 64;
    *event = (struct xp_event){.kind = (uint8_t)kind, .cpu = (uint8_t)cpu, .cells = (uint8_t)n, .choice = -1};
    event->order = state->events++;
    for (unsigned i = 0; i < n; i++) {
        event->cell[i] = cells[i];
        event->mask |= g->cell[cells[i]].mask;
        event->source[i] = XP_UNREAD;
    }
    for (unsigned level = 0; level < g->levels; level++)
        memset(g->before[xp_node(g, e, level)], 0, sizeof g->before[0]);
    memset(&g->depends[e], 0, sizeof g->depends[e]);
    if (g->levels == 2)
        g->carried[e] = state->carry[kind];
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

/* Which kinds of later access an access of kind `kind` stays before, given `orders`. */
static unsigned kept_before(enum xp_kind kind, uint8_t orders)
{
    unsigned kinds = 0;

    if (kind == XP_READ) {
        kinds |= orders & AMP_RR ? 1u << XP_READ : 0;
        kinds |= orders & AMP_RW ? 1u << XP_WRITE | 1u << XP_DOORBELL : 0;
        return kinds;
    }
    kinds |= orders & AMP_WR ? 1u << XP_READ : 0;
    kinds |= orders & AMP_WW ? 1u << XP_WRITE : 0;
    if (kind == XP_DOORBELL || orders & AMP_WD)
        kinds |= 1u << XP_DOORBELL; /* doorbells of one CPU never overtake one another */
    return kinds;
}

/* A write of a sibling that a CPU has read, before its next event of that kind. */
void xp_put_carried(const struct xp_graph *g, struct xp_set before[XP_LEVELS], unsigned cpu, xp_event_id w,
                        enum xp_kind kind)
{
    if (w == XP_UNREAD || w == XP_INITIAL || g->event[w].cpu == cpu || xp_between(g, cpu, g->event[w].cpu) != 0)
        return;
    xp_put(&before[1], xp_node(g, w, 1));
    if (kind == XP_READ)
        xp_put(&before[0], xp_node(g, w, 1));
}

/* Does a fence name memory alone before it? Only where there is one level: where there are no domains. */
static bool is_no_load_for(const struct xp_graph *g, const uint8_t orders[XP_LEVELS])
{
    return g->levels == 1 && orders[0] & AMP_NO_STATUS_BEFORE;
}

/* What `orders` keeps of `e` before a later event of that kind: into the sets for the event's nodes. A load behind a store
 * waits until the store is visible, a store behind a store only keeps behind it on the same way. Returns whether what
 * `e` has read is carried along. */
static bool put_ordered(const struct xp_graph *g, struct xp_set before[XP_LEVELS], xp_event_id e, enum xp_kind kind,
                        const uint8_t orders[XP_LEVELS])
{
    const struct xp_event *event = &g->event[e];
    bool is_read = event->kind == XP_READ;

    if (kept_before((enum xp_kind)event->kind, orders[0]) >> kind & 1 && !(event->status && is_no_load_for(g, orders)))
        xp_put(&before[0], xp_node(g, e, 0));
    if (g->levels == 1 || !(kept_before((enum xp_kind)event->kind, orders[1]) >> kind & 1))
        return false;
    xp_put(&before[1], xp_node(g, e, 1));
    if (is_read)
        xp_put(&before[1], xp_node(g, e, 0));
    if (is_read || kind == XP_READ)
        xp_put(&before[0], xp_node(g, e, 1));
    if (!is_read || !(kept_before(XP_WRITE, orders[1]) >> kind & 1))
        return false;
    for (unsigned i = 0; i < event->cells; i++)
        xp_put_carried(g, before, event->cpu, event->source[i], kind);
    return true;
}

static void carry(struct xp_graph *g, xp_event_id e, unsigned read, bool carries)
{
    if (carries)
        xp_put(&g->carried[e], read);
}

/* From now on `e`, an access of this CPU, is before the later ones that `orders` names. */
static void order_event(struct xp_graph *g, unsigned cpu, xp_event_id e, const uint8_t orders[XP_LEVELS])
{
    struct xp_graph_cpu *state = &g->cpu[cpu];

    for (unsigned kind = 0; kind < XP_KINDS; kind++)
        if (put_ordered(g, state->must[kind], e, (enum xp_kind)kind, orders))
            xp_put(&state->carry[kind], e);
    if (g->levels == 1 && kept_before((enum xp_kind)g->event[e].kind, orders[0]) >> XP_READ & 1 &&
        !(orders[0] & AMP_NO_STATUS_AFTER) && !(g->event[e].status && is_no_load_for(g, orders)))
        xp_put(&state->must_status, e);
}

static void order_kind(struct xp_graph *g, unsigned cpu, enum xp_kind kind, const uint8_t orders[XP_LEVELS])
{
    struct xp_graph_cpu *state = &g->cpu[cpu];

    if (g->levels == 1) {
        unsigned kinds = kept_before(kind, orders[0]);
        struct xp_set kept = state->all[kind];

        for (unsigned i = 0; kind == XP_READ && is_no_load_for(g, orders) && i < g->words; i++)
            kept.bit[i] &= ~state->status.bit[i];
        for (unsigned later = 0; later < XP_KINDS; later++)
            if (kinds >> later & 1)
                xp_unite(&state->must[later][0], &kept, g->words);
        if (kinds >> XP_READ & 1 && !(orders[0] & AMP_NO_STATUS_AFTER))
            xp_unite(&state->must_status, &kept, g->words);
        return;
    }
    for (unsigned e = 1; e < g->events; e++)
        if (xp_has(&state->all[kind], e))
            order_event(g, cpu, (xp_event_id)e, orders);
}

void xp_add_barrier(struct xp_graph *g, unsigned cpu, struct xp_orders orders)
{
    for (unsigned kind = 0; kind < XP_KINDS; kind++)
        order_kind(g, cpu, (enum xp_kind)kind, orders.level);
}

int xp_order_behind(struct xp_graph *g, xp_event_id r, struct xp_orders orders)
{
    struct xp_set before[XP_LEVELS] = {{{0}}};

    for (unsigned x = 1; x < r; x++)
        if (g->event[x].cpu == g->event[r].cpu)
            carry(g, r, x, put_ordered(g, before, (xp_event_id)x, XP_READ, orders.level));
    for (unsigned level = 0; level < g->levels; level++)
        for (unsigned node = g->levels; node < g->events * g->levels; node++)
            if (xp_has(&before[level], node) && xp_precede(g, node, xp_node(g, r, level)))
                return -1;
    return 0;
}

void xp_add_behind(struct xp_graph *g, unsigned cpu, xp_event_id w)
{
    static const uint8_t orders[XP_LEVELS] = {AMP_WR | AMP_WW | AMP_WD, AMP_WR | AMP_WW | AMP_WD};

    order_event(g, cpu, w, orders);
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

        absorb(g, node, g->event[e].status && g->levels == 1 ? &state->must_status : &state->must[XP_READ][level]);
        absorb_events(g, node, &state->instruction);
        if (address && !(g->faults & XP_NO_DEPENDENCY))
            absorb_events(g, node, address);
        if (acquire.level[level] & AMP_RCSC)
            absorb_events(g, node, &state->releases);
    }
    order_event(g, cpu, e, state->implicit);
    order_event(g, cpu, e, acquire.level);
    if (address)
        xp_add_control(g, cpu, address); /* a later write waits until it is known that it is another location */
}

xp_event_id xp_add_read(struct xp_graph *g, unsigned cpu, const uint16_t *cells, unsigned n, struct xp_orders acquire,
                        const struct xp_set *address)
{
    xp_event_id e = new_event(g, XP_READ, cpu, cells, n);

    if (e)
        add_read(g, e, acquire, address);
    return e;
}

xp_event_id xp_add_status(struct xp_graph *g, unsigned cpu, uint16_t mailbox, const struct xp_set *address)
{
    xp_event_id e = new_event(g, XP_READ, cpu, &mailbox, 1);

    if (!e)
        return 0;
    g->event[e].status = true;
    xp_put(&g->cpu[cpu].status, e);
    add_read(g, e, (struct xp_orders){{0}}, address);
    return e;
}

/* A store-release comes after what is before it in program order. */
static void add_release(struct xp_graph *g, unsigned cpu, xp_event_id e, const uint8_t orders[XP_LEVELS])
{
    struct xp_set before[XP_LEVELS] = {{{0}}};

    for (unsigned x = 1; x < e; x++)
        if (g->event[x].cpu == cpu)
            carry(g, e, x, put_ordered(g, before, (xp_event_id)x, XP_WRITE, orders));
    for (unsigned level = 0; level < g->levels; level++)
        absorb(g, xp_node(g, e, level), &before[level]);
}

xp_event_id xp_add_write(struct xp_graph *g, enum xp_kind kind, unsigned cpu, const uint16_t *cells, unsigned n,
                         struct xp_orders release, const struct xp_set *depends, const struct xp_set *address)
{
    struct xp_graph_cpu *state = &g->cpu[cpu];
    xp_event_id e = new_event(g, kind, cpu, cells, n);

    if (!e)
        return 0;
    for (unsigned level = 0; level < g->levels; level++) {
        unsigned node = xp_node(g, e, level);

        absorb(g, node, &state->must[kind][level]);
        absorb_events(g, node, &state->control);
        if (depends && !(g->faults & XP_NO_DEPENDENCY))
            absorb_events(g, node, depends);
        for (unsigned x = e; x-- > 1;) /* same location: never before an earlier access of its own CPU */
            if (g->event[x].cpu == cpu && overlap(&g->event[x], &g->event[e]))
                xp_unite_row(g, g->before[node], xp_node(g, (xp_event_id)x, level));
    }
    add_release(g, cpu, e, release.level);
    if (g->levels == 2) /* siblings see it first */
        xp_unite_row(g, g->before[xp_node(g, e, 1)], xp_node(g, e, 0));
    if (depends)
        g->depends[e] = *depends;
    for (unsigned level = 0; level < g->levels; level++)
        g->event[e].release |= (release.level[level] & (AMP_RW | AMP_WW)) != 0;
    if (g->event[e].release)
        xp_put(&state->releases, e);
    order_event(g, cpu, e, state->implicit);
    if (address)
        xp_add_control(g, cpu, address);
    return e;
}
