/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * explore_writes.c - where a write stands among those of its cell, and which earlier reads might have read it.
 */
#include "explore_parts.h"

#include <errno.h>
#include <string.h>

static void learn_writer(struct explorer *x, const struct xp_event *write)
{
    for (unsigned i = 0; i < write->cells; i++) {
        struct xp_learned *l = &x->learned[write->cell[i]];

        x->fresh[write->cpu] |= UINT64_C(1) << (write->cell[i] & 63);
        if (!(l->writers >> write->cpu & 1) && x->states)
            x->outdated = true; /* states were told apart as if that CPU never wrote it */
        l->writers |= (uint8_t)(1u << write->cpu);
    }
}

/* Only what is written for certain: what a broken promise led to would lead to others without end. */
static void learn_value(struct explorer *x, const struct xp_event *write)
{
    for (unsigned i = 0; i < write->cells; i++) {
        struct xp_learned *l = &x->learned[write->cell[i]];
        unsigned cpu = write->cpu, known = 0;

        while (known < l->values[cpu] && known < XP_PROMISES &&
               (l->value[cpu][known] != write->value || l->mask[cpu][known] != write->mask))
            known++;
        if (known == XP_PROMISES) {
            l->values[cpu] = XP_PROMISES + 1; /* more than are kept */
        } else if (known == l->values[cpu]) {
            x->lessons++;
            l->mask[cpu][known] = write->mask;
            l->value[cpu][l->values[cpu]++] = write->value;
        }
    }
}

static void learn_all_values(struct explorer *x)
{
    for (unsigned w = 1; w < x->graph.events; w++)
        if (x->graph.event[w].kind != XP_READ)
            learn_value(x, &x->graph.event[w]);
}

/* Was the write computed from what somebody read of `x`? */
static bool computed_from(const struct xp_graph *g, xp_event_id w, xp_event_id x)
{
    for (unsigned r = 1; r < g->events; r++)
        for (unsigned i = 0; g->event[r].kind == XP_READ && xp_has(&g->depends[w], r) && i < g->event[r].cells; i++)
            if (g->event[r].source[i] == x)
                return true;
    return false;
}

/* Does the write come from the read by way of data? Then its value is out of thin air, should the read have it. The write
 * of the read's own atomic may stand before it for another reason: where it stands follows from what is read. */
static bool from_thin_air(const struct xp_graph *g, xp_event_id r, xp_event_id w)
{
    for (unsigned x = 1; x < g->events; x++) {
        unsigned level = xp_between(g, g->event[x].cpu, g->event[w].cpu);

        if (g->event[x].kind == XP_READ || !xp_has(&g->depends[x], r))
            continue;
        if (x == g->event[r].partner) {
            if (computed_from(g, w, (xp_event_id)x))
                return true;
            continue;
        }
        if (x == w || xp_is_before(g, xp_node(g, (xp_event_id)x, level), xp_node(g, w, level)))
            return true;
    }
    return false;
}

/* Is the read ordered before everything that leads to the write, whatever it returns? Then it cannot have read it. */
static bool ordered(const struct xp_graph *g, xp_event_id r, xp_event_id w)
{
    const struct xp_event *read = &g->event[r];

    if (read->compares)
        return false;
    for (unsigned x = 1; x < g->events; x++) {
        const struct xp_event *e = &g->event[x];
        unsigned level = xp_between(g, e->cpu, g->event[w].cpu);

        if (e->cpu != read->cpu || e->order <= read->order || e->kind == XP_READ || !xp_has(&g->porf[w], x))
            continue;
        if (!xp_is_before(g, xp_node(g, r, level), xp_node(g, (xp_event_id)x, level)))
            return false;
    }
    return true;
}

/* Reads of other CPUs that might have read this write, had they come later, or been performed later. */
void xp_show_races(struct explorer *x, xp_event_id w)
{
    struct xp_graph *g = &x->graph;
    const struct xp_event *write = &g->event[w];

    for (unsigned r = 1; r < g->events; r++) {
        const struct xp_event *read = &g->event[r];
        bool after = xp_has(&g->porf[w], r), promise;
        struct xp_choice *c;

        if (read->kind != XP_READ || read->cpu == write->cpu || read->choice < 0 || !xp_same_cell(read, write))
            continue;
        if (r > w && !after)
            continue; /* it could have read it */
        c = &x->choice[read->choice];
        c->may_postpone |= !after;
        /* A read that was promised some of its bytes may take others from a write that does not come after it. */
        promise = after ? !ordered(g, (xp_event_id)r, w) : c->branch == XP_PROMISE && read->mask & ~write->mask;
        if (promise && !read->interrupt && !from_thin_air(g, (xp_event_id)r, w))
            xp_offer_promise(x, (xp_event_id)r, write->mask, write->value);
    }
}

