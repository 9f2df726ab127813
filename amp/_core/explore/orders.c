/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * orders.c - what barriers, acquires, releases and the hardware put before what of one CPU, and what they carry along.
 */
#include "graph_parts.h"

/* By what a RISC-V fence names. */
static unsigned kept_exactly(enum xp_kind kind, bool status, uint32_t orders)
{
    static const unsigned later[] = {XP_READ, XP_STATUS, XP_WRITE, XP_DOORBELL}; /* r, i, w, o */
    unsigned before = kind == XP_READ ? status : kind == XP_WRITE ? 2 : 3, kinds = 0;

    for (unsigned i = 0; i < 4; i++)
        if (orders >> (XP_KEPT_AT + 4 * before + i) & 1)
            kinds |= 1u << later[i];
    return kinds;
}

/* Which later accesses a load (of a mailbox's status) or a store of kind `kind` stays before, given `orders`: bits of
 * XP_LATER. A doorbell, or an acknowledgement, is no memory: it is before a later access, or behind an earlier load, only by
 * what orders devices. Doorbells of one CPU never overtake one another. */
static unsigned kept_before(enum xp_kind kind, bool status, uint32_t given)
{
    uint8_t orders = (uint8_t)given;
    unsigned loads = 1u << XP_READ | (orders & AMP_NO_STATUS_AFTER ? 0 : 1u << XP_STATUS), kinds = 0;

    if (given & XP_EXACT)
        return kept_exactly(kind, status, given) | (kind == XP_DOORBELL ? 1u << XP_DOORBELL : 0);
    if (status && orders & AMP_NO_STATUS_BEFORE)
        return 0;
    if (kind == XP_READ) {
        kinds |= orders & AMP_RR ? loads : 0;
        kinds |= orders & AMP_RW ? 1u << XP_WRITE : 0;
        kinds |= amp_keeps_for_doorbells(orders) ? 1u << XP_DOORBELL : 0;
        return kinds;
    }
    kinds |= orders & AMP_WR && (kind == XP_WRITE || amp_orders_doorbells(orders)) ? loads : 0;
    kinds |= orders & AMP_WW && (kind == XP_WRITE || amp_keeps_doorbells(orders)) ? 1u << XP_WRITE : 0;
    if (kind == XP_DOORBELL || orders & AMP_WD)
        kinds |= 1u << XP_DOORBELL;
    return kinds;
}

/* All that see it at that distance see the write or a newer one. */
void xp_put_own(const struct xp_graph *g, struct xp_set *before, xp_event_id e, unsigned level)
{
    unsigned cpu = g->event[e].cpu;

    xp_put(before, xp_node(g, e, level));
    for (unsigned i = 0; xp_is_copied(g, e) && i < g->cpus; i++)
        if (i != cpu && xp_between(g, cpu, i) == level && !(g->faults & XP_BLIND_OBSERVER && i == g->cpus - 1))
            xp_put(before, xp_seen(g, e, i));
}

/* What is read of a sibling, a barrier that reaches the siblings carries along to them. One that reaches the others does
 * so of whatever is read, to everybody: of a sibling's write before what these see behind it, of another's, which it
 * waits for anyway, before what anybody does. One of which only the order of reads reaches the others carries along what
 * is read of these to its siblings. A later read waits for all of it. */
void xp_put_carried(const struct xp_graph *g, struct xp_set before[XP_LEVELS], unsigned cpu, xp_event_id w,
                    unsigned kind, enum xp_reach reach)
{
    bool near, is_load = kind == XP_READ || kind == XP_STATUS;

    if (w == XP_UNREAD || w == XP_INITIAL || g->event[w].cpu == cpu)
        return;
    near = xp_between(g, cpu, g->event[w].cpu) == 0;
    if (!xp_has_observers(g)) {
        if (near && reach == XP_TO_ALL) {
            xp_put(&before[1], xp_node(g, w, 1));
            if (is_load)
                xp_put(&before[0], xp_node(g, w, 1));
        }
        return;
    }
    if (reach != XP_TO_ALL && near != (reach == XP_AMONG_SIBLINGS))
        return;
    if (reach == XP_TO_ALL && near) { /* it has left the domain, too */
        xp_put(&before[1], xp_node(g, w, 1));
        if (is_load)
            xp_put(&before[0], xp_node(g, w, 1));
    }
    for (unsigned i = 0; i < g->cpus; i++) {
        if (i == g->event[w].cpu || (reach != XP_TO_ALL && xp_between(g, cpu, i) != 0))
            continue;
        if (reach == XP_TO_ALL || (is_load && !near))
            xp_put(&before[1], xp_seen(g, w, i));
        if (reach != XP_TO_ALL || !near || is_load)
            xp_put(&before[0], xp_seen(g, w, i));
    }
}

/* What the read `e` has returned, carried along so far before an event of that kind. */
static void put_all_carried(const struct xp_graph *g, struct xp_set before[XP_LEVELS], xp_event_id e,
                            unsigned kind, unsigned carries)
{
    const struct xp_event *event = &g->event[e];

    for (unsigned reach = 0; carries && reach < XP_REACHES; reach++)
        for (unsigned i = 0; carries >> reach & 1 && i < event->cells; i++)
            xp_put_carried(g, before, event->cpu, event->source[i], kind, (enum xp_reach)reach);
}

