/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * graph.c - what must come before what in one execution. `before` is kept closed: a row has everything before its node,
 * so whether a new pair would come round to itself is one bit.
 */
#include "graph.h"

#include <assert.h>
#include <string.h>

static void unite(struct xp_set *set, const struct xp_set *other, unsigned words)
{
    for (unsigned i = 0; i < words; i++)
        set->bit[i] |= other->bit[i];
}

static void unite_row(const struct xp_graph *g, uint64_t *row, unsigned node)
{
    for (unsigned i = 0; i < g->words; i++)
        row[i] |= g->before[node][i];
    row[node >> 6] |= UINT64_C(1) << (node & 63);
}

/* Everything in `nodes`, and what is before it, is before the new node. Newest first: the older are mostly among it. */
static void absorb(struct xp_graph *g, unsigned node, const struct xp_set *nodes)
{
    uint64_t *row = g->before[node];

    for (unsigned i = g->words; i-- > 0;) {
        uint64_t left = nodes->bit[i] & ~row[i];

        while (left) {
            unsigned top = 63 - (unsigned)__builtin_clzll(left);

            unite_row(g, row, 64 * i + top);
            left = nodes->bit[i] & ~row[i] & ((UINT64_C(1) << top) - 1);
        }
    }
}

static void absorb_events(struct xp_graph *g, unsigned node, const struct xp_set *events)
{
    if (g->levels == 1) {
        absorb(g, node, events);
        return;
    }
    for (unsigned e = 1; e < g->events; e++)
        if (xp_has(events, e))
            for (unsigned level = 0; level < g->levels; level++)
                unite_row(g, g->before[node], xp_node(g, (xp_event_id)e, level));
}

/* `a` before `b`: -1 if `b` is before `a` already. */
static int precede(struct xp_graph *g, unsigned a, unsigned b)
{
    uint64_t row[XP_WORDS];
    unsigned nodes = g->events * g->levels;

    if (a == b || xp_is_before(g, b, a))
        return -1;
    if (xp_is_before(g, a, b))
        return 0;
    memcpy(row, g->before[a], g->words * sizeof row[0]);
    row[a >> 6] |= UINT64_C(1) << (a & 63);
    for (unsigned x = g->levels; x < nodes; x++)
        if (x == b || xp_is_before(g, b, x))
            for (unsigned i = 0; i < g->words; i++)
                g->before[x][i] |= row[i];
    return 0;
}

void xp_graph_reset(struct xp_graph *g)
{
    g->events = 1;
    g->words = 1;
    memset(g->before[0], 0, g->levels * sizeof g->before[0]);
    for (unsigned i = 0; i < g->cells; i++)
        g->cell[i].writes = 1; /* co[0] is the initial write */
    for (unsigned i = 0; i < g->cpus; i++) {
        struct xp_graph_cpu *cpu = &g->cpu[i];
        struct xp_graph_cpu kept = {.domain = cpu->domain};

        memcpy(kept.implicit, cpu->implicit, sizeof kept.implicit);
        *cpu = kept;
    }
}

unsigned xp_position(const struct xp_graph *g, unsigned cell, xp_event_id w)
{
    const struct xp_cell *c = &g->cell[cell];

    for (unsigned i = c->writes; i-- > 0;)
        if (c->co[i] == w)
            return i;
    assert(!"a write of this cell");
    return 0;
}

/* The index of `cell` among the event's cells; -1: it does not touch it. */
static int touches(const struct xp_event *e, unsigned cell)
{
    for (unsigned i = 0; i < e->cells; i++)
        if (e->cell[i] == cell)
            return (int)i;
    return -1;
}

static bool overlap(const struct xp_event *a, const struct xp_event *b)
{
    for (unsigned i = 0; i < a->cells; i++)
        if (touches(b, a->cell[i]) >= 0)
            return true;
    return false;
}

