/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * explore.c - runs, choices, and the alternatives that a run shows to be worth trying. See explore.h.
 */
#include "explore.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int fatal(struct explorer *x, int error)
{
    x->error = error;
    x->over = true;
    return XP_OVER;
}

/* What the read would return with these bytes of a write in place of its own. */
static void offer_promise(struct explorer *x, xp_event_id r, uint8_t mask, uint64_t value)
{
    const struct xp_event *read = &x->graph.event[r];
    struct xp_choice *c = &x->choice[read->choice];
    uint64_t bits = xp_bytes(read->mask & mask);

    value = (value & bits) | ((read->promised ? read->value : xp_value_of(&x->graph, r, x->initial)) & ~bits);
    for (unsigned i = 0; i < c->promises; i++)
        if (c->promise[i] == value)
            return;
    if (c->promises == XP_PROMISES)
        fatal(x, -E2BIG);
    else
        c->promise[c->promises++] = value;
}

uint64_t xp_mix(uint64_t hash, uint64_t value)
{
    hash ^= value + UINT64_C(0x9e3779b97f4a7c15) + (hash << 6) + (hash >> 2);
    hash ^= hash >> 30;
    hash *= UINT64_C(0xbf58476d1ce4e5b9);
    return hash ^ hash >> 27;
}

int xp_open(struct explorer *x, unsigned cpus, unsigned levels)
{
    if (cpus > AMP_CPUS || levels < 1 || levels > XP_LEVELS)
        return -EINVAL;
    x->graph.cpus = cpus;
    x->graph.levels = levels;
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
    x->runs = x->executions = x->redundant = x->cut = 0;
    xp_forget_states(x);
}

void xp_begin(struct explorer *x)
{
    xp_graph_reset(&x->graph);
    for (unsigned i = 0; i < x->graph.cpus; i++)
        x->cpu[i] = (struct xp_cpu){.must_cell = XP_CELLS};
    x->choices = x->promised = x->current = 0;
    x->over = x->merged = x->failed = false;
    x->trail = 0;
    x->weight = 1;
    x->runs++;
    xp_chooser_begin(x);
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
        if (cpu->voluntary || cpu->status == XP_READING || (cpu->status == XP_POLLING && !cpu->newest))
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
    if (x->error || x->chooser != XP_EXHAUSTIVE)
        return false;
    account(x);
    if (x->choices < x->depth) { /* it ended before it came where it had been */
        fatal(x, -EPROTO);
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

    for (unsigned x = 1; x < g->events; x++)
        if (g->event[x].cpu == read->cpu && g->event[x].order > read->order && g->event[x].kind != XP_READ &&
            !xp_is_before(g, r, x))
            return false;
    return xp_has(&cpu->control, r) || (xp_has(&cpu->must[XP_WRITE][0], r) && xp_has(&cpu->must[XP_DOORBELL][0], r));
}

static void offer_learned(struct explorer *x, xp_event_id r, const struct xp_learned *l, unsigned writer)
{
    if (l->values[writer] > XP_PROMISES)
        fatal(x, -E2BIG);
    for (unsigned v = 0; v < l->values[writer] && !x->error; v++)
        offer_promise(x, r, l->mask[writer][v], l->value[writer][v]);
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
                if (!read->partner && !ordered_for_good(g, (xp_event_id)r))
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
        fatal(x, error);
        return true;
    }
    state = xp_find_state(x, key);
    if (!state) {
        error = xp_add_state(x, key);
        if (error)
            fatal(x, error);
        return error != 0;
    }
    expect(x, state->later);
    if (x->choices)
        for (unsigned i = 0; i < x->graph.cpus; i++)
            x->choice[x->choices - 1].later[i] |= state->later[i];
    x->over = x->merged = true;
    x->cut++;
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
        fatal(x, -EPROTO);
        return NULL;
    }
    c->kind = (uint8_t)kind;
    c->cpu = (uint8_t)cpu;
    c->options = (uint16_t)options;
    return c;
}

/* The choice at this point of the run: the one on the stack, or a new one with `options` ways. NULL: the run is over. */
static struct xp_choice *choose(struct explorer *x, enum xp_choice_kind kind, unsigned cpu, unsigned options)
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
            fatal(x, -EPROTO);
            return NULL;
        }
        return c;
    }
    if (x->merging && kind == XP_CHOOSE_SOURCE && tells_all(x, cpu) && been_here(x, key))
        return NULL;
    if (x->depth >= XP_CHOICES) {
        fatal(x, -E2BIG);
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
        fatal(x, -EPROTO);
        return NULL;
    }
    return c;
}

