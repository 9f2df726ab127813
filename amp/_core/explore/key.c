/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * key.c - when are two states the same? When nothing that can still happen tells them apart:
 *   - each CPU's program is where it was: its log, what it waits for, the values it holds and has not looked into;
 *   - the same writes can still be read, in the same coherence order, with the same values;
 *   - and whatever a later event will come after (a CPU's accesses so far, the readers of a write, a pending read) comes
 *     after the same of those writes, and of the reads that are still open.
 * A new pair in the order can only close a circle by way of a write that can still be read, or of an open read; so what
 * comes before those, among themselves, is all of the past that matters. Events are named by where they stand in this
 * list, never by when they were made. With levels each event has two nodes, and a set of events both of each.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "graph_parts.h"
#include "explore.h"

#define MOST 256 /* writes and open reads that matter, in one state */

struct relevant {
    unsigned n;
    xp_event_id event[MOST];
    uint16_t rank[XP_EVENTS]; /* 1 + its place in `event`; 0: does not matter */
    struct xp_set mask;
};

static bool is_open(const struct xp_event *e)
{
    return e->kind == XP_READ && e->source[0] == XP_UNREAD;
}

static bool in_row(const uint64_t *row, unsigned node)
{
    return row[node >> 6] >> (node & 63) & 1;
}

/* What comes before a read, for each level. */
struct rows {
    const uint64_t *level[XP_LEVELS];
};

/* Is the write, as that CPU sees it, before the read? */
static bool is_behind(const struct xp_graph *g, unsigned cpu, const struct rows *rows, xp_event_id w)
{
    unsigned level = xp_between(g, cpu, g->event[w].cpu);

    return in_row(rows->level[level], xp_node(g, w, level));
}

static struct rows rows_of(const struct xp_graph *g, xp_event_id e)
{
    return (struct rows){{g->before[xp_node(g, e, 0)], g->before[xp_node(g, e, g->levels - 1u)]}};
}

/* The oldest write of the cell that a read of `cpu`, after everything in `rows`, may return. */
static unsigned oldest_for(const struct xp_graph *g, unsigned number, unsigned cpu, const struct rows *rows,
                           unsigned order)
{
    const struct xp_cell *cell = &g->cell[number];
    unsigned oldest = 0;

    for (unsigned x = 1; x < g->events; x++) {
        const struct xp_event *e = &g->event[x];

        if (e->cpu != cpu || e->order >= order)
            continue;
        for (unsigned i = 0; i < e->cells; i++)
            if (e->cell[i] == number && !xp_rings(e) && (e->kind != XP_READ || e->source[i] != XP_UNREAD)) {
                unsigned p = xp_position(g, number, e->kind == XP_READ ? e->source[i] : (xp_event_id)x);

                oldest = p > oldest ? p : oldest;
            }
    }
    for (unsigned p = cell->writes - 1u; p > oldest; p--)
        if (is_behind(g, cpu, rows, cell->co[p]) &&
            (!xp_rings(&g->event[cell->co[p]]) || g->event[cell->co[p]].cpu != cpu))
            return p;
    return oldest;
}

/* How many writes of the cell are older than what an access of that CPU, behind an open read, has read or written there:
 * the open read may return none but those. UINT16_MAX: there is no such access. */
static unsigned newest_for(const struct xp_graph *g, unsigned number, const struct xp_event *read)
{
    unsigned newest = UINT16_MAX;

    for (unsigned x = 1; x < g->events; x++) {
        const struct xp_event *e = &g->event[x];

        if (e->cpu != read->cpu || e->order <= read->order)
            continue;
        for (unsigned i = 0; i < e->cells; i++)
            if (e->cell[i] == number && (e->kind != XP_READ || e->source[i] != XP_UNREAD)) {
                bool is_read = e->kind == XP_READ;
                unsigned p = xp_position(g, number, is_read ? e->source[i] : (xp_event_id)x) + is_read;

                newest = p < newest ? p : newest;
            }
    }
    return newest;
}

static void close_set(const struct xp_graph *g, const struct xp_set *set, uint64_t *row)
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

static bool add_relevant(const struct xp_graph *g, struct relevant *r, xp_event_id e)
{
    if (r->n == MOST)
        return false;
    r->event[r->n++] = e;
    r->rank[e] = (uint16_t)r->n;
    for (unsigned level = 0; level < g->levels; level++)
        xp_put(&r->mask, xp_node(g, e, level));
    return true;
}

static unsigned rank_of(const struct xp_graph *g, const struct relevant *r, unsigned node)
{
    return g->levels == 1 ? r->rank[node] : 2u * r->rank[node / 2] + node % 2;
}

struct hash {
    uint64_t a, b;
};

static void take(struct hash *h, uint64_t value)
{
    h->a = xp_mix(h->a, value);
    h->b = xp_mix(h->b ^ UINT64_C(0x94d049bb133111eb), value + UINT64_C(0x2545f4914f6cdd1d));
}

/* What of the relevant is in `row`. */
static void take_row(struct hash *h, const struct xp_graph *g, const struct relevant *r, const uint64_t *row)
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
    take(h, a);
    take(h, b);
}

