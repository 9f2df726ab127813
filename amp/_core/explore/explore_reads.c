/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * explore_reads.c - what a read may return in this run, and what it does where there is nothing to return yet.
 */
#include "explore_parts.h"

#include <errno.h>
#include <string.h>

bool xp_same_cell(const struct xp_event *a, const struct xp_event *b)
{
    for (unsigned i = 0; i < a->cells; i++)
        for (unsigned j = 0; j < b->cells; j++)
            if (a->cell[i] == b->cell[j])
                return true;
    return false;
}

/* A doorbell that was there when one was taken, or acknowledged, went with it. */
static bool is_rung(const struct explorer *x, unsigned cpu, unsigned mailbox, xp_event_id source)
{
    const struct xp_graph *g = &x->graph;

    return source != XP_INITIAL && xp_rings(&g->event[source]) &&
           xp_position(g, mailbox, source) > xp_position(g, mailbox, x->cpu[cpu].taken);
}

static bool new_enough(const struct explorer *x, const struct xp_event *read, const xp_event_id *sources)
{
    const struct xp_cpu *cpu = &x->cpu[read->cpu];

    if (cpu->waits && !is_rung(x, read->cpu, read->cell[0], sources[0]))
        return false;
    if (!cpu->mark || (cpu->in_look && cpu->looked != cpu->forced))
        return true;
    for (unsigned i = 0; i < read->cells; i++)
        if (sources[i] >= cpu->mark)
            return true;
    return false;
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

        if ((value ^ read->value) & amp_bits(g->cell[read->cell[i]].mask))
            return false;
        /* The write of the same atomic stands there already: right behind what it read. */
        if (read->partner && xp_position(g, read->cell[i], from) + 1 != xp_position(g, read->cell[i], read->partner))
            return false;
        takes_part |= from == w;
        late |= from != XP_INITIAL && xp_has(&g->porf[from], r);
    }
    return takes_part && late;
}

/* All that a read may take, newest first: every way to pick a write for each of its cells. With `w`: those by which the
 * new write `w` keeps the read's promise. */
int xp_list_options(struct explorer *x, xp_event_id r, xp_event_id w, struct xp_options *list)
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
        if ((w ? keeps_promise(x, r, w, pick) : new_enough(x, read, pick)) && xp_may_read(g, r, pick)) {
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

static void sleep_on(struct xp_cpu *state, const struct xp_event *read)
{
    state->wakes = 0;
    for (unsigned i = 0; i < read->cells; i++)
        state->wake_cell[state->wakes++] = read->cell[i];
}

/* A read waits for a write that is not there yet. Inside a look, others cannot run before the look is undone. It is made
 * again when the write is there, and then the reads before this one return what they returned: the look stood still here. */
static int postpone(struct explorer *x, unsigned cpu, xp_event_id r)
{
    struct xp_cpu *state = &x->cpu[cpu];

    sleep_on(state, &x->graph.event[r]);
    state->voluntary = true;
    if (!state->in_look) {
        state->mark = (xp_event_id)x->graph.events;
        state->status = XP_READING;
        return XP_BLOCKED;
    }
    state->forced = state->looked;
    state->mark = (xp_event_id)x->look.events; /* the look's own events are undone: the next one has this id */
    state->unlooked = true;
    return XP_UNLOOK;
}

/* What has come since it began to wait is not for this read. A look that must read something new goes on waiting. */
static int wait_on(struct explorer *x, unsigned cpu, xp_event_id r)
{
    struct xp_cpu *state = &x->cpu[cpu];

    if (state->in_look) {
        state->unlooked = true;
        return XP_UNLOOK;
    }
    sleep_on(state, &x->graph.event[r]);
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
            x->outdated = true;
        l->readers |= (uint8_t)(1u << read->cpu);
    }
}

/* A late read shows that the writes behind it in program order come after more than was known. */
static int look_again(struct explorer *x, xp_event_id r)
{
    const struct xp_graph *g = &x->graph;

    for (unsigned w = r + 1u; w < g->events; w++)
        if (g->event[w].kind != XP_READ && xp_has(&g->porf[w], r)) {
            xp_show_races(x, (xp_event_id)w);
            if (x->promised && xp_keep_promises(x, (xp_event_id)w))
                return XP_OVER;
        }
    return XP_DONE;
}

static int read_from(struct explorer *x, xp_event_id r, const xp_event_id *sources, uint64_t *value)
{
    if (xp_read_from(&x->graph, r, sources)) {
        x->over = true; /* with several nodes: it would come before itself */
        return XP_OVER;
    }
    *value = xp_value_of(&x->graph, r, x->initial);
    return look_again(x, r);
}