static xp_event_id new_event(struct xp_graph *g, enum xp_kind kind, unsigned cpu, const uint16_t *cells, unsigned n)
{
    struct xp_graph_cpu *state = &g->cpu[cpu];
    xp_event_id e = (xp_event_id)g->events;
    struct xp_event *event = &g->event[e];

    if ((g->events + 1) * g->levels > XP_EVENTS)
        return 0;
    g->events++;
    g->words = (g->events * g->levels + 63) / 64;
    *event = (struct xp_event){.kind = (uint8_t)kind, .cpu = (uint8_t)cpu, .cells = (uint8_t)n, .choice = -1};
    event->order = state->events++;
    for (unsigned i = 0; i < n; i++) {
        event->cell[i] = cells[i];
        event->mask |= g->cell[cells[i]].mask;
        event->source[i] = XP_UNREAD;
    }
    for (unsigned level = 0; level < g->levels; level++)
        memset(g->before[xp_node(g, e, level)], 0, sizeof g->before[0]);
    memset(&g->depends[e], 0, sizeof g->depends[e]);
    /* Program order, for the question whether a write could only be there because of a read. */
    memset(&g->porf[e], 0, sizeof g->porf[e]);
    for (unsigned i = e; i-- > 1;)
        if (g->event[i].cpu == cpu) {
            g->porf[e] = g->porf[i];
            xp_put(&g->porf[e], i);
            break;
        }
    xp_put(&state->all[kind], e);
    return e;
}

/* Which kinds of later access an access of kind `kind` stays before, given `orders`. */
static unsigned kept_before(enum xp_kind kind, uint8_t orders)
{
    unsigned kinds = 0;

    if (kind == XP_READ) {
        kinds |= orders & AMP_RR ? 1u << XP_READ : 0;
        kinds |= orders & AMP_RW ? 1u << XP_WRITE | 1u << XP_DOORBELL : 0;
        return kinds;
    }
    kinds |= orders & AMP_WR ? 1u << XP_READ : 0;
    kinds |= orders & AMP_WW ? 1u << XP_WRITE : 0;
    if (kind == XP_DOORBELL || orders & AMP_WD)
        kinds |= 1u << XP_DOORBELL; /* doorbells of one CPU never overtake one another */
    return kinds;
}

/* A write of a sibling that a CPU has read, before its next event of that kind. */
static void put_carried(const struct xp_graph *g, struct xp_set before[XP_LEVELS], unsigned cpu, xp_event_id w,
                        enum xp_kind kind)
{
    if (w == XP_UNREAD || w == XP_INITIAL || g->event[w].cpu == cpu || xp_between(g, cpu, g->event[w].cpu) != 0)
        return;
    xp_put(&before[1], xp_node(g, w, 1));
    if (kind == XP_READ)
        xp_put(&before[0], xp_node(g, w, 1));
}

/* What `orders` keeps of `e` before a later event of that kind: into the sets for the event's nodes. A load behind a store
 * waits until the store is visible, a store behind a store only keeps behind it on the same way. Returns whether what
 * `e` has read is carried along. */
static bool put_ordered(const struct xp_graph *g, struct xp_set before[XP_LEVELS], xp_event_id e, enum xp_kind kind,
                        const uint8_t orders[XP_LEVELS])
{
    const struct xp_event *event = &g->event[e];
    bool is_read = event->kind == XP_READ;

    if (kept_before((enum xp_kind)event->kind, orders[0]) >> kind & 1)
        xp_put(&before[0], xp_node(g, e, 0));
    if (g->levels == 1 || !(kept_before((enum xp_kind)event->kind, orders[1]) >> kind & 1))
        return false;
    xp_put(&before[1], xp_node(g, e, 1));
    if (is_read)
        xp_put(&before[1], xp_node(g, e, 0));
    if (is_read || kind == XP_READ)
        xp_put(&before[0], xp_node(g, e, 1));
    if (!is_read || !(kept_before(XP_WRITE, orders[1]) >> kind & 1))
        return false;
    for (unsigned i = 0; i < event->cells; i++)
        put_carried(g, before, event->cpu, event->source[i], kind);
    return true;
}

