/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * relations.c - who read what, and in which order writes of a cell became visible: what of it is possible, and what it puts
 * before what.
 */
#include "graph_parts.h"

#include <assert.h>
#include <string.h>

/* Coherence: no read of a CPU is older than what it read or wrote there before, nor newer than what it does after. */
static bool coherent(const struct xp_graph *g, xp_event_id r, unsigned cell, unsigned position)
{
    const struct xp_event *read = &g->event[r];

    if (g->faults & XP_NO_COHERENCE)
        return true;
    for (unsigned x = 1; x < g->events; x++) {
        const struct xp_event *other = &g->event[x];
        int i;

        if (x == r || other->cpu != read->cpu || (i = xp_touches(other, cell)) < 0)
            continue;
        if (other->kind == XP_READ) {
            unsigned theirs;

            if (other->source[i] == XP_UNREAD)
                continue;
            theirs = xp_position(g, cell, other->source[i]);
            if (other->order < read->order ? position < theirs : position > theirs)
                return false;
        } else {
            unsigned theirs = xp_position(g, cell, (xp_event_id)x);

            /* A CPU may take an interrupt while one that it rang itself later is still on its way. */
            if (other->order < read->order ? position < theirs && !xp_rings(other) : position >= theirs)
                return false;
        }
    }
    return true;
}

/* Is co[position + 1] the write of an atomic that read co[position]? Nothing comes between the two. */
static bool taken_by_atomic(const struct xp_graph *g, unsigned cell, unsigned position)
{
    const struct xp_cell *c = &g->cell[cell];
    const struct xp_event *next;
    int i;

    if (position + 1u >= c->writes)
        return false;
    next = &g->event[c->co[position + 1]];
    if (!next->atomic)
        return false;
    i = xp_touches(&g->event[next->partner], cell);
    return i >= 0 && g->event[next->partner].source[i] == c->co[position];
}

bool xp_taken(const struct xp_graph *g, xp_event_id r)
{
    const struct xp_event *read = &g->event[r];

    for (unsigned i = 0; i < read->cells; i++)
        if (taken_by_atomic(g, read->cell[i], xp_position(g, read->cell[i], read->source[i])))
            return true;
    return false;
}

static bool external(const struct xp_graph *g, xp_event_id a, xp_event_id b)
{
    return a != XP_INITIAL && b != XP_INITIAL && g->event[a].cpu != g->event[b].cpu;
}

xp_event_id xp_own_source(const struct xp_graph *g, xp_event_id r, unsigned cell)
{
    xp_event_id w = g->event[r].source[cell];

    return w != XP_INITIAL && w != XP_UNREAD && g->event[w].cpu == g->event[r].cpu ? w : 0;
}

bool xp_waits_in_part(const struct xp_graph *g, xp_event_id r)
{
    const struct xp_event *read = &g->event[r];
    bool waits = false, differs = false;

    for (unsigned i = 0; i < read->cells; i++) {
        xp_event_id w = xp_own_source(g, r, i);

        waits |= w && (g->event[w].atomic || !xp_is_empty(&g->depends[w]));
        differs |= read->source[i] != read->source[0];
    }
    return waits && differs;
}

/* Does the read come after the write because it returns it? What a CPU reads of its own stores is forwarded to it; its own
 * doorbell has to arrive. */
static bool arrives(const struct xp_graph *g, xp_event_id r, xp_event_id w)
{
    return external(g, r, w) || (w != XP_INITIAL && g->event[w].kind == XP_DOORBELL);
}

/* Is `x` an earlier read of the same CPU that shares bytes with `r`? */
static bool is_hazard(const struct xp_graph *g, unsigned x, xp_event_id r)
{
    const struct xp_event *earlier = &g->event[x], *read = &g->event[r];

    if (x == r || earlier->kind != XP_READ || earlier->cpu != read->cpu || earlier->order > read->order)
        return false;
    for (unsigned i = 0; i < read->cells; i++)
        if (xp_touches(earlier, read->cell[i]) >= 0)
            return true;
    return false;
}