/* Somebody who may still read: a CPU, by its next load, or an open read. What is in `row` comes before it anyway. */
struct reader {
    unsigned cpu, order;
    struct rows rows;
};

struct state {
    struct explorer *x;
    struct relevant relevant;
    struct hash hash;
    uint64_t reads[AMP_CPUS][XP_LEVELS][XP_WORDS]; /* before a CPU's next load, at each level */
    uint64_t writes[AMP_CPUS][XP_WORDS];           /* before its next store, at the first */
    uint16_t first[XP_CELLS]; /* the oldest write that can still be read; the number of writes: nobody reads any more */
};

static bool has_cell(const struct xp_event *e, unsigned number)
{
    for (unsigned i = 0; i < e->cells; i++)
        if (e->cell[i] == number)
            return true;
    return false;
}

/* A new write may stand anywhere among those of others. */
static bool several_writers(const struct state *s, unsigned number)
{
    uint8_t writers = s->x->learned[number].writers;

    return (writers & (writers - 1)) != 0;
}

static unsigned readers_of(const struct state *s, unsigned number, struct reader list[XP_EVENTS])
{
    const struct xp_graph *g = &s->x->graph;
    unsigned n = 0;

    for (unsigned cpu = 0; cpu < g->cpus; cpu++)
        if (s->x->cpu[cpu].status != XP_ENDED && s->x->learned[number].readers >> cpu & 1)
            list[n++] = (struct reader){cpu, UINT16_MAX, {{s->reads[cpu][0], s->reads[cpu][g->levels - 1]}}};
    for (unsigned e = 1; e < g->events; e++)
        if (is_open(&g->event[e]) && has_cell(&g->event[e], number))
            list[n++] = (struct reader){g->event[e].cpu, g->event[e].order, rows_of(g, (xp_event_id)e)};
    return n;
}

/* Which writes of a cell matter: those that a reader may return, and that are not before it already. */
static bool find_relevant(struct state *s, unsigned number)
{
    const struct xp_graph *g = &s->x->graph;
    const struct xp_cell *cell = &g->cell[number];
    struct reader reader[XP_EVENTS];
    unsigned n = readers_of(s, number, reader), oldest[XP_EVENTS];

    s->first[number] = several_writers(s, number) ? 0 : cell->writes;
    for (unsigned i = 0; i < n; i++) {
        oldest[i] = oldest_for(g, number, reader[i].cpu, &reader[i].rows, reader[i].order);
        if (oldest[i] < s->first[number])
            s->first[number] = (uint16_t)oldest[i];
    }
    for (unsigned p = s->first[number]; p < cell->writes; p++) {
        bool matters = several_writers(s, number) || g->levels > 1;

        for (unsigned i = 0; i < n && !matters; i++)
            matters = p >= oldest[i] && !is_behind(g, reader[i].cpu, &reader[i].rows, cell->co[p]) &&
                      (g->event[cell->co[p]].cpu != reader[i].cpu || g->event[cell->co[p]].kind == XP_DOORBELL);
        if (cell->co[p] != XP_INITIAL && matters && !add_relevant(g, &s->relevant, cell->co[p]))
            return false;
    }
    return true;
}

