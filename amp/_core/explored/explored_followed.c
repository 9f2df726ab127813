/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * explored_followed.c - accesses of code in which every value is followed: compiled code. Its atomics are a load and a
 * store of their own, each ordered as its instruction says.
 *
 * Dependencies are Arm's (DDI 0487, B2.3; herd7's aarch64deps.cat and aarch64hwreqs.cat):
 *   - by address and data, also through what the part itself stored; and a branch, before later stores;
 *   - pick dependencies, before stores only: what decides which value it is (a conditional select, a compare-and-swap that
 *     stores) without being part of it.
 * The other architectures' are the same or fewer: code that has no such instruction has no such dependency.
 */
#include "explored_parts.h"
#include "explore/explore_parts.h"
#include "explore/graph_parts.h"

#include <string.h>

static const struct xp_orders nothing;

void xp_barrier_seen(struct xp_part *part, const struct xp_orders *orders)
{
    struct explorer *x = part->program->x;
    struct xp_graph_cpu *cpu = &x->graph.cpu[part->id];
    struct xp_set *reads = &cpu->all[XP_READ], kept;
    uint32_t any = 0;

    for (unsigned level = 0; level < XP_LEVELS; level++)
        any |= orders->level[level];
    if (any & (AMP_WR | AMP_WW) || !cpu->any_unseen) {
        xp_barrier(x, part->id, *orders);
        return;
    }
    kept = *reads;
    for (unsigned i = 0; i < XP_WORDS; i++)
        reads->bit[i] &= ~cpu->unseen.bit[i];
    xp_barrier(x, part->id, *orders);
    *reads = kept;
}

static const struct xp_orders *orders_by(const struct xp_part *part, unsigned how)
{
    return AMP_HOW_PRIMITIVE(how) ? xp_orders_of(part, AMP_HOW_PRIMITIVE(how)) : &nothing;
}

/* An acquire comes behind the load of its part's atomic that it reads from. */
static int come_behind(struct xp_part *part, xp_event_id r, xp_event_id w)
{
    struct xp_graph *g = &part->program->x->graph;

    for (unsigned level = 0; g->event[w].atomic && level < g->levels; level++)
        if (xp_precede(g, xp_node(g, g->event[w].partner, level), xp_node(g, r, level))) {
            part->program->x->over = true;
            return xp_step_aside(part, XP_OVER);
        }
    return 0;
}

/* What a read has of its own part's stores: `picks` is what picked their values. */
static int read_own(struct xp_part *part, xp_event_id r, bool acquires, struct xp_set *picks)
{
    struct xp_graph *g = &part->program->x->graph;

    memset(picks, 0, sizeof *picks);
    if (g->event[r].promised)
        return 0; /* its write is another's */
    if (xp_waits_in_part(g, r))
        return xp_break_rule(part, "a load takes some of its bytes from what its own processor stored, and some not: "
                                   "the order of such an access is not modelled");
    for (unsigned i = 0; i < g->event[r].cells; i++) {
        xp_event_id w = xp_own_source(g, r, i);
        int error = w && acquires ? come_behind(part, r, w) : 0;

        if (error)
            return error;
        if (w && g->event[w].picked)
            xp_unite(picks, &g->picks[w], XP_WORDS);
    }
    if (acquires) /* what picked the value that it reads comes before the stores that it comes before */
        xp_add_control(g, part->id, picks);
    return 0;
}

static bool orders_stores(const struct xp_orders *orders)
{
    bool any = false;

    for (unsigned level = 0; level < XP_LEVELS; level++)
        any |= (orders->level[level] & AMP_RW) != 0;
    return any;
}

int xp_part_followed_load(struct xp_part *part, uint64_t address, unsigned size, uint64_t after, unsigned how,
                          struct amp_word *out)
{
    struct xp_program *program = part->program;
    struct explorer *x = program->x;
    const struct xp_orders *acquire = orders_by(part, how);
    uint16_t cells[XP_SPAN];
    struct xp_set picks;
    int n = xp_may_go_on(part, NULL), error;
    uint64_t value;
    xp_event_id event;

    if (!n)
        n = xp_find_cells(part, address, size, cells);
    if (n < 0)
        return n;
    xp_log(x, part->id, xp_did(DID_LOAD, address, size));
    xp_perform_open(program, part->id, cells, (unsigned)n);
    XP_ASKING(part, xp_load(x, part->id, cells, (unsigned)n, *acquire, xp_tag_depends(after), &value, &event));
    xp_number_event(program, event, program->loads[part->id]++, 0);
    error = read_own(part, event, orders_stores(acquire), &picks);
    if (error)
        return error;
    if (how & AMP_UNSEEN) {
        xp_put(&x->graph.cpu[part->id].unseen, event);
        x->graph.cpu[part->id].any_unseen = true;
    }
    *out = (struct amp_word){.value = amp_narrow(value >> xp_shift_of(address), size), .time = xp_tag_of(part->id, event)};
    xp_tag_value(out->time, out->value);
    if (out->time && !xp_is_empty(&picks))
        *xp_tag_add_picks(out->time) = picks;
    xp_log(x, part->id, xp_mix(out->value, x->cpu[part->id].made));
    return 0;
}