/* Arm's Exp-haz-ob: `r` has missed the write `w` of another CPU. Of reads as wide as `r` it follows from coherence. */
static int precede_missed(struct xp_graph *g, xp_event_id r, xp_event_id w, unsigned level)
{
    unsigned seen = xp_seen(g, w, g->event[r].cpu);

    if (xp_precede(g, xp_node(g, r, level), seen))
        return -1;
    for (unsigned x = 1; g->hazards && g->event[r].cells > 1 && x < g->events; x++)
        if (is_hazard(g, x, r) && xp_precede(g, xp_node(g, (xp_event_id)x, level), seen))
            return -1;
    return 0;
}

static bool is_missed_too_late(const struct xp_graph *g, xp_event_id r, xp_event_id w, unsigned level)
{
    for (unsigned x = 1; g->hazards && g->event[r].cells > 1 && x < g->events; x++)
        if (is_hazard(g, x, r) && xp_is_before(g, xp_seen(g, w, g->event[r].cpu), xp_node(g, (xp_event_id)x, level)))
            return true;
    return false;
}

bool xp_may_read(const struct xp_graph *g, xp_event_id r, const xp_event_id *sources)
{
    const struct xp_event *read = &g->event[r];
    uint64_t row[XP_LEVELS][XP_WORDS];

    for (unsigned level = 0; level < g->levels; level++)
        memcpy(row[level], g->before[xp_node(g, r, level)], sizeof row[level]);
    for (unsigned i = 0; i < read->cells; i++) {
        unsigned level, made, seen;

        if (!arrives(g, r, sources[i]))
            continue;
        level = xp_between(g, read->cpu, g->event[sources[i]].cpu);
        made = xp_node(g, sources[i], level);
        seen = xp_seen(g, sources[i], read->cpu);
        if (xp_is_before(g, xp_node(g, r, level), made) || xp_is_before(g, xp_node(g, r, level), seen))
            return false;
        xp_unite_row(g, row[level], made);
        if (seen != made)
            xp_unite_row(g, row[level], seen);
    }
    for (unsigned i = 0; i < read->cells; i++) {
        const struct xp_cell *cell = &g->cell[read->cell[i]];
        unsigned position = xp_position(g, read->cell[i], sources[i]);

        if (!coherent(g, r, read->cell[i], position))
            return false;
        for (unsigned p = position + 1u; p < cell->writes; p++) {
            xp_event_id w = cell->co[p];
            unsigned level = xp_between(g, read->cpu, g->event[w].cpu), node = xp_seen(g, w, read->cpu);

            if (external(g, r, w) && (row[level][node >> 6] >> (node & 63) & 1 || is_missed_too_late(g, r, w, level)))
                return false;
        }
    }
    return true;
}

/* What a CPU reads of its own write comes after what that write's address and data came from. */
static int forward(struct xp_graph *g, xp_event_id r, xp_event_id w)
{
    for (unsigned x = 1; x < g->events; x++)
        if (xp_has(&g->depends[w], x))
            for (unsigned level = 0; level < g->levels; level++)
                if (xp_precede(g, xp_node(g, (xp_event_id)x, level), xp_node(g, r, level)))
                    return -1;
    return 0;
}

/* What a barrier carries along of what `r` returns, before what stands behind it already. */
static int precede_carried(struct xp_graph *g, xp_event_id r, xp_event_id w, xp_event_id behind, enum xp_reach reach)
{
    struct xp_set before[XP_LEVELS] = {{{0}}};
    unsigned first = xp_node(g, w, 0);

    xp_put_carried(g, before, g->event[r].cpu, w, (enum xp_kind)g->event[behind].kind, reach);
    for (unsigned level = g->levels; level-- > 0;)
        for (unsigned node = first; node < first + g->nodes; node++)
            if (xp_has(&before[level], node) && xp_precede(g, node, xp_node(g, behind, level)))
                return -1;
    return 0;
}

