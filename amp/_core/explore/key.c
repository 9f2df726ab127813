/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * key.c - when are two states the same? When nothing that can still happen tells them apart:
 *   - each CPU's program is where it was: its log, what it waits for, the values it holds and has not looked into;
 *   - the same writes can still be read, in the same coherence order, with the same values;
 *   - and whatever a later event will come after (a CPU's accesses so far, the readers of a write, a pending read) comes
 *     after the same of those writes, and of the reads that are still open.
 * A new pair in the order can only close a circle by way of a write that can still be read, or of an open read; so what
 * comes before those, among themselves, is all of the past that matters. Events are named by where they stand in this
 * list, never by when they were made. With levels each event has several nodes, and a set of events all of each.
 */
#include <errno.h>
#include <string.h>

#include "key_parts.h"

/* Whose writes come after a promised read: only those, and what reads them, can keep the promise. */
static void take_followers(struct xp_key_state *s, xp_event_id r)
{
    const struct xp_graph *g = &s->x->graph;
    bool after[AMP_CPUS] = {false};

    for (unsigned x = 1; x < g->events; x++)
        after[g->event[x].cpu] |= x == r || xp_has(&g->porf[x], r);
    for (unsigned cpu = 0; cpu < g->cpus; cpu++)
        xp_take(&s->hash, after[cpu]);
    for (unsigned i = 0; i < s->relevant.n; i++)
        xp_take(&s->hash, xp_has(&g->porf[s->relevant.event[i]], r));
}

static void take_open(struct xp_key_state *s, xp_event_id e)
{
    const struct xp_graph *g = &s->x->graph;
    const struct xp_event *read = &g->event[e];
    struct xp_key_rows rows = xp_rows_of(g, e);

    xp_take(&s->hash, (uint64_t)read->cpu << 32 | (uint64_t)read->promised << 40 | (uint64_t)read->atomic << 41);
    xp_take(&s->hash, read->promised ? read->value : 0);
    if (read->promised)
        take_followers(s, e);
    for (unsigned level = 0; level < g->levels; level++)
        xp_take_row(&s->hash, g, &s->relevant, rows.level[level]);
    for (unsigned i = 0; i < read->cells; i++) {
        unsigned cell = read->cell[i], oldest = xp_oldest_for(s, cell, read->cpu, &rows, read->order);
        unsigned newest = xp_newest_for(g, cell, read);

        xp_take(&s->hash, cell);
        xp_take(&s->hash, oldest > s->first[cell] ? oldest - s->first[cell] : 0);
        xp_take(&s->hash, newest == UINT16_MAX ? newest : newest - s->first[cell]);
    }
}

/* Where a write stands, of those that can still be read; older ones are all the same. */
static unsigned since_first(const struct xp_key_state *s, unsigned cell, unsigned position)
{
    return position > s->first[cell] ? position - s->first[cell] : 0;
}

/* What the next look repeats. */
static void take_forced(struct xp_key_state *s, const struct xp_cpu *cpu)
{
    const struct xp_graph *g = &s->x->graph;

    xp_take(&s->hash, cpu->forced);
    for (unsigned r = 0; r < cpu->forced; r++) {
        const struct xp_seen *seen = &cpu->seen[r];

        xp_take(&s->hash, seen->promised ? seen->value : 0);
        for (unsigned i = 0; i < seen->cells; i++) {
            xp_take(&s->hash, (uint64_t)seen->cell[i] << 8 | seen->promised);
            if (!seen->promised)
                xp_take(&s->hash, since_first(s, seen->cell[i], xp_position(g, seen->cell[i], seen->source[i])));
        }
    }
}

/* How many kinds of later event wait for something: those of a status only once there are any. */
static unsigned waiting(const struct xp_key_state *s)
{
    return s->x->reads_status ? XP_LATER : XP_KINDS;
}

/* What a barrier that reaches so far would carry along, of the stores of others that this CPU has read; and what it will. */
static void take_carried(struct xp_key_state *s, unsigned number, enum xp_reach reach)
{
    const struct xp_graph *g = &s->x->graph;
    const struct xp_graph_cpu *cpu = &g->cpu[number];
    struct xp_set carried[XP_LEVELS] = {{{0}}};

    for (unsigned r = 1; r < g->events; r++) {
        const struct xp_event *read = &g->event[r];

        if (read->kind != XP_READ || read->cpu != number)
            continue;
        if (!xp_is_open(read))
            for (unsigned i = 0; i < read->cells; i++)
                xp_put_carried(g, carried, number, read->source[i], XP_WRITE, reach);
        else
            for (unsigned kind = 0; kind < waiting(s); kind++)
                xp_take(&s->hash, (uint64_t)s->relevant.rank[r] << 1 | xp_has(&cpu->carry[kind][reach], r));
    }
    for (unsigned level = 0; level < g->levels; level++)
        xp_take_new(s, &carried[level], NULL);
}

/* Will what the open read `r` returns come before `x`? At which reaches (bits). */
static unsigned waits_for(const struct xp_graph *g, unsigned x, unsigned r)
{
    unsigned reaches = 0;

    for (unsigned reach = 0; xp_is_open(&g->event[r]) && reach < XP_REACHES; reach++)
        reaches |= (unsigned)xp_has(&g->carried[x][reach], r) << reach;
    return reaches;
}

static bool waits(const struct xp_graph *g, unsigned x)
{
    for (unsigned r = 1; r < x; r++)
        if (waits_for(g, x, r))
            return true;
    return false;
}

/* With domains or observers: the events that what an open read returns will come before matter, too. */
static bool add_waiting(struct xp_key_state *s)
{
    const struct xp_graph *g = &s->x->graph;

    for (unsigned cpu = 0; g->nodes > 1 && cpu < g->cpus; cpu++)
        for (unsigned x = 1; x < g->events; x++)
            if (g->event[x].cpu == cpu && !s->relevant.rank[x] && waits(g, x) &&
                !xp_add_relevant(g, &s->relevant, (xp_event_id)x))
                return false;
    return true;
}

static void take_waiting(struct xp_key_state *s)
{
    const struct xp_graph *g = &s->x->graph;

    for (unsigned i = 0; g->nodes > 1 && i < s->relevant.n; i++) {
        unsigned x = s->relevant.event[i];

        if (!xp_is_open(&g->event[x]))
            xp_take_rows(s, (xp_event_id)x);
        for (unsigned r = 1; r < x; r++) {
            unsigned reaches = waits_for(g, x, r);

            if (reaches)
                xp_take(&s->hash, (uint64_t)s->relevant.rank[r] << 32 | (uint64_t)i << 16 |
                                      (uint64_t)g->event[x].kind << 8 | reaches);
        }
    }
}

static void take_cpu(struct xp_key_state *s, unsigned number)
{
    const struct xp_cpu *state = &s->x->cpu[number];
    const struct xp_graph *g = &s->x->graph;
    const struct xp_graph_cpu *cpu = &g->cpu[number];

    xp_take(&s->hash, state->status);
    if (state->status == XP_ENDED)
        return;
    xp_take(&s->hash, state->log);
    xp_take(&s->hash, (uint64_t)state->made << 32 | (uint64_t)state->voluntary << 8 | (uint64_t)state->wake << 9 |
                          (uint64_t)state->in_look << 10 | (uint64_t)(state->mark != 0) << 11 |
                          (uint64_t)state->waits << 12);
    if (state->status == XP_POLLING && !state->voluntary)
        xp_take(&s->hash, xp_saw_newest(s->x, number));
    for (unsigned i = 0; state->status != XP_RUNNING && i < state->wakes; i++)
        xp_take(&s->hash, state->wake_cell[i]);
    take_forced(s, state);
    xp_take(&s->hash, s->relevant.rank[state->pending]);
    /* The doorbells that are there and have not been taken: those behind this one. */
    if (state->taken) {
        unsigned taken = xp_position(g, number, state->taken);

        xp_take(&s->hash, taken >= s->first[number] ? taken - s->first[number] + 1u : 0);
    }
    for (unsigned kind = 0; kind < waiting(s); kind++)
        for (unsigned level = 0; level < g->levels; level++)
            xp_take_new(s, &cpu->must[kind][level], NULL);
    for (unsigned kind = 0; kind < XP_KINDS; kind++)
        xp_take_each_level(s, &cpu->all[kind], NULL);
    if (s->x->reads_status) { /* what a fence keeps that does not name a device's input before it */
        struct xp_set loads = cpu->all[XP_READ];

        for (unsigned i = 0; i < g->words; i++)
            loads.bit[i] &= ~cpu->status.bit[i];
        xp_take_each_level(s, &loads, NULL);
    }
    xp_take_events(s, &cpu->control);
    xp_take_events(s, &cpu->instruction);
    xp_take_events(s, &cpu->releases);
    for (unsigned reach = 0; g->nodes > 1 && reach < XP_REACHES; reach++)
        take_carried(s, number, (enum xp_reach)reach);
    if (cpu->any_unseen)
        xp_take_events(s, &cpu->unseen);
    /* It reads nothing older than what it has read or written of the writes that can still be read. */
    for (unsigned cell = 0; cell < g->cells; cell++)
        if (g->cell[cell].writes > 1 && s->x->learned[cell].readers >> number & 1)
            xp_take(&s->hash, since_first(s, cell, s->come[number][cell]));
}

static int take_live(struct xp_key_state *s)
{
    struct xp_live live[XP_LIVE];
    unsigned n = s->x->live ? s->x->live(s->x, live, XP_LIVE) : 0;

    if (n > XP_LIVE)
        return -E2BIG;
    for (unsigned i = 0; i < n; i++) {
        xp_take(&s->hash, live[i].what);
        xp_take(&s->hash, live[i].cpu);
        xp_take_events(s, live[i].depends);
    }
    return 0;
}

/* Of the tables, which are made for the largest graph, what this one uses. */
static void clear(struct xp_key_state *s, struct explorer *x)
{
    const struct xp_graph *g = &x->graph;

    s->x = x;
    s->hash = (struct xp_key_hash){1, 2};
    s->relevant.n = s->opens = 0;
    memset(s->relevant.rank, 0, g->events * sizeof s->relevant.rank[0]);
    memset(&s->relevant.mask, 0, sizeof s->relevant.mask);
    memset(s->first, 0, g->cells * sizeof s->first[0]);
    for (unsigned cpu = 0; cpu < g->cpus; cpu++)
        memset(s->come[cpu], 0, g->cells * sizeof s->come[cpu][0]);
}

int xp_key(struct explorer *x, uint64_t key[2])
{
    const struct xp_graph *g = &x->graph;
    struct xp_key_state s;
    unsigned cells = 0;
    int error;

    clear(&s, x);
    xp_find_accesses(&s);
    for (unsigned cpu = 0; cpu < g->cpus; cpu++) {
        for (unsigned level = 0; level < g->levels; level++)
            xp_close_set(g, &g->cpu[cpu].must[XP_READ][level], s.reads[cpu][level]);
        xp_close_set(g, &g->cpu[cpu].must[XP_WRITE][0], s.writes[cpu]);
    }
    for (unsigned cell = 0; cell < g->cells; cell++)
        if (g->cell[cell].writes > 1 && !xp_find_relevant(&s, cell))
            return -E2BIG;
    for (unsigned i = 0; i < s.opens; i++)
        if (!xp_add_relevant(g, &s.relevant, s.open[i]))
            return -E2BIG;
    if (!add_waiting(&s))
        return -E2BIG;
    for (unsigned cell = 0; cell < g->cells; cell++)
        if (g->cell[cell].writes > 1) {
            xp_take_cell(&s, cell);
            cells++;
        } else if (xp_somebody_writes(&s, cell)) { /* who has read what was there at the start comes before its first write */
            xp_take(&s.hash, cell);
            xp_take_past(&s, cell, 0);
        }
    xp_take(&s.hash, cells);
    for (unsigned i = 0; i < s.relevant.n; i++)
        if (xp_is_open(&g->event[s.relevant.event[i]]))
            take_open(&s, s.relevant.event[i]);
    take_waiting(&s);
    for (unsigned cpu = 0; cpu < g->cpus; cpu++)
        take_cpu(&s, cpu);
    error = take_live(&s);
    if (error)
        return error;
    xp_take(&s.hash, x->current);
    xp_take(&s.hash, x->failed);
    key[0] = s.hash.a | 1;
    key[1] = s.hash.b;
    return 0;
}
