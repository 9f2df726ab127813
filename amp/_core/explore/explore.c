/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * explore.c - runs, choices, and the alternatives that a run shows to be worth trying. See explore.h.
 */
#include "explore_parts.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int xp_fatal(struct explorer *x, int error)
{
    x->error = error;
    x->over = true;
    return XP_OVER;
}

static void offer(struct explorer *x, xp_event_id r, uint64_t bits, uint64_t value)
{
    const struct xp_event *read = &x->graph.event[r];
    struct xp_choice *c = &x->choice[read->choice];

    value = (value & bits) | ((read->promised ? read->value : xp_value_of(&x->graph, r, x->initial)) & ~bits);
    for (unsigned i = 0; i < c->promises; i++)
        if (c->promise[i] == value)
            return;
    if (c->promises == XP_OFFERS)
        xp_fatal(x, -E2BIG);
    else
        c->promise[c->promises++] = value;
}

/* What the read would return with bytes of a write in place of its own: of any of the cells that both touch, for in one of
 * them another write, its own CPU's for example, may come behind this one. */
void xp_offer_promise(struct explorer *x, xp_event_id r, uint8_t mask, uint64_t value)
{
    const struct xp_event *read = &x->graph.event[r];
    uint64_t bits[XP_SPAN];
    unsigned n = 0;

    for (unsigned i = 0; i < read->cells; i++)
        if (x->graph.cell[read->cell[i]].mask & mask)
            bits[n++] = amp_bits(x->graph.cell[read->cell[i]].mask & read->mask & mask);
    for (unsigned chosen = 1; chosen < 1u << n && !x->error; chosen++) {
        uint64_t all = 0;

        for (unsigned i = 0; i < n; i++)
            all |= chosen >> i & 1 ? bits[i] : 0;
        offer(x, r, all, value);
    }
}

int xp_open(struct explorer *x, unsigned cpus, unsigned levels)
{
    if (cpus > AMP_CPUS || levels < 1 || levels > XP_LEVELS)
        return -EINVAL;
    x->graph.cpus = cpus;
    x->graph.levels = levels;
    xp_graph_lay_out(&x->graph);
    xp_forget_states(x);
    return 0;
}

void xp_close(struct explorer *x)
{
    free(x->visited);
    x->visited = NULL;
}

void xp_restart(struct explorer *x)
{
    x->depth = 0;
    x->error = 0;
    x->outdated = false;
    x->counts = x->counts_before = (struct xp_counts){0};
    xp_forget_states(x);
}

void xp_begin(struct explorer *x)
{
    xp_graph_reset(&x->graph);
    for (unsigned i = 0; i < x->graph.cpus; i++)
        x->cpu[i] = (struct xp_cpu){.status = XP_RUNNING};
    x->choices = x->promised = x->current = 0;
    x->over = x->merged = x->failed = false;
    x->trail = 0;
    x->weight = 1;
    x->counts_before = x->counts;
    x->counts.runs++;
    xp_chooser_begin(x);
}

void xp_begin_again(struct explorer *x)
{
    x->counts = x->counts_before;
    xp_begin(x);
}

static bool can_run(const struct xp_cpu *cpu)
{
    return cpu->status == XP_RUNNING || (cpu->status != XP_ENDED && cpu->wake);
}

int xp_next(struct explorer *x)
{
    if (x->over)
        return -1;
    for (unsigned i = 0; i < x->graph.cpus; i++) {
        unsigned cpu = xp_whose_turn(x, i);

        if (can_run(&x->cpu[cpu])) {
            x->cpu[cpu].wake = false;
            x->cpu[cpu].status = XP_RUNNING;
            x->current = cpu;
            return (int)cpu;
        }
    }
    return -1;
}

enum xp_ending xp_ending(struct explorer *x)
{
    bool stall = false;

