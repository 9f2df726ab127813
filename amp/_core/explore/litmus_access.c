/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * litmus_access.c - what a litmus test does to memory: cells, and what each access waits for.
 *
 * Dependencies are Arm's (DDI 0487, B2.3; herd7's aarch64deps.cat and aarch64hwreqs.cat):
 *   - by address and data, also through what the thread itself stored; and a branch, before later stores;
 *   - pick dependencies, before stores only: what a compare-and-swap compares with decides whether it stores.
 * An exchange stores nothing of what it read, so its load comes before what reads its store only if that is an acquire
 * (aob); of arithmetic the load is part of what is stored.
 */
#include "graph_parts.h"
#include "litmus.h"

#include <errno.h>
#include <string.h>

static const struct xp_orders nothing;

static uint64_t modify(unsigned operation, uint64_t old, uint64_t operand)
{
    switch (operation) {
    case RMW_ADD: return old + operand;
    case RMW_SUB: return old - operand;
    case RMW_AND: return old & operand;
    case RMW_OR: return old | operand;
    case RMW_XOR: return old ^ operand;
    default: return operand;
    }
}

static uint64_t narrow(uint64_t value, unsigned bytes, bool is_signed)
{
    unsigned unused = 64 - 8 * bytes;

    if (bytes >= 8)
        return value;
    return is_signed ? (uint64_t)((int64_t)(value << unused) >> unused) : value << unused >> unused;
}

/* The cells of one access, and where in their granule it begins. */
struct place {
    uint16_t cell[XP_SPAN];
    unsigned n, shift;
};

static int place_of(struct litmus *test, uint64_t address, unsigned width, struct place *place)
{
    uint64_t number = (address - LITMUS_BASE) / LITMUS_STEP;
    unsigned at = (unsigned)((address - LITMUS_BASE) % LITMUS_STEP), end = at + width;
    uint8_t cuts;

    if (address < LITMUS_BASE || number >= test->locations)
        return -EFAULT;
    if (end > AMP_GRANULE || at % width)
        return -EDOM;
    if (test->widest[number] < end) {
        test->widest[number] = (uint8_t)end;
        if (test->cuts[number] & ~1u)
            return -ESTALE; /* whether it may be that wide is looked at there */
    }
    cuts = (uint8_t)(1u << at | (end < AMP_GRANULE ? 1u << end : 0));
    if (test->faults & LITMUS_WHOLE_LOCATION)
        cuts = 1;
    if (cuts & ~test->cuts[number] & ~1u) {
        test->cuts[number] |= cuts | 1u;
        return -ESTALE;
    }
    place->n = 0;
    place->shift = 8 * at;
    for (unsigned cell = test->first_cell[number]; cell < test->first_cell[number + 1]; cell++)
        if (test->x->graph.cell[cell].mask & amp_byte_mask(at, width))
            place->cell[place->n++] = (uint16_t)cell;
    return 0;
}

/* Where the value of read `r` came from. An acquire comes behind the load of its thread's atomic that it reads from. */
static int read_taint(struct litmus *test, unsigned number, xp_event_id r, bool acquires, struct litmus_taint *taint)
{
    struct xp_graph *g = &test->x->graph;
    struct litmus_taint stored;

    memset(taint, 0, sizeof *taint);
    memset(&stored, 0, sizeof stored);
    if (xp_waits_in_part(g, r))
        return -ENOTSUP;
    for (unsigned i = 0; i < g->event[r].cells; i++) {
        xp_event_id w = xp_own_source(g, r, i);

        if (!w)
            continue;
        litmus_join_taint(&stored, &test->stored[w]);
        for (unsigned level = 0; acquires && g->event[w].atomic && level < g->levels; level++)
            if (xp_precede(g, xp_node(g, g->event[w].partner, level), xp_node(g, r, level))) {
                test->x->over = true;
                return XP_OVER;
            }
    }
    if (acquires) /* what picked the value that it reads comes before the stores that it comes before */
        xp_add_control(g, number, &stored.picks);
    xp_put(&stored.depends, r);
    xp_put(&stored.picks, r);
    *taint = stored;
    return 0;
}

static bool orders_stores(const struct xp_orders *orders)
{
    bool any = false;

    for (unsigned level = 0; level < XP_LEVELS; level++)
        any |= (orders->level[level] & AMP_RW) != 0;
    return any;
}

int litmus_load(struct litmus *test, unsigned number, const struct amp_insn *i)
{
    struct litmus_thread *thread = &test->thread[number];
    struct litmus_taint taint;
    struct place place;
    uint64_t value;
    xp_event_id event;
    int result = place_of(test, thread->value[i->a], i->arg, &place);

    if (result)
        return result;
    result = xp_load(test->x, number, place.cell, place.n, test->orders[i->order], &thread->taint[i->a].depends, &value,
                     &event);
    if (result)
        return result;
    xp_add_control(&test->x->graph, number, &thread->taint[i->a].picks);
    result = read_taint(test, number, event, orders_stores(&test->orders[i->order]), &taint);
    if (result)
        return result;
    thread->value[i->dst] = narrow(value >> place.shift, i->arg, i->flags & SIGNED);
    thread->taint[i->dst] = taint;
    return 0;
}