/* Where barriers put `r` before what comes after, they put what it read there, too: a late read's before what is there. */
static int carry_along(struct xp_graph *g, xp_event_id r, xp_event_id w)
{
    struct xp_graph_cpu *state = &g->cpu[g->event[r].cpu];

    for (unsigned kind = 0; kind < XP_LATER; kind++)
        for (unsigned reach = 0; reach < XP_REACHES; reach++)
            if (xp_has(&state->carry[kind][reach], r))
                xp_put_carried(g, state->must[kind], g->event[r].cpu, w, kind, (enum xp_reach)reach);
    for (unsigned x = r + 1u; x < g->events; x++)
        for (unsigned reach = 0; reach < XP_REACHES; reach++)
            if (xp_has(&g->carried[x][reach], r) && precede_carried(g, r, w, (xp_event_id)x, (enum xp_reach)reach))
                return -1;
    return 0;
}

/* What a late read has read is made before its CPU's writes there that stand behind it. */
static int precede_own(struct xp_graph *g, xp_event_id r, unsigned i, xp_event_id w)
{
    const struct xp_event *read = &g->event[r];

    for (unsigned x = r + 1u; x < g->events; x++)
        if (g->event[x].cpu == read->cpu && g->event[x].kind != XP_READ &&
            xp_comes_behind_read(g, (xp_event_id)x, read->cell[i], w) &&
            xp_precede(g, xp_node(g, w, 1), xp_node(g, (xp_event_id)x, 0)))
            return -1;
    return 0;
}

/* A read comes before the writes of others that stand behind what it read. */
static int precede_later(struct xp_graph *g, xp_event_id r, unsigned number, unsigned position)
{
    const struct xp_cell *cell = &g->cell[number];

    for (unsigned p = position + 1; p < cell->writes; p++) {
        xp_event_id later = cell->co[p];
        unsigned level = xp_between(g, g->event[r].cpu, g->event[later].cpu);

        if (!external(g, r, later))
            continue;
        if (precede_missed(g, r, later, level))
            return -1;
        if (g->levels == 1)
            break; /* it is before the others */
    }
    return 0;
}

static int read_cell(struct xp_graph *g, xp_event_id r, unsigned i, xp_event_id w)
{
    struct xp_event *read = &g->event[r];

    read->source[i] = w;
    if (arrives(g, r, w)) {
        unsigned level = xp_between(g, read->cpu, g->event[w].cpu);

        if (xp_precede(g, xp_node(g, w, level), xp_node(g, r, level)))
            return -1;
        if (xp_is_copied(g, w) && xp_precede(g, xp_seen(g, w, read->cpu), xp_node(g, r, level)))
            return -1;
        if ((xp_has_observers(g) || (g->levels == 2 && level == 0)) && carry_along(g, r, w))
            return -1;
        if (xp_has_observers(g) && precede_own(g, r, i, w))
            return -1;
    } else if (w != XP_INITIAL && forward(g, r, w)) {
        return -1;
    }
    if (w != XP_INITIAL) {
        xp_unite(&g->porf[r], &g->porf[w], g->words);
        xp_put(&g->porf[r], w);
        for (unsigned x = r + 1u; x < g->events; x++) /* a late read: what stands behind it knows now, too */
            if (xp_has(&g->porf[x], r))
                xp_unite(&g->porf[x], &g->porf[r], g->words);
    }
    return precede_later(g, r, read->cell[i], xp_position(g, read->cell[i], w));
}

int xp_read_from(struct xp_graph *g, xp_event_id r, const xp_event_id *sources)
{
    for (unsigned i = 0; i < g->event[r].cells; i++)
        if (read_cell(g, r, i, sources[i]))
            return -1;
    return 0;
}

/* --- coherence order ----------------------------------------------------------------------------------------------- */