/* The look stood still behind this read: it returns what it returned, and the same choice stands for it. */
static int repeat(struct explorer *x, unsigned cpu, xp_event_id r, uint64_t *value)
{
    struct xp_cpu *state = &x->cpu[cpu];
    const struct xp_seen *seen = &state->seen[state->looked];
    struct xp_event *read = &x->graph.event[r];

    if (read->cells != seen->cells || memcmp(read->cell, seen->cell, seen->cells * sizeof seen->cell[0]))
        return xp_fatal(x, -EPROTO);
    state->looked++;
    state->pending = 0;
    read->choice = seen->choice;
    if (seen->promised) {
        take_promise(x, r, seen->value);
        *value = seen->value;
        return XP_DONE;
    }
    if (!xp_may_read(&x->graph, r, seen->source)) {
        x->over = true;
        return XP_OVER;
    }
    return read_from(x, r, seen->source, value);
}

/* A look remembers its reads: should it be postponed, they are repeated; should it be in vain, they say what to wait for. */
static int remember(struct explorer *x, unsigned cpu, xp_event_id r, const xp_event_id *sources)
{
    struct xp_cpu *state = &x->cpu[cpu];
    const struct xp_event *read = &x->graph.event[r];
    struct xp_seen *seen = &state->seen[state->looked];

    if (state->looked == XP_LOOKS)
        return xp_fatal(x, -E2BIG);
    *seen = (struct xp_seen){.cells = read->cells, .choice = read->choice};
    memcpy(seen->cell, read->cell, sizeof seen->cell);
    if (sources) {
        memcpy(seen->source, sources, sizeof seen->source);
    } else {
        seen->promised = true;
        seen->value = read->value;
    }
    state->looked++;
    return XP_DONE;
}

int xp_resolve(struct explorer *x, unsigned cpu, xp_event_id r, uint64_t *value)
{
    struct xp_cpu *state = &x->cpu[cpu];
    struct xp_event *read = &x->graph.event[r];
    struct xp_options list;
    struct xp_choice *c;
    bool promised;

    if (x->over)
        return XP_OVER;
    if (state->in_look && state->looked < state->forced)
        return repeat(x, cpu, r, value);
    state->pending = r;
    if (xp_list_options(x, r, 0, &list))
        return xp_fatal(x, -E2BIG);
    if (list.n == 0)
        return wait_on(x, cpu, r);
    c = xp_choose(x, XP_CHOOSE_SOURCE, cpu, list.n);
    if (!c)
        return XP_OVER;
    if (c->branch == XP_POSTPONE)
        return postpone(x, cpu, r);
    read->choice = (int32_t)(c - x->choice);
    state->pending = 0;
    state->voluntary = false;
    promised = c->branch == XP_PROMISE;
    if (promised && state->waits) /* nothing overtakes an interrupt; a list that says so is not of this program */
        return xp_fatal(x, -EPROTO);
    if (promised) {
        take_promise(x, r, c->promised);
        *value = c->promised;
    }
    if (!state->in_look)
        state->mark = 0;
    else if (remember(x, cpu, r, promised ? NULL : list.source[c->index]))
        return XP_OVER;
    return promised ? XP_DONE : read_from(x, r, list.source[c->index], value);
}

int xp_issue(struct explorer *x, unsigned cpu, const uint16_t *cells, unsigned n, const struct xp_set *address,
             xp_event_id *event)
{
    if (x->over)
        return XP_OVER;
    *event = xp_add_read(&x->graph, cpu, cells, n, (struct xp_orders){{0}}, address);
    if (!*event)
        return xp_fatal(x, -E2BIG);
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
            return xp_fatal(x, -E2BIG);
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

int xp_status(struct explorer *x, unsigned cpu, uint16_t mailbox, const struct xp_set *address, uint64_t *rung,
              xp_event_id *event)
{
    struct xp_cpu *state = &x->cpu[cpu];
    uint64_t value;
    int result;

    if (x->over)
        return XP_OVER;
    if (!state->pending) {
        if (!x->reads_status && x->states)
            x->outdated = true; /* states were told apart as if nobody read it */
        x->reads_status = true;
        state->pending = xp_add_status(&x->graph, cpu, mailbox, address);
        if (!state->pending)
            return xp_fatal(x, -E2BIG);
        learn_reader(x, &x->graph.event[state->pending]);
    }
    *event = state->pending;
    result = xp_resolve(x, cpu, *event, &value);
    if (result == XP_DONE) /* what is promised is newer than all that is there */
        *rung = x->graph.event[*event].promised ? value : is_rung(x, cpu, mailbox, x->graph.event[*event].source[0]);
    return result;
}

int xp_wait(struct explorer *x, unsigned cpu, uint16_t mailbox, xp_event_id *event)
{
    static const uint32_t taken[XP_LEVELS] = {AMP_RR | AMP_RW, AMP_RR | AMP_RW};
    struct xp_cpu *state = &x->cpu[cpu];
    struct xp_orders orders;
    uint64_t value;
    int result;

    if (x->over)
        return XP_OVER;
    state->waits = true;
    memcpy(orders.level, taken, sizeof taken);
    result = xp_load(x, cpu, &mailbox, 1, orders, NULL, &value, event);
    if (result == XP_BLOCKED)
        state->status = XP_WAITING;
    if (result != XP_DONE)
        return result;
    x->graph.event[*event].interrupt = true;
    state->waits = false;
    state->taken = x->graph.event[*event].source[0];
    return XP_DONE;
}