    for (unsigned i = 0; i < x->graph.cpus; i++)
        if (x->longest[i] < x->graph.cpu[i].events)
            x->longest[i] = x->graph.cpu[i].events;
    if (x->merged)
        return XP_MERGED;
    if (x->promised || (x->over && !x->failed))
        return XP_REDUNDANT;
    if (x->failed)
        return XP_FAILED;
    for (unsigned i = 0; i < x->graph.cpus; i++) {
        const struct xp_cpu *cpu = &x->cpu[i];

        if (cpu->status == XP_ENDED)
            continue;
        if (cpu->voluntary || cpu->status == XP_READING || (cpu->status == XP_POLLING && !xp_saw_newest(x, i)))
            return XP_REDUNDANT; /* the same without the postponement, or with a newer value, is another run */
        stall = true;
    }
    return stall ? XP_STALL : XP_COMPLETE;
}

/* --- the list of choices ------------------------------------------------------------------------------------------- */

static bool advance_choice(struct xp_choice *c)
{
    if (c->next_option < c->options) {
        c->branch = XP_OPTION;
        c->index = c->next_option++;
        return true;
    }
    if (c->may_postpone && !c->postponed) {
        c->branch = XP_POSTPONE;
        c->postponed = true;
        return true;
    }
    if (c->next_promise < c->promises) {
        c->branch = XP_PROMISE;
        c->promised = c->promise[c->next_promise++];
        return true;
    }
    return false;
}

/* What was written since the last choice was written after it. */
static void account(struct explorer *x)
{
    if (x->choices)
        for (unsigned i = 0; i < x->graph.cpus; i++)
            x->choice[x->choices - 1].later[i] |= x->fresh[i];
    memset(x->fresh, 0, sizeof x->fresh);
}

/* All ways from this choice have been tried. */
static void retire(struct explorer *x, const struct xp_choice *c)
{
    struct xp_state *state = c->key[0] | c->key[1] ? xp_find_state(x, c->key) : NULL;

    for (unsigned i = 0; i < x->graph.cpus; i++) {
        if (state)
            state->later[i] |= c->later[i];
        if (c > x->choice)
            x->choice[c - x->choice - 1].later[i] |= c->later[i];
    }
}

bool xp_advance(struct explorer *x)
{
    if (!x->error && x->outdated)
        x->error = -EAGAIN;
    if (x->error || x->chooser != XP_EXHAUSTIVE)
        return false;
    account(x);
    if (x->choices < x->depth) { /* it ended before it came where it had been */
        xp_fatal(x, -EPROTO);
        return false;
    }
    while (x->depth) {
        struct xp_choice *last = &x->choice[x->depth - 1];

        if (advance_choice(last))
            return true;
        retire(x, last);
        x->depth--;
    }
    return false;
}

/* Is the read before every store behind it in its CPU's program, those still to come included? */
static bool ordered_for_good(const struct xp_graph *g, xp_event_id r)
{
    const struct xp_event *read = &g->event[r];
    const struct xp_graph_cpu *cpu = &g->cpu[read->cpu];

    for (unsigned level = 0; level < g->levels; level++) {
        unsigned node = xp_node(g, r, level);

        for (unsigned x = 1; x < g->events; x++)
            if (g->event[x].cpu == read->cpu && g->event[x].order > read->order && g->event[x].kind != XP_READ &&
                !xp_is_before(g, node, xp_node(g, (xp_event_id)x, level)))
                return false;
        if (!xp_has(&cpu->control, r) &&
            !(xp_has(&cpu->must[XP_WRITE][level], node) && xp_has(&cpu->must[XP_DOORBELL][level], node)))
            return false;
    }
    return true;
}

static void offer_learned(struct explorer *x, xp_event_id r, const struct xp_learned *l, unsigned writer)
{
    if (l->values[writer] > XP_PROMISES)
        xp_fatal(x, -E2BIG);
    for (unsigned v = 0; v < l->values[writer] && !x->error; v++)
        xp_offer_promise(x, r, l->mask[writer][v], l->value[writer][v]);
}

void xp_expect_of_compares(struct explorer *x)
{
    const struct xp_graph *g = &x->graph;

    for (unsigned r = 1; r < g->events; r++) {
        const struct xp_event *read = &g->event[r];

        if (read->kind != XP_READ || !read->compares || read->choice < 0)
            continue;
        x->compared = true;
        for (unsigned i = 0; i < read->cells; i++)
            for (unsigned w = 0; w < g->cpus; w++)
                if (w != read->cpu && x->learned[read->cell[i]].writers >> w & 1)
                    offer_learned(x, (xp_event_id)r, &x->learned[read->cell[i]], w);
    }
}