static void wake_readers(struct explorer *x, const struct xp_event *write)
{
    for (unsigned cpu = 0; cpu < x->graph.cpus; cpu++) {
        struct xp_cpu *state = &x->cpu[cpu];

        if (cpu == write->cpu || state->status == XP_RUNNING || state->status == XP_ENDED)
            continue;
        for (unsigned i = 0; i < state->wakes; i++)
            for (unsigned j = 0; j < write->cells; j++)
                if (state->wake_cell[i] == write->cell[j])
                    state->wake = true;
    }
}

/* Reads that were promised a value may have got it from this write. */
int xp_keep_promises(struct explorer *x, xp_event_id w)
{
    struct xp_graph *g = &x->graph;
    const struct xp_event *write = &g->event[w];

    for (unsigned r = 1; r < g->events && x->promised; r++) {
        struct xp_event *read = &g->event[r];
        struct xp_options list;
        struct xp_choice *c;

        if (!read->promised || read->cpu == write->cpu || !xp_same_cell(read, write))
            continue;
        if (xp_list_options(x, (xp_event_id)r, w, &list))
            return xp_fatal(x, -E2BIG);
        if (list.n == 0)
            continue;
        c = xp_choose(x, XP_CHOOSE_BINDING, write->cpu, list.n + 1);
        if (!c)
            return XP_OVER;
        if (c->index == list.n)
            continue; /* by a later one */
        read->promised = false;
        x->promised--;
        if (xp_read_from(g, (xp_event_id)r, list.source[c->index])) {
            x->over = true;
            return XP_OVER;
        }
        if (!x->promised) {
            learn_all_values(x);
            x->over |= x->failed;
        }
    }
    return XP_DONE;
}

/* Where the write stands among the cell's: last, or before writes of others that nothing orders before it. */
static int place(struct explorer *x, xp_event_id w, unsigned i, xp_event_id partner)
{
    struct xp_graph *g = &x->graph;
    struct xp_event *write = &g->event[w];
    unsigned cell = write->cell[i], position[XP_COHERENCE], n = 0, at = 0;

    if (g->cell[cell].writes >= XP_COHERENCE)
        return xp_fatal(x, -E2BIG);
    for (unsigned p = g->cell[cell].writes; p >= 1; p--) {
        /* An atomic's write stands right behind what it read. What it is promised will be put right before it. */
        if (partner && !g->event[partner].promised && p != xp_position(g, cell, g->event[partner].source[i]) + 1)
            continue;
        if (xp_may_place(g, w, i, p))
            position[n++] = p;
    }
    if (n == 0) {
        x->over = true;
        return XP_OVER;
    }
    if (n > 1) {
        struct xp_choice *c = xp_choose(x, XP_CHOOSE_PLACE, write->cpu, n);

        if (!c)
            return XP_OVER;
        at = c->index;
    }
    if (xp_place(g, w, i, position[at])) {
        x->over = true;
        return XP_OVER;
    }
    return XP_DONE;
}

int xp_store(struct explorer *x, enum xp_kind kind, unsigned cpu, const uint16_t *cells, unsigned n, uint64_t value,
             struct xp_orders release, const struct xp_set *depends, const struct xp_set *address, xp_event_id partner)
{
    struct xp_graph *g = &x->graph;
    xp_event_id w;

    if (x->over)
        return XP_OVER;
    if (x->cpu[cpu].in_look) /* what a look has done is undone by leaving its reads out */
        return xp_fatal(x, -EPERM);
    w = xp_add_write(g, kind, cpu, cells, n, release, depends, address);
    if (!w)
        return xp_fatal(x, -E2BIG);
    g->event[w].value = value;
    x->trail = xp_mix(x->trail, value);
    if (partner) {
        if (!g->event[partner].promised && xp_taken(g, partner)) { /* another atomic stands between the two already; it might have come later */
            xp_show_races(x, w);
            x->over = true;
            return XP_OVER;
        }
        g->event[w].atomic = true;
        g->event[w].partner = partner;
        g->event[partner].partner = w;
    }
    learn_writer(x, &g->event[w]);
    if (!x->promised)
        learn_value(x, &g->event[w]);
    for (unsigned i = 0; i < n; i++) {
        int result = place(x, w, i, partner);

        if (result && partner && !x->error)
            xp_show_races(x, w); /* nor can it stand there, but it might if others came later */
        if (result)
            return result;
    }
    xp_show_races(x, w);
    wake_readers(x, &g->event[w]);
    return x->promised ? xp_keep_promises(x, w) : XP_DONE;
}

void xp_barrier(struct explorer *x, unsigned cpu, struct xp_orders orders)
{
    if (!x->over)
        xp_add_barrier(&x->graph, cpu, orders);
}