/* The store of an atomic that nothing passes: a barrier stands before its load, between the two, and behind its store. */
static int begin_whole(struct xp_part *part, xp_event_id read, const struct xp_orders *orders)
{
    struct explorer *x = part->program->x;

    if (xp_order_behind(&x->graph, read, *orders)) {
        x->over = true;
        return xp_step_aside(part, XP_OVER);
    }
    xp_barrier(x, part->id, *orders);
    return 0;
}

/* The explorer lets no later store become visible before an atomic has read. Where the machine would, nothing is said. */
static int refuse_overtaking(struct xp_part *part, xp_event_id w)
{
    const struct xp_graph *g = &part->program->x->graph;

    for (unsigned r = 1; r < w; r++)
        if (g->event[r].kind == XP_READ && g->event[r].cpu == part->id && g->event[r].partner &&
            g->event[r].partner != w && !xp_is_before(g, xp_node(g, (xp_event_id)r, 0), xp_node(g, w, 0)))
            return xp_break_rule(part, "a store may become visible before an atomic ahead of it has read: that is not "
                                       "modelled (an acquire, or a barrier between the two, keeps them in order)");
    return 0;
}

int xp_part_followed_store(struct xp_part *part, uint64_t address, unsigned size, uint64_t value, unsigned how,
                           struct amp_origin from)
{
    struct xp_program *program = part->program;
    struct explorer *x = program->x;
    struct xp_graph *g = &x->graph;
    const struct xp_orders *orders = orders_by(part, how);
    const struct xp_set *picked = xp_tag_depends(from.picked), *more = xp_tag_picks(from.picked),
                        *of_address = xp_tag_depends(from.address);
    xp_event_id pair = xp_tag_event(from.pair), w;
    struct xp_set depends, later, picks, waits = {{0}};
    uint16_t cells[XP_SPAN];
    int n = xp_may_go_on(part, XP_LOOKS_ONLY_LOAD("stores")), error = 0;

    if (!n)
        n = xp_find_cells(part, address, size, cells);
    if (n < 0)
        return n;
    xp_log(x, part->id, xp_did(DID_STORE, address, size));
    xp_perform_open(program, part->id, cells, (unsigned)n);
    if (pair && g->event[pair].mask != amp_byte_mask((unsigned)(address % AMP_GRANULE), size))
        return -EINVAL;
    if (pair) /* the same cells, in the same order */
        memcpy(cells, g->event[pair].cell, sizeof cells);
    if (pair && how & AMP_WHOLE)
        error = begin_whole(part, pair, orders);
    if (error)
        return error;
    if (picked)
        xp_unite(&waits, picked, XP_WORDS);
    if (more)
        xp_unite(&waits, more, XP_WORDS);
    picks = waits;
    if (pair)
        xp_put(&waits, pair);
    later = g->cpu[part->id].control;
    if (of_address)
        xp_unite(&later, of_address, XP_WORDS);
    xp_add_control(g, part->id, &waits); /* holds back this store, and no later one */
    XP_ASKING(part, xp_store(x, XP_WRITE, part->id, cells, (unsigned)n, amp_narrow(value, size) << xp_shift_of(address),
                             *orders, xp_origins(from, &depends), NULL, pair));
    w = (xp_event_id)(g->events - 1);
    g->cpu[part->id].control = later;
    g->event[w].picked = !xp_is_empty(&picks);
    g->picks[w] = picks;
    xp_number_store(part, 0);
    program->stores[part->id]++;
    if (how & AMP_BEHIND)
        xp_add_behind(g, part->id, w);
    if (pair && how & AMP_WHOLE)
        xp_barrier_seen(part, orders);
    return refuse_overtaking(part, w);
}

int xp_part_branch(struct xp_part *part, uint64_t tag)
{
    int error = xp_may_go_on(part, NULL);

    if (!error)
        xp_tag_branch(tag);
    return error;
}

int xp_part_isb(struct xp_part *part)
{
    int error = xp_may_go_on(part, NULL);

    if (error)
        return error;
    xp_log(part->program->x, part->id, xp_did(DID_ISB, 0, 0));
    xp_add_isb(&part->program->x->graph, part->id);
    return 0;
}

int xp_part_choose(struct xp_part *part, unsigned n, unsigned *which)
{
    struct explorer *x = part->program->x;
    const struct xp_choice *c;
    int error = xp_may_go_on(part, XP_LOOKS_ONLY_LOAD("chooses"));

    if (error)
        return error;
    if (n < 1 || n > XP_OPTIONS)
        return -EINVAL;
    *which = 0;
    if (n > 1) {
        c = xp_choose(x, XP_CHOOSE_VALUE, part->id, n);
        if (!c)
            return xp_step_aside(part, XP_OVER);
        *which = c->index;
    }
    xp_log(x, part->id, xp_did(DID_CHOOSE, *which, n));
    return 0;
}