static bool keeps(enum xp_kind kind, uint32_t orders, unsigned later)
{
    return kept_before(kind, false, orders) >> later & 1;
}

static bool keeps_event(const struct xp_event *e, uint32_t orders, unsigned later)
{
    return kept_before((enum xp_kind)e->kind, e->status, orders) >> later & 1;
}

/* What `orders` keeps of `e` before a later event of that kind: into the sets for the event's nodes. A load behind a store
 * waits until the store is visible, a store behind a store only keeps behind it on the same way. Returns at which levels
 * (bits) what `e` has read is carried along: an order that is one of stores, too, is. */
static unsigned put_ordered(const struct xp_graph *g, struct xp_set before[XP_LEVELS], xp_event_id e,
                            unsigned kind, const uint32_t orders[XP_LEVELS])
{
    const struct xp_event *event = &g->event[e];
    bool is_read = event->kind == XP_READ;
    unsigned carries = 0;

    if (keeps_event(event, orders[0], kind)) {
        xp_put_own(g, &before[0], e, 0);
        if (is_read && xp_has_observers(g) && keeps(XP_WRITE, orders[0], kind))
            carries |= 1u << XP_AMONG_SIBLINGS;
    }
    if (g->levels == 2 && keeps_event(event, orders[1], kind)) {
        xp_put_own(g, &before[1], e, 1);
        if (is_read || xp_has_observers(g)) /* else one level's node is before the other's */
            xp_put_own(g, &before[1], e, 0);
        if (is_read || kind == XP_READ || kind == XP_STATUS)
            xp_put_own(g, &before[0], e, 1);
        if (is_read && keeps(XP_WRITE, orders[1], kind))
            carries |= 1u << XP_TO_ALL;
        else if (carries)
            carries |= 1u << XP_TO_SIBLINGS;
    }
    if (g->faults & XP_NO_CUMULATIVITY)
        return 0;
    put_all_carried(g, before, e, kind, carries);
    return carries;
}

static void carry(struct xp_set sets[XP_REACHES], unsigned read, unsigned carries)
{
    for (unsigned reach = 0; carries && reach < XP_REACHES; reach++)
        if (carries >> reach & 1)
            xp_put(&sets[reach], read);
}

/* From now on `e`, an access of this CPU, is before the later ones that `orders` names. */
void xp_order_event(struct xp_graph *g, unsigned cpu, xp_event_id e, const uint32_t orders[XP_LEVELS])
{
    struct xp_graph_cpu *state = &g->cpu[cpu];

    for (unsigned kind = 0; kind < XP_LATER; kind++)
        carry(state->carry[kind], e, put_ordered(g, state->must[kind], e, kind, orders));
}

/* The events of one kind; of loads, those of a status or the others. */
static void order_all(struct xp_graph *g, struct xp_graph_cpu *state, enum xp_kind kind, bool status, uint32_t orders)
{
    unsigned kinds = kept_before(kind, status, orders);
    struct xp_set kept = state->all[kind];

    for (unsigned i = 0; kind == XP_READ && i < g->words; i++)
        kept.bit[i] &= status ? state->status.bit[i] : ~state->status.bit[i];
    for (unsigned later = 0; later < XP_LATER; later++)
        if (kinds >> later & 1)
            xp_unite(&state->must[later][0], &kept, g->words);
}

static void order_kind(struct xp_graph *g, unsigned cpu, enum xp_kind kind, const uint32_t orders[XP_LEVELS])
{
    struct xp_graph_cpu *state = &g->cpu[cpu];

    if (g->nodes == 1) {
        bool any_status = kind == XP_READ && !xp_is_empty(&state->status);

        for (unsigned status = 0; status < 1u + any_status; status++)
            order_all(g, state, kind, status, orders[0]);
        return;
    }
    for (unsigned e = 1; e < g->events; e++)
        if (xp_has(&state->all[kind], e))
            xp_order_event(g, cpu, (xp_event_id)e, orders);
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
            carry(g->carried[r], x, put_ordered(g, before, (xp_event_id)x, XP_READ, orders.level));
    for (unsigned level = 0; level < g->levels; level++)
        for (unsigned node = g->nodes; node < g->events * g->nodes; node++)
            if (xp_has(&before[level], node) && xp_precede(g, node, xp_node(g, r, level)))
                return -1;
    return 0;
}

void xp_add_behind(struct xp_graph *g, unsigned cpu, xp_event_id w)
{
    static const uint32_t orders[XP_LEVELS] = {AMP_WR | AMP_WW | AMP_WD, AMP_WR | AMP_WW | AMP_WD};

    xp_order_event(g, cpu, w, orders);
}

/* A store-release comes after what is before it in program order. */
void xp_add_release(struct xp_graph *g, unsigned cpu, xp_event_id e, const uint32_t orders[XP_LEVELS])
{
    struct xp_set before[XP_LEVELS] = {{{0}}};

    for (unsigned x = 1; x < e; x++)
        if (g->event[x].cpu == cpu)
            carry(g->carried[e], x, put_ordered(g, before, (xp_event_id)x, XP_WRITE, orders));
    for (unsigned level = 0; level < g->levels; level++)
        xp_absorb(g, xp_node(g, e, level), &before[level]);
}
