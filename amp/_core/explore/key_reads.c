/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * key_reads.c - who may still read which writes: only those matter in a state's key.
 */
#include "key_parts.h"

static bool in_row(const uint64_t *row, unsigned node)
{
    return row[node >> 6] >> (node & 63) & 1;
}

/* Is the write, as that CPU sees it, before the read? */
bool xp_is_behind(const struct xp_graph *g, unsigned cpu, const struct xp_key_rows *rows, xp_event_id w)
{
    return in_row(rows->level[xp_between(g, cpu, g->event[w].cpu)], xp_seen(g, w, cpu));
}

struct xp_key_rows xp_rows_of(const struct xp_graph *g, xp_event_id e)
{
    return (struct xp_key_rows){{g->before[xp_node(g, e, 0)], g->before[xp_node(g, e, g->levels - 1u)]}};
}

/* Which write the event has read or written of cell number `i` of its cells; 0 also if none, or if it rings a doorbell. */
static unsigned come_by(const struct xp_graph *g, xp_event_id x, unsigned i)
{
    const struct xp_event *e = &g->event[x];

    if (xp_rings(e) || (e->kind == XP_READ && e->source[i] == XP_UNREAD))
        return 0;
    return xp_position(g, e->cell[i], e->kind == XP_READ ? e->source[i] : x);
}

/* The open reads, and how far each CPU has come in each cell. */
void xp_find_accesses(struct xp_key_state *s)
{
    const struct xp_graph *g = &s->x->graph;

    for (unsigned cpu = 0; cpu < g->cpus; cpu++)
        for (unsigned x = 1; x < g->events; x++) {
            const struct xp_event *e = &g->event[x];

            if (e->cpu != cpu)
                continue;
            if (xp_is_open(e))
                s->open[s->opens++] = (xp_event_id)x;
            for (unsigned i = 0; i < e->cells; i++) {
                unsigned p = come_by(g, (xp_event_id)x, i);

                if (p > s->come[cpu][e->cell[i]])
                    s->come[cpu][e->cell[i]] = (uint16_t)p;
            }
        }
}

/* How far a CPU has come in a cell before its event of that order. */
static unsigned come_before(const struct xp_graph *g, unsigned number, unsigned cpu, unsigned order)
{
    unsigned come = 0;

    for (unsigned x = 1; x < g->events; x++) {
        const struct xp_event *e = &g->event[x];

        for (unsigned i = 0; e->cpu == cpu && e->order < order && i < e->cells; i++)
            if (e->cell[i] == number && come_by(g, (xp_event_id)x, i) > come)
                come = come_by(g, (xp_event_id)x, i);
    }
    return come;
}

/* The oldest write of the cell that a read of `cpu`, after everything in `rows`, may return. */
unsigned xp_oldest_for(const struct xp_key_state *s, unsigned number, unsigned cpu, const struct xp_key_rows *rows,
                       unsigned order)
{
    const struct xp_graph *g = &s->x->graph;
    const struct xp_cell *cell = &g->cell[number];
    unsigned oldest = order == XP_NEXT ? s->come[cpu][number] : come_before(g, number, cpu, order);

    for (unsigned p = cell->writes - 1u; p > oldest; p--)
        if (xp_is_behind(g, cpu, rows, cell->co[p]) &&
            (!xp_rings(&g->event[cell->co[p]]) || g->event[cell->co[p]].cpu != cpu))
            return p;
    return oldest;
}

/* How many writes of the cell are older than what an access of that CPU, behind an open read, has read or written there:
 * the open read may return none but those. UINT16_MAX: there is no such access. */
unsigned xp_newest_for(const struct xp_graph *g, unsigned number, const struct xp_event *read)
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

bool xp_add_relevant(const struct xp_graph *g, struct xp_key_relevant *r, xp_event_id e)
{
    if (r->n == XP_KEY_MOST)
        return false;
    r->event[r->n++] = e;
    r->rank[e] = (uint16_t)r->n;
    for (unsigned level = 0; level < xp_nodes_of(g, e); level++)
        xp_put(&r->mask, xp_node(g, e, level));
    return true;
}

/* A new write may stand anywhere among those of others. */
bool xp_several_writers(const struct xp_key_state *s, unsigned number)
{
    uint8_t writers = s->x->learned[number].writers;

    return (writers & (writers - 1)) != 0;
}

unsigned xp_readers_of(const struct xp_key_state *s, unsigned number, struct xp_key_reader list[XP_EVENTS])
{
    const struct xp_graph *g = &s->x->graph;
    unsigned n = 0;

    for (unsigned cpu = 0; cpu < g->cpus; cpu++)
        if (s->x->cpu[cpu].status != XP_ENDED && s->x->learned[number].readers >> cpu & 1)
            list[n++] = (struct xp_key_reader){cpu, XP_NEXT, {{s->reads[cpu][0], s->reads[cpu][g->levels - 1]}}};
    for (unsigned i = 0; i < s->opens; i++) {
        const struct xp_event *read = &g->event[s->open[i]];

        if (xp_touches(read, number) >= 0)
            list[n++] = (struct xp_key_reader){read->cpu, read->order, xp_rows_of(g, s->open[i])};
    }
    return n;
}

/* Which writes of a cell matter: those that a reader may return, and that are not before it already. */
bool xp_find_relevant(struct xp_key_state *s, unsigned number)
{
    const struct xp_graph *g = &s->x->graph;
    const struct xp_cell *cell = &g->cell[number];
    struct xp_key_reader reader[XP_EVENTS];
    unsigned n = xp_readers_of(s, number, reader), oldest[XP_EVENTS];

    s->first[number] = xp_several_writers(s, number) ? 0 : cell->writes;
    for (unsigned i = 0; i < n; i++) {
        oldest[i] = xp_oldest_for(s, number, reader[i].cpu, &reader[i].rows, reader[i].order);
        if (oldest[i] < s->first[number])
            s->first[number] = (uint16_t)oldest[i];
    }
    for (unsigned p = s->first[number]; p < cell->writes; p++) {
        bool matters = xp_several_writers(s, number) || g->nodes > 1;

        for (unsigned i = 0; i < n && !matters; i++)
            matters = p >= oldest[i] && !xp_is_behind(g, reader[i].cpu, &reader[i].rows, cell->co[p]) &&
                      (g->event[cell->co[p]].cpu != reader[i].cpu || g->event[cell->co[p]].kind == XP_DOORBELL);
        if (cell->co[p] != XP_INITIAL && matters && !xp_add_relevant(g, &s->relevant, cell->co[p]))
            return false;
    }
    return true;
}