/* Nodes: `set` without what is in `known` anyway. */
static void take_new(struct state *s, const struct xp_set *set, const uint64_t *known)
{
    const struct xp_graph *g = &s->x->graph;
    uint64_t row[XP_WORDS];

    close_set(g, set, row);
    for (unsigned i = 0; known && i < g->words; i++)
        row[i] &= ~known[i];
    take_row(&s->hash, g, &s->relevant, row);
}

/* The nodes of events, at one level or (level is g->levels) at all. */
static struct xp_set nodes_of(const struct xp_graph *g, const struct xp_set *events, unsigned level)
{
    struct xp_set nodes = {{0}};

    if (g->levels == 1)
        return *events;
    for (unsigned e = 1; e < g->events; e++)
        for (unsigned each = 0; xp_has(events, e) && each < g->levels; each++)
            if (level == g->levels || level == each)
                xp_put(&nodes, xp_node(g, (xp_event_id)e, each));
    return nodes;
}

/* Of events that something waits for at both levels, and of events that each level has by itself. */
static void take_events(struct state *s, const struct xp_set *events)
{
    struct xp_set nodes = nodes_of(&s->x->graph, events, s->x->graph.levels);

    take_new(s, &nodes, NULL);
}

static void take_each_level(struct state *s, const struct xp_set *events, const uint64_t *known)
{
    for (unsigned level = 0; level < s->x->graph.levels; level++) {
        struct xp_set nodes = nodes_of(&s->x->graph, events, level);

        take_new(s, &nodes, known);
    }
}

/* What a new write of the cell comes after: the last write, who read it, and its own CPU's earlier reads. */
static void take_past(struct state *s, unsigned number, unsigned position)
{
    const struct xp_graph *g = &s->x->graph;
    const struct xp_cell *cell = &g->cell[number];
    uint8_t writers = s->x->learned[number].writers;
    const uint64_t *known =
        several_writers(s, number) || g->levels > 1 ? NULL : s->writes[__builtin_ctz(writers | 1u << AMP_CPUS)];
    struct xp_set past = {{0}};

    if (cell->co[position] != XP_INITIAL)
        xp_put(&past, cell->co[position]);
    for (unsigned e = 1; e < g->events; e++)
        for (unsigned i = 0; g->event[e].kind == XP_READ && i < g->event[e].cells; i++)
            if (g->event[e].cell[i] == number &&
                (g->event[e].source[i] == cell->co[position] || writers >> g->event[e].cpu & 1))
                xp_put(&past, e);
    take_each_level(s, &past, known);
}

static void take_write(struct state *s, unsigned number, unsigned position)
{
    const struct xp_graph *g = &s->x->graph;
    xp_event_id w = g->cell[number].co[position];
    const struct xp_event *e = &g->event[w];
    struct reader reader[XP_EVENTS];
    unsigned n = several_writers(s, number) ? 0 : readers_of(s, number, reader);
    uint64_t row[XP_WORDS], known;

    take(&s->hash, e->value ^ (uint64_t)e->cpu << 56 ^ (uint64_t)e->kind << 60);
    take(&s->hash, s->relevant.rank[w]);
    for (unsigned cpu = 0; cpu < g->cpus; cpu++)
        if (s->x->cpu[cpu].mark)
            take(&s->hash, w >= s->x->cpu[cpu].mark);
    if (e->atomic) {
        bool adjacent = position && g->event[e->partner].source[0] == g->cell[number].co[position - 1];

        take(&s->hash, is_open(&g->event[e->partner]) ? s->relevant.rank[e->partner] + 1u : adjacent);
    }
    for (unsigned level = 0; g->levels > 1 && level < g->levels; level++)
        take_row(&s->hash, g, &s->relevant, g->before[xp_node(g, w, level)]);
    if (g->levels == 1 && s->relevant.rank[w]) {
        for (unsigned i = 0; i < g->words; i++) {
            known = n ? UINT64_MAX : 0;
            for (unsigned r = 0; r < n; r++)
                known &= reader[r].rows.level[0][i];
            row[i] = g->before[w][i] & ~known;
        }
        take_row(&s->hash, g, &s->relevant, row);
    }
    if (s->x->learned[number].readers >> e->cpu & 1) { /* its own CPU may read it from its store buffer */
        take_each_level(s, &g->depends[w], NULL);
        if (e->picked)
            take_each_level(s, &g->picks[w], NULL);
    }
}