/* From now on `e`, an access of this CPU, is before the later ones that `orders` names. */
static void order_event(struct xp_graph *g, unsigned cpu, xp_event_id e, const uint8_t orders[XP_LEVELS])
{
    struct xp_graph_cpu *state = &g->cpu[cpu];

    for (unsigned kind = 0; kind < XP_KINDS; kind++)
        if (put_ordered(g, state->must[kind], e, (enum xp_kind)kind, orders))
            xp_put(&state->carry[kind], e);
}

static void order_kind(struct xp_graph *g, unsigned cpu, enum xp_kind kind, const uint8_t orders[XP_LEVELS])
{
    struct xp_graph_cpu *state = &g->cpu[cpu];

    if (g->levels == 1) {
        unsigned kinds = kept_before(kind, orders[0]);

        for (unsigned later = 0; later < XP_KINDS; later++)
            if (kinds >> later & 1)
                unite(&state->must[later][0], &state->all[kind], g->words);
        return;
    }
    for (unsigned e = 1; e < g->events; e++)
        if (xp_has(&state->all[kind], e))
            order_event(g, cpu, (xp_event_id)e, orders);
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
            put_ordered(g, before, (xp_event_id)x, XP_READ, orders.level);
    for (unsigned level = 0; level < g->levels; level++)
        for (unsigned node = g->levels; node < g->events * g->levels; node++)
            if (xp_has(&before[level], node) && precede(g, node, xp_node(g, r, level)))
                return -1;
    return 0;
}

void xp_add_isb(struct xp_graph *g, unsigned cpu)
{
    unite(&g->cpu[cpu].instruction, &g->cpu[cpu].control, XP_WORDS);
}

void xp_add_control(struct xp_graph *g, unsigned cpu, const struct xp_set *depends)
{
    if (g->faults & XP_NO_CONTROL)
        return;
    unite(&g->cpu[cpu].control, depends, g->words);
}

xp_event_id xp_add_read(struct xp_graph *g, unsigned cpu, const uint16_t *cells, unsigned n, struct xp_orders acquire,
                        const struct xp_set *address)
{
    struct xp_graph_cpu *state = &g->cpu[cpu];
    xp_event_id e = new_event(g, XP_READ, cpu, cells, n);

    if (!e)
        return 0;
    for (unsigned level = 0; level < g->levels; level++) {
        unsigned node = xp_node(g, e, level);

        absorb(g, node, &state->must[XP_READ][level]);
        absorb_events(g, node, &state->instruction);
        if (address && !(g->faults & XP_NO_DEPENDENCY))
            absorb_events(g, node, address);
        if (acquire.level[level] & AMP_RCSC)
            absorb_events(g, node, &state->releases);
    }
    order_event(g, cpu, e, state->implicit);
    order_event(g, cpu, e, acquire.level);
    if (address)
        xp_add_control(g, cpu, address); /* a later write waits until it is known that it is another location */
    return e;
}

/* A store-release comes after what is before it in program order. */
static void add_release(struct xp_graph *g, unsigned cpu, xp_event_id e, const uint8_t orders[XP_LEVELS])
{
    struct xp_set before[XP_LEVELS] = {{{0}}};

    for (unsigned x = 1; x < e; x++)
        if (g->event[x].cpu == cpu)
            put_ordered(g, before, (xp_event_id)x, XP_WRITE, orders);
    for (unsigned level = 0; level < g->levels; level++)
        absorb(g, xp_node(g, e, level), &before[level]);
}

xp_event_id xp_add_write(struct xp_graph *g, enum xp_kind kind, unsigned cpu, const uint16_t *cells, unsigned n,
                         struct xp_orders release, const struct xp_set *depends, const struct xp_set *address)
{
    struct xp_graph_cpu *state = &g->cpu[cpu];
    xp_event_id e = new_event(g, kind, cpu, cells, n);