bool xp_may_place(const struct xp_graph *g, xp_event_id w, unsigned i, unsigned position)
{
    unsigned number = g->event[w].cell[i];
    const struct xp_cell *cell = &g->cell[number];
    uint64_t row[XP_WORDS];
    xp_event_id next;

    if (cell->writes >= XP_COHERENCE || taken_by_atomic(g, number, position - 1))
        return false;
    for (unsigned x = 1; x < g->events; x++) {
        const struct xp_event *other = &g->event[x];
        unsigned theirs;
        int at;

        if (x == w || other->cpu != g->event[w].cpu || (at = xp_touches(other, number)) < 0)
            continue;
        if (other->kind == XP_READ && other->source[at] == XP_UNREAD)
            continue;
        theirs = xp_position(g, number, other->kind == XP_READ ? other->source[at] : (xp_event_id)x);
        if (other->order < g->event[w].order ? theirs >= position : theirs < position)
            return false;
    }
    if (position == cell->writes || g->nodes > 1)
        return true; /* with several nodes: xp_place says */
    next = cell->co[position];
    memcpy(row, g->before[w], sizeof row);
    if (cell->co[position - 1] != XP_INITIAL)
        xp_unite_row(g, row, cell->co[position - 1]);
    for (unsigned x = 1; x < g->events; x++) {
        int at = g->event[x].kind == XP_READ ? xp_touches(&g->event[x], number) : -1;

        if (at >= 0 && g->event[x].source[at] == cell->co[position - 1])
            xp_unite_row(g, row, x);
    }
    return !(row[next >> 6] >> (next & 63) & 1);
}

/* Whoever sees the later write sees no older one. Its writer's CPU has made the earlier one before it sees the later. */
static int precede_write_for_each(struct xp_graph *g, xp_event_id a, xp_event_id b)
{
    unsigned writer = g->event[a].cpu;

    for (unsigned i = 0; i < g->cpus; i++)
        if (xp_precede(g, xp_seen(g, a, i), xp_seen(g, b, i)))
            return -1;
    if (xp_between(g, writer, g->event[b].cpu) == 0)
        return 0;
    return xp_precede(g, xp_node(g, a, 1), xp_seen(g, b, writer)); /* it has left its domain before one comes in */
}

static int precede_write(struct xp_graph *g, xp_event_id a, xp_event_id b)
{
    bool near = xp_between(g, g->event[a].cpu, g->event[b].cpu) == 0;

    if (g->nodes == 1)
        return xp_precede(g, a, b);
    if (xp_has_observers(g))
        return precede_write_for_each(g, a, b);
    if (near && xp_precede(g, xp_node(g, a, 0), xp_node(g, b, 0)))
        return -1;
    if (!near && (xp_precede(g, xp_node(g, a, 0), xp_node(g, b, 1)) || xp_precede(g, xp_node(g, a, 1), xp_node(g, b, 0))))
        return -1;
    return xp_precede(g, xp_node(g, a, 1), xp_node(g, b, 1));
}

int xp_place(struct xp_graph *g, xp_event_id w, unsigned i, unsigned position)
{
    unsigned number = g->event[w].cell[i];
    struct xp_cell *cell = &g->cell[number];

    assert(position >= 1 && position <= cell->writes && cell->writes < XP_COHERENCE);
    memmove(&cell->co[position + 1], &cell->co[position], (cell->writes - position) * sizeof cell->co[0]);
    cell->co[position] = w;
    cell->writes++;
    for (unsigned p = g->levels == 1 ? position - 1u : 1; p < cell->writes; p++) {
        if (p == position || cell->co[p] == XP_INITIAL)
            continue;
        if (p < position ? precede_write(g, cell->co[p], w) : precede_write(g, w, cell->co[p]))
            return -1;
        if (g->levels == 1 && p > position)
            break;
    }
    for (unsigned x = 1; x < g->events; x++) {
        const struct xp_event *read = &g->event[x];
        int at = read->kind == XP_READ ? xp_touches(read, number) : -1;
        unsigned level = xp_between(g, read->cpu, g->event[w].cpu);

        if (at < 0 || read->source[at] == XP_UNREAD || !external(g, (xp_event_id)x, w))
            continue;
        if (xp_position(g, number, read->source[at]) < position && precede_missed(g, (xp_event_id)x, w, level))
            return -1;
    }
    return 0;
}

uint64_t xp_value_of(const struct xp_graph *g, xp_event_id r, const uint64_t *initial)
{
    const struct xp_event *read = &g->event[r];
    uint64_t value = 0;

    for (unsigned i = 0; i < read->cells; i++) {
        uint64_t bits = amp_bits(g->cell[read->cell[i]].mask), from;

        from = read->source[i] == XP_INITIAL ? (initial ? initial[read->cell[i]] : 0) : g->event[read->source[i]].value;
        value |= from & bits;
    }
    return value;
}
