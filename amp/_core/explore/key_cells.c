/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * key_cells.c - what of a cell is in a state's key: its writes that can still be read, and what a new one comes after.
 */
#include "key_parts.h"

/* Reads that a new write behind `w` comes after: those that return `w`, and those of the CPUs that write the cell. */
static void put_past_reads(const struct xp_key_state *s, unsigned number, xp_event_id w, struct xp_set *past)
{
    const struct xp_graph *g = &s->x->graph;
    uint8_t writers = s->x->learned[number].writers;

    for (unsigned e = 1; e < g->events; e++)
        for (unsigned i = 0; g->event[e].kind == XP_READ && i < g->event[e].cells; i++)
            if (g->event[e].cell[i] == number && (g->event[e].source[i] == w || writers >> g->event[e].cpu & 1))
                xp_put(past, e);
}

/* With observers: each sees the new write behind what it has read, and behind `w`. */
static void take_past_of_each(struct xp_key_state *s, xp_event_id w, const struct xp_set *reads)
{
    const struct xp_graph *g = &s->x->graph;

    for (unsigned level = 0; level < g->levels; level++) {
        struct xp_set made = {{0}};

        if (w != XP_INITIAL)
            xp_put(&made, xp_node(g, w, level));
        xp_take_new(s, &made, NULL);
        for (unsigned cpu = 0; cpu < g->cpus; cpu++) {
            struct xp_set past = {{0}};

            if (w != XP_INITIAL)
                xp_put(&past, xp_seen(g, w, cpu));
            for (unsigned e = 1; e < g->events; e++) {
                const struct xp_event *read = &g->event[e];

                if (read->cpu != cpu || !xp_has(reads, e))
                    continue;
                xp_put(&past, xp_node(g, (xp_event_id)e, level));
                for (unsigned i = 0; i < read->cells; i++)
                    if (read->source[i] != XP_INITIAL && read->source[i] != XP_UNREAD)
                        xp_put(&past, xp_node(g, read->source[i], g->levels - 1));
            }
            xp_take_new(s, &past, NULL);
        }
    }
}

/* What a new write of the cell comes after: the last write, who read it, and its own CPU's earlier reads. */
void xp_take_past(struct xp_key_state *s, unsigned number, unsigned position)
{
    const struct xp_graph *g = &s->x->graph;
    xp_event_id last = g->cell[number].co[position];
    uint8_t writers = s->x->learned[number].writers;
    const uint64_t *known =
        xp_several_writers(s, number) || g->levels > 1 ? NULL : s->writes[__builtin_ctz(writers | 1u << AMP_CPUS)];
    struct xp_set past = {{0}};

    put_past_reads(s, number, last, &past);
    if (xp_has_observers(g)) {
        take_past_of_each(s, last, &past);
        return;
    }
    if (last != XP_INITIAL)
        xp_put(&past, last);
    xp_take_each_level(s, &past, known);
}

/* What comes before each of its nodes. */
void xp_take_rows(struct xp_key_state *s, xp_event_id e)
{
    const struct xp_graph *g = &s->x->graph;

    for (unsigned level = 0; level < xp_nodes_of(g, e); level++)
        xp_take_row(&s->hash, g, &s->relevant, g->before[xp_node(g, e, level)]);
}

static void take_write(struct xp_key_state *s, unsigned number, unsigned position)
{
    const struct xp_graph *g = &s->x->graph;
    xp_event_id w = g->cell[number].co[position];
    const struct xp_event *e = &g->event[w];
    struct xp_key_reader reader[XP_EVENTS];
    unsigned n = xp_several_writers(s, number) ? 0 : xp_readers_of(s, number, reader);
    uint64_t row[XP_WORDS], known;

    xp_take(&s->hash, e->value ^ (uint64_t)e->cpu << 56 ^ (uint64_t)e->kind << 60);
    xp_take(&s->hash, s->relevant.rank[w]);
    for (unsigned cpu = 0; cpu < g->cpus; cpu++)
        if (s->x->cpu[cpu].mark)
            xp_take(&s->hash, w >= s->x->cpu[cpu].mark);
    if (e->atomic) {
        bool adjacent = position && g->event[e->partner].source[0] == g->cell[number].co[position - 1];

        xp_take(&s->hash, xp_is_open(&g->event[e->partner]) ? s->relevant.rank[e->partner] + 1u : adjacent);
    }
    if (g->nodes > 1)
        xp_take_rows(s, w);
    if (g->nodes == 1 && s->relevant.rank[w]) {
        for (unsigned i = 0; i < g->words; i++) {
            known = n ? UINT64_MAX : 0;
            for (unsigned r = 0; r < n; r++)
                known &= reader[r].rows.level[0][i];
            row[i] = g->before[w][i] & ~known;
        }
        xp_take_row(&s->hash, g, &s->relevant, row);
    }
    if (s->x->learned[number].readers >> e->cpu & 1) { /* its own CPU may read it from its store buffer */
        xp_take_each_level(s, &g->depends[w], NULL);
        if (e->picked)
            xp_take_each_level(s, &g->picks[w], NULL);
    }
}

bool xp_somebody_writes(const struct xp_key_state *s, unsigned number)
{
    for (unsigned cpu = 0; cpu < s->x->graph.cpus; cpu++)
        if (s->x->cpu[cpu].status != XP_ENDED && s->x->learned[number].writers >> cpu & 1)
            return true;
    return false;
}

void xp_take_cell(struct xp_key_state *s, unsigned number)
{
    const struct xp_cell *cell = &s->x->graph.cell[number];
    bool written = xp_somebody_writes(s, number);

    xp_take(&s->hash, number);
    xp_take(&s->hash, cell->writes - s->first[number]);
    for (unsigned p = s->first[number]; p < cell->writes; p++) {
        xp_take(&s->hash, cell->co[p] == XP_INITIAL);
        if (cell->co[p] != XP_INITIAL)
            take_write(s, number, p);
        if (written && xp_several_writers(s, number))
            xp_take_past(s, number, p);
    }
    if (written && !xp_several_writers(s, number))
        xp_take_past(s, number, cell->writes - 1u);
}