    if (!e)
        return 0;
    for (unsigned level = 0; level < g->levels; level++) {
        unsigned node = xp_node(g, e, level);

        absorb(g, node, &state->must[kind][level]);
        absorb_events(g, node, &state->control);
        if (depends && !(g->faults & XP_NO_DEPENDENCY))
            absorb_events(g, node, depends);
        for (unsigned x = e; x-- > 1;) /* same location: never before an earlier access of its own CPU */
            if (g->event[x].cpu == cpu && overlap(&g->event[x], &g->event[e]))
                unite_row(g, g->before[node], xp_node(g, (xp_event_id)x, level));
    }
    add_release(g, cpu, e, release.level);
    if (g->levels == 2) /* siblings see it first */
        unite_row(g, g->before[xp_node(g, e, 1)], xp_node(g, e, 0));
    if (depends)
        g->depends[e] = *depends;
    for (unsigned level = 0; level < g->levels; level++)
        g->event[e].release |= (release.level[level] & (AMP_RW | AMP_WW)) != 0;
    if (g->event[e].release)
        xp_put(&state->releases, e);
    order_event(g, cpu, e, state->implicit);
    if (address)
        xp_add_control(g, cpu, address);
    return e;
}

/* --- reading ------------------------------------------------------------------------------------------------------- */