static void show_races(struct explorer *x, xp_event_id w);
static int keep_promises(struct explorer *x, xp_event_id w);

/* --- reading ------------------------------------------------------------------------------------------------------- */

static bool same_cell(const struct xp_event *a, const struct xp_event *b)
{
    for (unsigned i = 0; i < a->cells; i++)
        for (unsigned j = 0; j < b->cells; j++)
            if (a->cell[i] == b->cell[j])
                return true;
    return false;
}

struct options {
    unsigned n;
    xp_event_id source[XP_OPTIONS][XP_SPAN];
};

static bool new_enough(const struct xp_cpu *cpu, const struct xp_event *read, const xp_event_id *sources)
{
    if (!cpu->mark)
        return true;
    for (unsigned i = 0; i < read->cells; i++)
        if (cpu->must_cell == XP_CELLS || read->cell[i] == cpu->must_cell) {
            if (sources[i] >= cpu->mark)
                return true;
            if (cpu->must_cell != XP_CELLS)
                return false;
        }
    return cpu->in_look; /* another read of the look may be the new one */
}

/* Do these sources give a read what it was promised, and does `w`, the newest, take part? One must come after the read:
 * what needs no promise is another run. */
static bool keeps_promise(const struct explorer *x, xp_event_id r, xp_event_id w, const xp_event_id *sources)
{
    const struct xp_graph *g = &x->graph;
    const struct xp_event *read = &g->event[r];
    bool takes_part = false, late = false;

    for (unsigned i = 0; i < read->cells; i++) {
        xp_event_id from = sources[i];
        uint64_t value = from != XP_INITIAL ? g->event[from].value : x->initial[read->cell[i]];

        if ((value ^ read->value) & xp_bytes(g->cell[read->cell[i]].mask))
            return false;
        takes_part |= from == w;
        late |= from != XP_INITIAL && xp_has(&g->porf[from], r);
    }
    return takes_part && late;
}

/* All that a read may take, newest first: every way to pick a write for each of its cells. With `w`: those by which the
 * new write `w` keeps the read's promise. */
static int list_options(struct explorer *x, xp_event_id r, xp_event_id w, struct options *list)
{
    struct xp_graph *g = &x->graph;
    struct xp_event *read = &g->event[r];
    unsigned at[XP_SPAN];
    xp_event_id pick[XP_SPAN];

    list->n = 0;
    for (unsigned i = 0; i < read->cells; i++)
        at[i] = g->cell[read->cell[i]].writes - 1u;
    for (;;) {
        unsigned i;

        for (i = 0; i < read->cells; i++)
            pick[i] = g->cell[read->cell[i]].co[at[i]];
        if ((w ? keeps_promise(x, r, w, pick) : new_enough(&x->cpu[read->cpu], read, pick)) && xp_may_read(g, r, pick)) {
            if (list->n == XP_OPTIONS)
                return -1;
            memcpy(list->source[list->n++], pick, sizeof pick);
        }
        for (i = 0; i < read->cells; i++) {
            if (at[i]-- > 0)
                break;
            at[i] = g->cell[read->cell[i]].writes - 1u;
        }
        if (i == read->cells)
            return 0;
    }
}

static void sleep_on(struct explorer *x, unsigned cpu, const struct xp_event *read, bool voluntary)
{
    struct xp_cpu *state = &x->cpu[cpu];

    state->voluntary = voluntary;
    state->wakes = 0;
    for (unsigned i = 0; i < read->cells; i++)
        state->wake_cell[state->wakes++] = read->cell[i];
    if (voluntary)
        state->mark = (xp_event_id)x->graph.events;
}

/* The read waits. Inside a look, that is a look that found nothing. */
static int wait_for_write(struct explorer *x, unsigned cpu, xp_event_id r, bool voluntary)
{
    struct xp_cpu *state = &x->cpu[cpu];
    const struct xp_event *read = &x->graph.event[r];

    sleep_on(x, cpu, read, voluntary);
    if (state->in_look) {
        state->must_cell = read->cells == 1 ? read->cell[0] : XP_CELLS;
        if (voluntary)
            state->mark = (xp_event_id)x->look.events; /* the look's own events are undone: the next one has this id */
        return XP_UNLOOK;
    }
    state->status = XP_READING;
    return XP_BLOCKED;
}

static void take_promise(struct explorer *x, xp_event_id r, uint64_t value)
{
    struct xp_event *read = &x->graph.event[r];

    read->promised = true;
    read->value = value;
    x->promised++;
}