static bool somebody_writes(const struct state *s, unsigned number)
{
    for (unsigned cpu = 0; cpu < s->x->graph.cpus; cpu++)
        if (s->x->cpu[cpu].status != XP_ENDED && s->x->learned[number].writers >> cpu & 1)
            return true;
    return false;
}

static void take_cell(struct state *s, unsigned number)
{
    const struct xp_cell *cell = &s->x->graph.cell[number];
    bool written = somebody_writes(s, number);

    take(&s->hash, number);
    take(&s->hash, cell->writes - s->first[number]);
    for (unsigned p = s->first[number]; p < cell->writes; p++) {
        take(&s->hash, cell->co[p] == XP_INITIAL);
        if (cell->co[p] != XP_INITIAL)
            take_write(s, number, p);
        if (written && several_writers(s, number))
            take_past(s, number, p);
    }
    if (written && !several_writers(s, number))
        take_past(s, number, cell->writes - 1u);
}

/* Whose writes come after a promised read: only those, and what reads them, can keep the promise. */
static void take_followers(struct state *s, xp_event_id r)
{
    const struct xp_graph *g = &s->x->graph;
    bool after[AMP_CPUS] = {false};

    for (unsigned x = 1; x < g->events; x++)
        after[g->event[x].cpu] |= x == r || xp_has(&g->porf[x], r);
    for (unsigned cpu = 0; cpu < g->cpus; cpu++)
        take(&s->hash, after[cpu]);
    for (unsigned i = 0; i < s->relevant.n; i++)
        take(&s->hash, xp_has(&g->porf[s->relevant.event[i]], r));
}

static void take_open(struct state *s, xp_event_id e)
{
    const struct xp_graph *g = &s->x->graph;
    const struct xp_event *read = &g->event[e];
    struct rows rows = rows_of(g, e);

    take(&s->hash, (uint64_t)read->cpu << 32 | (uint64_t)read->promised << 40 | (uint64_t)read->atomic << 41);
    take(&s->hash, read->promised ? read->value : 0);
    if (read->promised)
        take_followers(s, e);
    for (unsigned level = 0; level < g->levels; level++)
        take_row(&s->hash, g, &s->relevant, rows.level[level]);
    for (unsigned i = 0; i < read->cells; i++) {
        unsigned cell = read->cell[i], oldest = oldest_for(g, cell, read->cpu, &rows, read->order);
        unsigned newest = newest_for(g, cell, read);

        take(&s->hash, cell);
        take(&s->hash, oldest > s->first[cell] ? oldest - s->first[cell] : 0);
        take(&s->hash, newest == UINT16_MAX ? newest : newest - s->first[cell]);
    }
}

/* Where a write stands, of those that can still be read; older ones are all the same. */
static unsigned since_first(const struct state *s, unsigned cell, unsigned position)
{
    return position > s->first[cell] ? position - s->first[cell] : 0;
}