/* A store of `value` at `place`, which waits for `taint`; what it only picks holds back this store and no later one. */
static int put(struct litmus *test, unsigned number, const struct place *place, uint64_t value, struct xp_orders orders,
               const struct litmus_taint *taint, const struct xp_set *address, xp_event_id partner)
{
    struct xp_graph *g = &test->x->graph;
    struct xp_set later = g->cpu[number].control;
    int result;

    xp_unite(&later, address, XP_WORDS);
    xp_add_control(g, number, &taint->picks);
    result = xp_store(test->x, XP_WRITE, number, place->cell, place->n, value << place->shift, orders, &taint->depends, NULL,
                      partner);
    g->cpu[number].control = later;
    if (result == XP_DONE)
        test->stored[g->events - 1] = *taint;
    return result;
}

int litmus_store(struct litmus *test, unsigned number, const struct amp_insn *i)
{
    struct litmus_thread *thread = &test->thread[number];
    struct litmus_taint taint = thread->taint[i->b];
    struct place place;
    int result = place_of(test, thread->value[i->a], i->arg, &place);

    if (result)
        return result;
    litmus_join_taint(&taint, &thread->taint[i->a]);
    return put(test, number, &place, narrow(thread->value[i->b], i->arg, false), test->orders[i->order], &taint,
               &thread->taint[i->a].picks, 0);
}

/* The store of an atomic that has read `read`; a full one is a barrier on both sides of it. */
static int modify_store(struct litmus *test, unsigned number, const struct amp_insn *i, const struct place *place,
                        uint64_t value, const struct litmus_taint *read)
{
    struct litmus_thread *thread = &test->thread[number];
    const struct xp_orders *orders = &test->orders[i->order];
    struct litmus_taint taint = thread->taint[i->b];
    bool stores_read = (i->arg != RMW_XCHG && i->arg != RMW_CMPXCHG) || test->faults & LITMUS_READ_IN_STORE;
    int result;

    litmus_join_taint(&taint, &thread->taint[i->a]);
    if (i->arg == RMW_CMPXCHG && !(test->faults & LITMUS_NO_PICK))
        xp_unite(&taint.picks, &thread->taint[(unsigned)i->imm & 0xff].picks, XP_WORDS);
    if (stores_read)
        xp_unite(&taint.depends, &read->depends, XP_WORDS);
    xp_unite(&taint.picks, &read->picks, XP_WORDS);
    if (i->flags & FULL) {
        if (xp_order_behind(&test->x->graph, thread->read, *orders)) {
            test->x->over = true;
            return XP_OVER;
        }
        xp_barrier(test->x, number, *orders);
    }
    result = put(test, number, place, value, i->flags & RELEASE ? *orders : nothing, &taint, &thread->taint[i->a].picks,
                 thread->read);
    if (result == XP_DONE && i->arg == RMW_XCHG && !stores_read) { /* its value is not what was read */
        struct litmus_taint *stored = &test->stored[test->x->graph.events - 1];

        *stored = thread->taint[i->b];
        litmus_join_taint(stored, &thread->taint[i->a]);
    }
    if (result == XP_DONE && i->flags & (FULL | FENCED))
        litmus_fence(test, number, orders);
    return result;
}

int litmus_read_modify_write(struct litmus *test, unsigned number, const struct amp_insn *i)
{
    struct litmus_thread *thread = &test->thread[number];
    unsigned expected = (unsigned)i->imm & 0xff, width = (unsigned)(i->imm >> 8) & 0xff;
    bool acquires = i->flags & ACQUIRE, compares = i->arg == RMW_CMPXCHG;
    struct litmus_taint read;
    struct place place;
    uint64_t old;
    int result = place_of(test, thread->value[i->a], width, &place);

    if (result)
        return result;
    result = xp_load(test->x, number, place.cell, place.n, acquires ? test->orders[i->order] : nothing,
                     &thread->taint[i->a].depends, &old, &thread->read);
    if (result)
        return result;
    test->x->graph.event[thread->read].compares = compares && i->flags & (FULL | FENCED | RELEASE);
    xp_add_control(&test->x->graph, number, &thread->taint[i->a].picks);
    result = read_taint(test, number, thread->read, acquires && orders_stores(&test->orders[i->order]), &read);
    if (result)
        return result;
    if (i->flags & NO_RESULT)
        xp_put(&thread->unwanted, thread->read);
    old = narrow(old >> place.shift, width, false);
    if (!compares || old == narrow(thread->value[expected], width, false)) {
        uint64_t value = narrow(modify(i->arg, old, thread->value[i->b]), width, false);

        result = modify_store(test, number, i, &place, value, &read);
        if (result)
            return result;
        if (i->flags & FROM_EXPECTED) /* the same value, and not from memory */
            read.depends = thread->taint[expected].depends;
        if (i->flags & FROM_EXPECTED)
            xp_unite(&read.picks, &thread->taint[expected].picks, XP_WORDS);
    }
    thread->value[i->dst] = narrow(old, width, i->flags & SIGNED);
    thread->taint[i->dst] = read;
    return 0;
}

void litmus_fence(struct litmus *test, unsigned number, const struct xp_orders *orders)
{
    struct litmus_thread *thread = &test->thread[number];
    struct xp_set *reads = &test->x->graph.cpu[number].all[XP_READ], kept = *reads;
    uint32_t any = 0;

    for (unsigned level = 0; level < XP_LEVELS; level++)
        any |= orders->level[level];
    if (!(any & (AMP_WR | AMP_WW)))
        for (unsigned i = 0; i < XP_WORDS; i++)
            reads->bit[i] &= ~thread->unwanted.bit[i];
    xp_barrier(test->x, number, *orders);
    *reads = kept;
}