/* States are told apart by who reads a cell, as far as known. */
static void learn_reader(struct explorer *x, const struct xp_event *read)
{
    for (unsigned i = 0; i < read->cells; i++) {
        struct xp_learned *l = &x->learned[read->cell[i]];

        if (!(l->readers >> read->cpu & 1) && x->states)
            fatal(x, -EAGAIN);
        l->readers |= (uint8_t)(1u << read->cpu);
    }
}

/* A late read shows that the writes behind it in program order come after more than was known. */
static int look_again(struct explorer *x, xp_event_id r)
{
    const struct xp_graph *g = &x->graph;

    for (unsigned w = r + 1u; w < g->events; w++)
        if (g->event[w].kind != XP_READ && xp_has(&g->porf[w], r)) {
            show_races(x, (xp_event_id)w);
            if (x->promised && keep_promises(x, (xp_event_id)w))
                return XP_OVER;
        }
    return XP_DONE;
}

int xp_resolve(struct explorer *x, unsigned cpu, xp_event_id r, uint64_t *value)
{
    struct xp_cpu *state = &x->cpu[cpu];
    struct xp_event *read = &x->graph.event[r];
    struct options list;
    struct xp_choice *c;

    if (x->over)
        return XP_OVER;
    state->pending = r;
    if (list_options(x, r, 0, &list))
        return fatal(x, -E2BIG);
    if (list.n == 0)
        return wait_for_write(x, cpu, r, state->voluntary);
    c = choose(x, XP_CHOOSE_SOURCE, cpu, list.n);
    if (!c)
        return XP_OVER;
    if (c->branch == XP_POSTPONE)
        return wait_for_write(x, cpu, r, true);
    read->choice = (int32_t)(c - x->choice);
    state->pending = 0;
    state->voluntary = false;
    if (!state->in_look)
        state->mark = 0;
    if (c->branch == XP_PROMISE) {
        take_promise(x, r, c->promised);
        *value = c->promised;
        return XP_DONE;
    }
    if (xp_read_from(&x->graph, r, list.source[c->index])) {
        x->over = true; /* with levels: it would come before itself */
        return XP_OVER;
    }
    *value = xp_value_of(&x->graph, r, x->initial);
    return look_again(x, r);
}

int xp_issue(struct explorer *x, unsigned cpu, const uint16_t *cells, unsigned n, const struct xp_set *address,
             xp_event_id *event)
{
    if (x->over)
        return XP_OVER;
    *event = xp_add_read(&x->graph, cpu, cells, n, (struct xp_orders){{0}}, address);
    if (!*event)
        return fatal(x, -E2BIG);
    learn_reader(x, &x->graph.event[*event]);
    return x->over ? XP_OVER : XP_DONE;
}

int xp_load(struct explorer *x, unsigned cpu, const uint16_t *cells, unsigned n, struct xp_orders acquire,
            const struct xp_set *address, uint64_t *value, xp_event_id *event)
{
    struct xp_cpu *state = &x->cpu[cpu];

    if (x->over)
        return XP_OVER;
    if (!state->pending) {
        state->pending = xp_add_read(&x->graph, cpu, cells, n, acquire, address);
        if (!state->pending)
            return fatal(x, -E2BIG);
        learn_reader(x, &x->graph.event[state->pending]);
    }
    *event = state->pending;
    return xp_resolve(x, cpu, state->pending, value);
}

void xp_forget(struct explorer *x, xp_event_id event)
{
    struct xp_event *read = &x->graph.event[event];

    if (event < x->graph.events && read->kind == XP_READ && read->source[0] == XP_UNREAD) {
        read->cells = 0;
        read->source[0] = XP_INITIAL;
    }
}

int xp_wait(struct explorer *x, unsigned cpu, uint16_t mailbox, xp_event_id *event)
{
    static const uint8_t taken[XP_LEVELS] = {AMP_RR | AMP_RW, AMP_RR | AMP_RW};
    struct xp_cpu *state = &x->cpu[cpu];
    struct xp_orders orders;
    uint64_t value;
    int result;

    if (x->over)
        return XP_OVER;
    if (!state->pending && !state->mark) { /* a doorbell rung before the last one taken is gone */
        state->must_cell = mailbox;
        state->mark = (xp_event_id)(state->taken + 1u);
    }
    memcpy(orders.level, taken, sizeof taken);
    result = xp_load(x, cpu, &mailbox, 1, orders, NULL, &value, event);
    if (result == XP_BLOCKED)
        state->status = XP_WAITING;
    if (result != XP_DONE)
        return result;
    state->taken = x->graph.event[*event].source[0];
    state->must_cell = XP_CELLS;
    return XP_DONE;
}