/* What the next look repeats. */
static void take_forced(struct state *s, const struct xp_cpu *cpu)
{
    const struct xp_graph *g = &s->x->graph;

    take(&s->hash, cpu->forced);
    for (unsigned r = 0; r < cpu->forced; r++) {
        const struct xp_seen *seen = &cpu->seen[r];

        take(&s->hash, seen->promised ? seen->value : 0);
        for (unsigned i = 0; i < seen->cells; i++) {
            take(&s->hash, (uint64_t)seen->cell[i] << 8 | seen->promised);
            if (!seen->promised)
                take(&s->hash, since_first(s, seen->cell[i], xp_position(g, seen->cell[i], seen->source[i])));
        }
    }
}

/* With levels: what a barrier would carry along, of the stores of siblings that this CPU has read; and what it will. */
static void take_carried(struct state *s, unsigned number)
{
    const struct xp_graph *g = &s->x->graph;
    const struct xp_graph_cpu *cpu = &g->cpu[number];
    struct xp_set carried[XP_LEVELS] = {{{0}}};

    for (unsigned r = 1; r < g->events; r++) {
        const struct xp_event *read = &g->event[r];

        if (read->kind != XP_READ || read->cpu != number)
            continue;
        if (!is_open(read))
            for (unsigned i = 0; i < read->cells; i++)
                xp_put_carried(g, carried, number, read->source[i], XP_WRITE);
        else
            for (unsigned kind = 0; kind < XP_KINDS; kind++)
                take(&s->hash, (uint64_t)s->relevant.rank[r] << 1 | xp_has(&cpu->carry[kind], r));
    }
    take_new(s, &carried[1], NULL);
}

static void take_cpu(struct state *s, unsigned number)
{
    static const uint64_t none[XP_WORDS];
    static const struct rows nothing = {{none, none}};
    const struct xp_cpu *state = &s->x->cpu[number];
    const struct xp_graph *g = &s->x->graph;
    const struct xp_graph_cpu *cpu = &g->cpu[number];

    take(&s->hash, state->status);
    if (state->status == XP_ENDED)
        return;
    take(&s->hash, state->log);
    take(&s->hash, (uint64_t)state->made << 32 | (uint64_t)state->voluntary << 8 | (uint64_t)state->wake << 9 |
                       (uint64_t)state->in_look << 10 | (uint64_t)(state->mark != 0) << 11 |
                       (uint64_t)state->waits << 12);
    if (state->status == XP_POLLING && !state->voluntary)
        take(&s->hash, xp_saw_newest(s->x, number));
    for (unsigned i = 0; state->status != XP_RUNNING && i < state->wakes; i++)
        take(&s->hash, state->wake_cell[i]);
    take_forced(s, state);
    take(&s->hash, s->relevant.rank[state->pending]);
    /* The doorbells that are there and have not been taken: those behind this one. */
    if (state->taken) {
        unsigned taken = xp_position(g, number, state->taken);

        take(&s->hash, taken >= s->first[number] ? taken - s->first[number] + 1u : 0);
    }
    for (unsigned kind = 0; kind < XP_KINDS; kind++) {
        for (unsigned level = 0; level < g->levels; level++)
            take_new(s, &cpu->must[kind][level], NULL);
        take_each_level(s, &cpu->all[kind], NULL);
    }
    if (s->x->reads_status)
        take_new(s, &cpu->must_status, NULL);
    take_events(s, &cpu->control);
    take_events(s, &cpu->instruction);
    take_events(s, &cpu->releases);
    if (g->levels > 1)
        take_carried(s, number);
    if (cpu->any_unseen)
        take_events(s, &cpu->unseen);
    /* It reads nothing older than what it has read or written of the writes that can still be read. */
    for (unsigned cell = 0; cell < g->cells; cell++)
        if (g->cell[cell].writes > 1 && s->x->learned[cell].readers >> number & 1) {
            unsigned oldest = oldest_for(g, cell, number, &nothing, UINT16_MAX);

            take(&s->hash, oldest > s->first[cell] ? oldest - s->first[cell] : 0);
        }
}