/* Coherence: no read of a CPU is older than what it read or wrote there before, nor newer than what it does after. */
static bool coherent(const struct xp_graph *g, xp_event_id r, unsigned cell, unsigned position)
{
    const struct xp_event *read = &g->event[r];

    if (g->faults & XP_NO_COHERENCE)
        return true;
    for (unsigned x = 1; x < g->events; x++) {
        const struct xp_event *other = &g->event[x];
        int i;

        if (x == r || other->cpu != read->cpu || (i = touches(other, cell)) < 0)
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

            if (other->order < read->order ? position < theirs : position >= theirs)
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
    i = touches(&g->event[next->partner], cell);
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

bool xp_may_read(const struct xp_graph *g, xp_event_id r, const xp_event_id *sources)
{
    const struct xp_event *read = &g->event[r];
    uint64_t row[XP_LEVELS][XP_WORDS];

    for (unsigned level = 0; level < g->levels; level++)
        memcpy(row[level], g->before[xp_node(g, r, level)], sizeof row[level]);
    for (unsigned i = 0; i < read->cells; i++) {
        unsigned level;

        if (!external(g, r, sources[i]))
            continue;
        level = xp_between(g, read->cpu, g->event[sources[i]].cpu);
        if (xp_is_before(g, xp_node(g, r, level), xp_node(g, sources[i], level)))
            return false;
        unite_row(g, row[level], xp_node(g, sources[i], level));
    }
    for (unsigned i = 0; i < read->cells; i++) {
        const struct xp_cell *cell = &g->cell[read->cell[i]];
        unsigned position = xp_position(g, read->cell[i], sources[i]);

        if (!coherent(g, r, read->cell[i], position))
            return false;
        for (unsigned p = position + 1u; p < cell->writes; p++) {
            xp_event_id w = cell->co[p];
            unsigned level = xp_between(g, read->cpu, g->event[w].cpu), node = xp_node(g, w, level);

            if (external(g, r, w) && row[level][node >> 6] >> (node & 63) & 1)
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
                if (precede(g, xp_node(g, (xp_event_id)x, level), xp_node(g, r, level)))
                    return -1;
    return 0;
}

/* Where barriers put `r` before what comes after, they put what it read there, too. */
static void carry_along(struct xp_graph *g, xp_event_id r, xp_event_id w)
{
    struct xp_graph_cpu *state = &g->cpu[g->event[r].cpu];

    for (unsigned kind = 0; kind < XP_KINDS; kind++)
        if (xp_has(&state->carry[kind], r))
            put_carried(g, state->must[kind], g->event[r].cpu, w, (enum xp_kind)kind);
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
        if (precede(g, xp_node(g, r, level), xp_node(g, later, level)))
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
    if (external(g, r, w)) {
        unsigned level = xp_between(g, read->cpu, g->event[w].cpu);

        if (precede(g, xp_node(g, w, level), xp_node(g, r, level)))
            return -1;
        if (g->levels == 2 && level == 0)
            carry_along(g, r, w);
    } else if (w != XP_INITIAL && forward(g, r, w)) {
        return -1;
    }
    if (w != XP_INITIAL) {
        unite(&g->porf[r], &g->porf[w], g->words);
        xp_put(&g->porf[r], w);
        for (unsigned x = r + 1u; x < g->events; x++) /* a late read: what stands behind it knows now, too */
            if (xp_has(&g->porf[x], r))
                unite(&g->porf[x], &g->porf[r], g->words);
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

        if (x == w || other->cpu != g->event[w].cpu || (at = touches(other, number)) < 0)
            continue;
        if (other->kind == XP_READ && other->source[at] == XP_UNREAD)
            continue;
        theirs = xp_position(g, number, other->kind == XP_READ ? other->source[at] : (xp_event_id)x);
        if (other->order < g->event[w].order ? theirs >= position : theirs < position)
            return false;
    }
    if (position == cell->writes || g->levels > 1)
        return true; /* with levels: xp_place says */
    next = cell->co[position];
    memcpy(row, g->before[w], sizeof row);
    if (cell->co[position - 1] != XP_INITIAL)
        unite_row(g, row, cell->co[position - 1]);
    for (unsigned x = 1; x < g->events; x++) {
        int at = g->event[x].kind == XP_READ ? touches(&g->event[x], number) : -1;

        if (at >= 0 && g->event[x].source[at] == cell->co[position - 1])
            unite_row(g, row, x);
    }
    return !(row[next >> 6] >> (next & 63) & 1);
}

static int precede_write(struct xp_graph *g, xp_event_id a, xp_event_id b)
{
    bool near = xp_between(g, g->event[a].cpu, g->event[b].cpu) == 0;

    if (g->levels == 1)
        return precede(g, a, b);
    if (near && precede(g, xp_node(g, a, 0), xp_node(g, b, 0)))
        return -1;
    if (!near && (precede(g, xp_node(g, a, 0), xp_node(g, b, 1)) || precede(g, xp_node(g, a, 1), xp_node(g, b, 0))))
        return -1;
    return precede(g, xp_node(g, a, 1), xp_node(g, b, 1));
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
        int at = read->kind == XP_READ ? touches(read, number) : -1;
        unsigned level = xp_between(g, read->cpu, g->event[w].cpu);

        if (at < 0 || read->source[at] == XP_UNREAD || !external(g, (xp_event_id)x, w))
            continue;
        if (xp_position(g, number, read->source[at]) < position &&
            precede(g, xp_node(g, (xp_event_id)x, level), xp_node(g, w, level)))
            return -1;
    }
    return 0;
}

uint64_t xp_bytes(uint8_t mask)
{
    uint64_t bits = 0;

    for (unsigned byte = 0; byte < 8; byte++)
        bits |= mask >> byte & 1 ? UINT64_C(0xff) << 8 * byte : 0;
    return bits;
}

uint64_t xp_value_of(const struct xp_graph *g, xp_event_id r, const uint64_t *initial)
{
    const struct xp_event *read = &g->event[r];
    uint64_t value = 0;

    for (unsigned i = 0; i < read->cells; i++) {
        uint64_t bits = xp_bytes(g->cell[read->cell[i]].mask), from;

        from = read->source[i] == XP_INITIAL ? (initial ? initial[read->cell[i]] : 0) : g->event[read->source[i]].value;
        value |= from & bits;
    }
    return value;
}