/* This run stops where an earlier one went on, and `later` was written. Could a read of this run have read of that? */
static void expect(struct explorer *x, const uint64_t later[AMP_CPUS])
{
    const struct xp_graph *g = &x->graph;

    for (unsigned r = 1; r < g->events; r++) {
        const struct xp_event *read = &g->event[r];

        if (read->kind != XP_READ || read->choice < 0)
            continue;
        for (unsigned i = 0; i < read->cells; i++)
            for (unsigned w = 0; w < g->cpus; w++) {
                const struct xp_learned *l = &x->learned[read->cell[i]];

                if (w == read->cpu || !(l->writers >> w & 1) || !(later[w] >> (read->cell[i] & 63) & 1))
                    continue;
                x->choice[read->choice].may_postpone = true;
                if (!read->interrupt && !ordered_for_good(g, (xp_event_id)r))
                    offer_learned(x, (xp_event_id)r, l, w);
            }
    }
}

/* Has a run been in this state? Then this one need not go on. */
static bool been_here(struct explorer *x, uint64_t key[2])
{
    const struct xp_state *state;
    int error = xp_key(x, key);

    if (error) {
        xp_fatal(x, error);
        return true;
    }
    state = xp_find_state(x, key);
    if (!state) {
        error = xp_add_state(x, key);
        if (error)
            xp_fatal(x, error);
        return error != 0;
    }
    expect(x, state->later);
    if (x->choices)
        for (unsigned i = 0; i < x->graph.cpus; i++)
            x->choice[x->choices - 1].later[i] |= state->later[i];
    x->over = x->merged = true;
    x->counts.cut++;
    return true;
}

/* Is the state all that counts? Inside a look it is not: should the look be undone, what was before it counts. */
static bool tells_all(const struct explorer *x, unsigned cpu)
{
    return !x->cpu[cpu].in_look || x->graph.events <= x->look.events + 1;
}

/* A choice from a list that somebody gave: does it fit here? */
static struct xp_choice *follow(struct explorer *x, struct xp_choice *c, enum xp_choice_kind kind, unsigned cpu,
                                unsigned options)
{
    if ((c->branch == XP_OPTION && c->index >= options) || (c->branch != XP_OPTION && kind != XP_CHOOSE_SOURCE)) {
        xp_fatal(x, -EPROTO);
        return NULL;
    }
    c->kind = (uint8_t)kind;
    c->cpu = (uint8_t)cpu;
    c->options = (uint16_t)options;
    return c;
}

/* The choice at this point of the run: the one on the stack, or a new one with `options` ways. NULL: the run is over. */
struct xp_choice *xp_choose(struct explorer *x, enum xp_choice_kind kind, unsigned cpu, unsigned options)
{
    struct xp_choice *c;

    uint64_t key[2] = {0, 0};

    x->trail = xp_mix(x->trail, (uint64_t)kind << 32 | cpu << 16 | options);
    account(x);
    if (x->choices < x->depth) {
        c = &x->choice[x->choices++];
        if (x->chooser == XP_REPLAY)
            return follow(x, c, kind, cpu, options);
        if (c->trail != x->trail || c->options != options || c->kind != kind) {
            xp_fatal(x, -EPROTO);
            return NULL;
        }
        return c;
    }
    if (x->merging && kind == XP_CHOOSE_SOURCE && tells_all(x, cpu) && been_here(x, key))
        return NULL;
    if (x->depth >= XP_CHOICES) {
        xp_fatal(x, -E2BIG);
        return NULL;
    }
    c = &x->choice[x->depth++];
    x->choices++;
    *c = (struct xp_choice){.kind = (uint8_t)kind,
                            .cpu = (uint8_t)cpu,
                            .options = (uint16_t)options,
                            .next_option = 1,
                            .trail = x->trail,
                            .key = {key[0], key[1]}};
    if (x->chooser != XP_EXHAUSTIVE && xp_sample(x, c)) {
        xp_fatal(x, -EPROTO);
        return NULL;
    }
    return c;
}