static int take_live(struct state *s)
{
    struct xp_live live[XP_LIVE];
    unsigned n = s->x->live ? s->x->live(s->x, live, XP_LIVE) : 0;

    if (n > XP_LIVE)
        return -E2BIG;
    for (unsigned i = 0; i < n; i++) {
        take(&s->hash, live[i].what);
        take(&s->hash, live[i].cpu);
        take_events(s, live[i].depends);
    }
    return 0;
}

int xp_key(struct explorer *x, uint64_t key[2])
{
    const struct xp_graph *g = &x->graph;
    struct state s = {.x = x, .hash = {1, 2}};
    unsigned cells = 0;
    int error;

    for (unsigned cpu = 0; cpu < g->cpus; cpu++) {
        for (unsigned level = 0; level < g->levels; level++)
            close_set(g, &g->cpu[cpu].must[XP_READ][level], s.reads[cpu][level]);
        close_set(g, &g->cpu[cpu].must[XP_WRITE][0], s.writes[cpu]);
    }
    for (unsigned cell = 0; cell < g->cells; cell++)
        if (g->cell[cell].writes > 1 && !find_relevant(&s, cell))
            return -E2BIG;
    for (unsigned cpu = 0; cpu < g->cpus; cpu++)
        for (unsigned e = 1; e < g->events; e++)
            if (g->event[e].cpu == cpu && is_open(&g->event[e]) &&
                !add_relevant(g, &s.relevant, (xp_event_id)e))
                return -E2BIG;
    for (unsigned cell = 0; cell < g->cells; cell++)
        if (g->cell[cell].writes > 1) {
            take_cell(&s, cell);
            cells++;
        } else if (somebody_writes(&s, cell)) { /* who has read what was there at the start comes before its first write */
            take(&s.hash, cell);
            take_past(&s, cell, 0);
        }
    take(&s.hash, cells);
    for (unsigned i = 0; i < s.relevant.n; i++)
        if (is_open(&g->event[s.relevant.event[i]]))
            take_open(&s, s.relevant.event[i]);
    for (unsigned cpu = 0; cpu < g->cpus; cpu++)
        take_cpu(&s, cpu);
    error = take_live(&s);
    if (error)
        return error;
    take(&s.hash, x->current);
    take(&s.hash, x->failed);
    key[0] = s.hash.a | 1;
    key[1] = s.hash.b;
    return 0;
}

static struct xp_state *slot(struct xp_state *table, uint64_t room, const uint64_t key[2])
{
    uint64_t at = key[1] & (room - 1);

    while (table[at].key[0] && (table[at].key[0] != key[0] || table[at].key[1] != key[1]))
        at = (at + 1) & (room - 1);
    return &table[at];
}

struct xp_state *xp_find_state(struct explorer *x, const uint64_t key[2])
{
    struct xp_state *found = x->visited_room ? slot(x->visited, x->visited_room, key) : NULL;

    return found && found->key[0] ? found : NULL;
}

static int grow(struct explorer *x)
{
    uint64_t room = x->visited_room ? 2 * x->visited_room : 1024;
    struct xp_state *table = calloc(room, sizeof *table);

    if (!table)
        return -ENOMEM;
    for (uint64_t i = 0; i < x->visited_room; i++)
        if (x->visited[i].key[0])
            *slot(table, room, x->visited[i].key) = x->visited[i];
    free(x->visited);
    x->visited = table;
    x->visited_room = room;
    return 0;
}

int xp_add_state(struct explorer *x, const uint64_t key[2])
{
    struct xp_state *place;

    if (2 * x->states >= x->visited_room && grow(x))
        return -ENOMEM;
    place = slot(x->visited, x->visited_room, key);
    *place = (struct xp_state){.key = {key[0], key[1]}};
    x->states++;
    return 0;
}

void xp_forget_states(struct explorer *x)
{
    free(x->visited);
    x->visited = NULL;
    x->visited_room = x->states = 0;
}