/* --- writing ------------------------------------------------------------------------------------------------------- */

static void learn(struct explorer *x, const struct xp_event *write, uint64_t value)
{
    for (unsigned i = 0; i < write->cells; i++) {
        struct xp_learned *l = &x->learned[write->cell[i]];
        unsigned cpu = write->cpu, known = 0;

        x->fresh[cpu] |= UINT64_C(1) << (write->cell[i] & 63);
        if (l->writers && !(l->writers >> cpu & 1) && x->states)
            fatal(x, -EAGAIN); /* states were told apart as if one CPU alone wrote it */
        l->writers |= (uint8_t)(1u << cpu);
        while (known < l->values[cpu] && known < XP_PROMISES &&
               (l->value[cpu][known] != value || l->mask[cpu][known] != write->mask))
            known++;
        if (known == XP_PROMISES) {
            l->values[cpu] = XP_PROMISES + 1; /* more than are kept */
        } else if (known == l->values[cpu]) {
            l->mask[cpu][known] = write->mask;
            l->value[cpu][l->values[cpu]++] = value;
        }
    }
}

/* Is the read ordered before everything that leads to the write? Then it cannot have read it. */
static bool ordered(const struct xp_graph *g, xp_event_id r, xp_event_id w)
{
    const struct xp_event *read = &g->event[r];

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
static void show_races(struct explorer *x, xp_event_id w)
{
    struct xp_graph *g = &x->graph;
    const struct xp_event *write = &g->event[w];

    for (unsigned r = 1; r < g->events; r++) {
        const struct xp_event *read = &g->event[r];
        bool after = xp_has(&g->porf[w], r), promise;
        struct xp_choice *c;

        if (read->kind != XP_READ || read->cpu == write->cpu || read->choice < 0 || !same_cell(read, write))
            continue;
        if (r > w && !after)
            continue; /* it could have read it */
        c = &x->choice[read->choice];
        c->may_postpone |= !after;
        /* A read that was promised some of its bytes may take others from a write that does not come after it. */
        promise = after ? !ordered(g, (xp_event_id)r, w) : c->branch == XP_PROMISE && read->mask & ~write->mask;
        if (promise && !read->partner)
            offer_promise(x, (xp_event_id)r, write->mask, write->value);
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
static int keep_promises(struct explorer *x, xp_event_id w)
{
    struct xp_graph *g = &x->graph;
    const struct xp_event *write = &g->event[w];

    for (unsigned r = 1; r < g->events && x->promised; r++) {
        struct xp_event *read = &g->event[r];
        struct options list;
        struct xp_choice *c;

        if (!read->promised || read->cpu == write->cpu || !same_cell(read, write))
            continue;
        if (list_options(x, (xp_event_id)r, w, &list))
            return fatal(x, -E2BIG);
        if (list.n == 0)
            continue;
        c = choose(x, XP_CHOOSE_BINDING, write->cpu, list.n + 1);
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
        x->over |= x->failed && !x->promised;
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
        return fatal(x, -E2BIG);
    for (unsigned p = g->cell[cell].writes; p >= 1; p--) {
        if (partner && p != xp_position(g, cell, g->event[partner].source[i]) + 1)
            continue; /* an atomic's write stands right behind what it read */
        if (xp_may_place(g, w, i, p))
            position[n++] = p;
    }
    if (n == 0) {
        x->over = true;
        return XP_OVER;
    }
    if (n > 1) {
        struct xp_choice *c = choose(x, XP_CHOOSE_PLACE, write->cpu, n);

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
    assert(!x->cpu[cpu].in_look);
    w = xp_add_write(g, kind, cpu, cells, n, release, depends, address);
    if (!w)
        return fatal(x, -E2BIG);
    g->event[w].value = value;
    x->trail = xp_mix(x->trail, value);
    if (partner) {
        if (g->event[partner].promised) { /* an atomic is one access: its load is never late */
            x->over = true;
            return XP_OVER;
        }
        if (xp_taken(g, partner)) { /* another atomic stands between the two already; it might have come later */
            show_races(x, w);
            x->over = true;
            return XP_OVER;
        }
        g->event[w].atomic = true;
        g->event[w].partner = partner;
        g->event[partner].partner = w;
    }
    learn(x, &g->event[w], value);
    for (unsigned i = 0; i < n; i++) {
        int result = place(x, w, i, partner);

        if (result && partner && !x->error)
            show_races(x, w); /* nor can it stand there, but it might if others came later */
        if (result)
            return result;
    }
    show_races(x, w);
    wake_readers(x, &g->event[w]);
    return x->promised ? keep_promises(x, w) : XP_DONE;
}

void xp_barrier(struct explorer *x, unsigned cpu, struct xp_orders orders)
{
    if (!x->over)
        xp_add_barrier(&x->graph, cpu, orders);
}

/* --- looks, ends --------------------------------------------------------------------------------------------------- */

static void stop(struct explorer *x, unsigned cpu)
{
    x->cpu[cpu].status = XP_ENDED;
    x->cpu[cpu].pending = 0;
}

void xp_end(struct explorer *x, unsigned cpu)
{
    stop(x, cpu);
}

void xp_fail(struct explorer *x, unsigned cpu)
{
    stop(x, cpu);
    x->failed = true;
    if (!x->promised)
        x->over = true;
}

void xp_look_begin(struct explorer *x, unsigned cpu)
{
    struct xp_graph *g = &x->graph;
    struct xp_look *look = &x->look;

    if (x->over)
        return;
    look->events = g->events;
    look->words = g->words;
    memcpy(look->event, g->event, g->events * sizeof g->event[0]);
    memcpy(look->before, g->before, g->events * g->levels * sizeof g->before[0]);
    look->cpu = g->cpu[cpu];
    look->log = x->cpu[cpu].log;
    look->made = x->cpu[cpu].made;
    x->cpu[cpu].in_look = true;
    x->cpu[cpu].looks_from = x->choices;
}

static void undo(struct explorer *x, unsigned cpu)
{
    struct xp_graph *g = &x->graph;
    const struct xp_look *look = &x->look;

    for (unsigned r = look->events; r < g->events; r++)
        x->promised -= g->event[r].promised;
    g->events = look->events;
    g->words = look->words;
    memcpy(g->event, look->event, g->events * sizeof g->event[0]);
    memcpy(g->before, look->before, g->events * g->levels * sizeof g->before[0]);
    g->cpu[cpu] = look->cpu;
    x->cpu[cpu].log = look->log;
    x->cpu[cpu].made = look->made;
    x->cpu[cpu].pending = 0;
    x->cpu[cpu].in_look = false;
    x->cpu[cpu].status = XP_POLLING;
}

void xp_look_undone(struct explorer *x, unsigned cpu)
{
    if (x->over)
        return;
    x->cpu[cpu].newest = false;
    undo(x, cpu);
}

/* A look that found nothing: as if it had not been. It is worth repeating when something that it read has changed. */
static void fruitless(struct explorer *x, unsigned cpu)
{
    struct xp_graph *g = &x->graph;
    struct xp_cpu *state = &x->cpu[cpu];
    unsigned reads = 0;

    state->wakes = 0;
    state->voluntary = false;
    state->newest = true;
    state->must_cell = XP_CELLS;
    for (unsigned r = x->look.events; r < g->events; r++) {
        const struct xp_event *read = &g->event[r];

        assert(read->cpu == cpu && read->kind == XP_READ);
        reads++;
        for (unsigned i = 0; i < read->cells; i++) {
            const struct xp_cell *cell = &g->cell[read->cell[i]];

            if (read->source[i] != cell->co[cell->writes - 1])
                state->newest = false;
            if (state->wakes == XP_WAKES) {
                fatal(x, -E2BIG);
                return;
            }
            state->wake_cell[state->wakes++] = read->cell[i];
            if (read->cells == 1)
                state->must_cell = read->cell[0];
        }
        if (read->choice >= 0)
            x->choice[read->choice].postponed = true; /* that is what this was */
    }
    if (reads != 1)
        state->must_cell = XP_CELLS;
    undo(x, cpu);
    state->mark = (xp_event_id)g->events;
}

void xp_look_end(struct explorer *x, unsigned cpu, bool found)
{
    struct xp_cpu *state = &x->cpu[cpu];

    if (x->over)
        return;
    if (!found) {
        fruitless(x, cpu);
        return;
    }
    state->in_look = false;
    state->mark = 0;
    state->must_cell = XP_CELLS;
}

void xp_log(struct explorer *x, unsigned cpu, uint64_t what)
{
    struct xp_cpu *state = &x->cpu[cpu];

    state->log = xp_mix(state->log, what);
    x->trail = xp_mix(x->trail, what ^ cpu);
}
