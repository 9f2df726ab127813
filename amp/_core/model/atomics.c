/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * atomics.c - atomics in the running machine: each acts on the newest value, and is visible at once.
 *
 * Of one access, as programs in Python and C make them: fully ordered. Of two, as compiled code makes them: a load, and
 * the store that belongs to it, ordered as their instructions have it; nobody's store becomes visible between the two: the
 * CPU keeps the turn, or the lock, from one to the other, or the schedule has it so. Of a pair of exclusives it keeps no lock,
 * and asks before the store.
 */
#include <errno.h>

#include "access.h"
#include "bell.h"

static bool atomic_result(enum amp_atomic op, uint64_t old, uint64_t operand, uint64_t expected, uint64_t *value)
{
    *value = op == AMP_ADD ? old + operand : operand;
    return op != AMP_CMPXCHG || old == expected;
}

/* Would the comparison fail with what the load returns now? */
static bool fails(struct amp_cpu *cpu, uint32_t number, struct amp_place where, unsigned size, uint64_t expected)
{
    uint64_t value = amp_would_read(cpu, (struct amp_part){.load = number}, where.granule, where.mask);

    return amp_narrow(value >> where.shift, size) != amp_narrow(expected, size);
}

/* The load of an atomic, or of one that fails. */
static struct amp_seen atomic_read(struct amp_cpu *cpu, uint32_t number, struct amp_place where, bool newest)
{
    struct amp_wish wish = {.floors = amp_floors_of(cpu, 0), .newest = newest};
    struct amp_part part = {.load = number};
    struct amp_seen seen;

    if (amp_staged(cpu->model))
        return amp_read_staged(cpu, part, where.granule, where.mask, wish);
    amp_read_granule(cpu, part, where.granule, where.mask, newest ? cpu->model->now : amp_state(cpu)->floor, &seen);
    return seen;
}

/* Everything that must be visible before it is: so it becomes visible as soon as it is made; with siblings, to them. */
static void store_at_once(struct amp_cpu *cpu, uint64_t address, unsigned size, uint64_t value, struct amp_place where,
                          uint8_t release)
{
    struct amp_cpu_state *state = amp_state(cpu);
    unsigned entry = state->entries;
    bool scripted = amp_following(cpu->model);

    amp_push_store(cpu, (struct amp_pending){.store = amp_trace_store(cpu, address, size, value, AMP_FL_ATOMIC),
                                             .kind = AMP_MEMORY,
                                             .granule = where.granule,
                                             .mask = where.mask,
                                             .value = value << where.shift,
                                             .orders = AMP_AT_ONCE,
                                             .release = release});
    state->stores++;
    if (scripted)
        amp_schedule_at_once(cpu, &state->pending[entry]);
    if (amp_staged(cpu->model))
        amp_make_step(cpu, cpu->id, entry);
    else
        amp_make_visible(cpu, cpu->id, entry);
    if (scripted && amp_observed(cpu->model))
        amp_schedule_shown(cpu, state->stores - 1);
}

/* Acts on the newest value, and is visible at once; with siblings, to them. */
int amp_atomic(struct amp_cpu *cpu, uint64_t address, unsigned size, enum amp_atomic op, uint64_t operand,
               uint64_t expected, struct amp_word *out)
{
    struct amp_model *m = cpu->model;
    struct amp_cpu_state *state = amp_state(cpu);
    struct amp_place where;
    struct amp_seen seen;
    uint64_t old, value;
    uint32_t number;
    int error = amp_check_at(m, address, size);

    if (error || (error = amp_enter(cpu, AMP_LOADS)))
        return error;
    number = state->loads++;
    where = amp_place_of(m, address, size);
    amp_perform_overlapping(cpu, address, size);
    amp_apply_orders(cpu, amp_orders_of(cpu, AMP_SMP_MB));
    amp_settle_before_load(cpu);
    if (op == AMP_CMPXCHG && fails(cpu, number, where, size, expected)) {
        /* A load: a schedule may have it stale. By chance it is not, and what failed would fail with the newest value. */
        seen = atomic_read(cpu, number, where, !amp_following(m));
    } else {
        amp_settle(cpu, where.granule, where.mask);
        seen = atomic_read(cpu, number, where, true);
    }
    old = amp_narrow(seen.value >> where.shift, size);
    amp_trace_load(cpu, number, address, size, &seen, &where, AMP_FL_ATOMIC);
    if (atomic_result(op, old, operand, amp_narrow(expected, size), &value)) {
        value = amp_narrow(value, size);
        store_at_once(cpu, address, size, value, where, 0);
    }
    amp_apply_orders(cpu, amp_orders_of(cpu, AMP_SMP_MB));
    *out = (struct amp_word){.value = old, .time = seen.time};
    return amp_leave(cpu);
}

/* --- of two accesses --------------------------------------------------------------------------------------------- */

static struct amp_kept orders_by(struct amp_cpu *cpu, unsigned primitive)
{
    return primitive ? amp_orders_of(cpu, primitive) : (struct amp_kept){0};
}

/* With siblings: does another domain see a store there that this one does not see yet? */
static bool is_hidden(const struct amp_cpu *cpu, uint32_t granule, uint8_t mask)
{
    const struct amp_model *m = cpu->model;

    for (unsigned i = 0; i < AMP_INNERS; i++)
        if (m->inner[i].kind == AMP_MEMORY && m->inner[i].granule == granule && m->inner[i].mask & mask &&
            m->domain[m->inner[i].owner] != m->domain[cpu->id])
            return true;
    return false;
}

/* With siblings: all that the two accesses would wait for is visible before them. Were it waited for between them, others' stores
 * could become visible there meanwhile. */
static void stand_clear(struct amp_cpu *cpu, uint32_t granule, uint8_t mask)
{
    const struct amp_cpu_state *state = amp_state(cpu);

    if (amp_following(cpu->model) || !amp_staged(cpu->model))
        return;
    amp_settle_before_load(cpu);
    while (state->entries || state->inner || amp_loads_wait(cpu) || is_hidden(cpu, granule, mask))
        if (!amp_push_on(cpu))
            return;
}

int amp_load_paired(struct amp_cpu *cpu, uint64_t address, unsigned size, uint64_t after, unsigned acquire,
                    unsigned whole, bool exclusive, struct amp_word *out)
{
    struct amp_model *m = cpu->model;
    struct amp_place where;
    struct amp_seen seen;
    uint32_t number;
    int error = amp_check_at(m, address, size);

    if (error || (error = amp_enter(cpu, AMP_LOADS)))
        return error;
    number = amp_state(cpu)->loads++;
    where = amp_place_of(m, address, size);
    amp_perform_overlapping(cpu, address, size);
    amp_apply_orders(cpu, orders_by(cpu, whole));
    stand_clear(cpu, where.granule, where.mask);
    while (amp_observed(m) && !amp_sees_newest(m, cpu->id, where.granule, where.mask))
        if (!amp_see_newest(cpu, where.granule, where.mask) && !amp_push_on(cpu))
            break;
    /* Nobody knows yet whether its store will come. A schedule may have it stale; by chance it is not. */
    amp_read_scalar(cpu, number, &where, after, orders_by(cpu, acquire), !amp_following(m), &seen);
    amp_trace_load(cpu, number, address, size, &seen, &where, AMP_FL_ATOMIC | (acquire ? AMP_FL_ACQUIRE : 0));
    *out = (struct amp_word){.value = amp_narrow(seen.value >> where.shift, size), .time = seen.time};
    cpu->pair = (struct amp_paired){.granule = where.granule,
                                    .mask = where.mask,
                                    .store = seen.store,
                                    .turn = m->turns,
                                    .now = m->now,
                                    .stores = amp_state(cpu)->stores};
    cpu->holds_turn = !amp_following(m);
    cpu->holds_lock = m->config.mode == AMP_FREE && !exclusive;
    return amp_leave(cpu);
}

/* Has a store to the pair's bytes been made since its load: one that became visible, or an own one that was issued? */
static bool is_overwritten(struct amp_cpu *cpu)
{
    struct amp_model *m = cpu->model;
    const struct amp_paired *pair = &cpu->pair;
    const struct amp_cpu_state *state = amp_state(cpu);
    uint64_t t = amp_newest(cpu, pair->granule);

    if (pair->now + m->config.log_writes <= m->now)
        return true; /* nobody knows any more */
    for (unsigned i = 0; i < state->entries; i++)
        if (state->pending[i].kind == AMP_MEMORY && state->pending[i].granule == pair->granule &&
            state->pending[i].mask & pair->mask && state->pending[i].number >= pair->stores)
            return true;
    for (; amp_logged(m, t) && t > pair->now; t = amp_earlier(m, t, pair->mask))
        if (amp_log(m, t)->mask & pair->mask && (amp_log(m, t)->owner != cpu->id || amp_log(m, t)->number >= pair->stores))
            return true; /* else the load has returned it, when it was pending */
    return false;
}

/* Has nothing become visible there behind what the load has returned? With siblings it is only known that nobody had a turn. */
static bool is_still_newest(struct amp_cpu *cpu)
{
    struct amp_model *m = cpu->model;
    const struct amp_paired *pair = &cpu->pair;
    uint64_t t = amp_newest(cpu, pair->granule);

    if (!amp_following(m) && is_overwritten(cpu))
        return false;
    if (amp_following(m) && amp_staged(m) && m->turns != pair->turn + 1)
        return false;
    if (!amp_observed(m) && (amp_staged(m) || !amp_following(m)))
        return true;
    while (amp_logged(m, t) && !(amp_log(m, t)->mask & pair->mask))
        t = amp_earlier(m, t, pair->mask);
    return !amp_logged(m, t) || amp_log(m, t)->store == pair->store;
}

int amp_may_store_paired(struct amp_cpu *cpu, bool *may)
{
    struct amp_model *m = cpu->model;
    int error = amp_enter(cpu, 0);

    if (error)
        return error;
    stand_clear(cpu, cpu->pair.granule, cpu->pair.mask);
    *may = amp_following(m) || is_still_newest(cpu);
    cpu->holds_turn = *may && !amp_following(m);
    cpu->holds_lock = *may && m->config.mode == AMP_FREE;
    if (!amp_following(m) || m->turns == cpu->pair.turn + 1) /* else somebody had a turn, and so may have stored there */
        cpu->pair.turn = m->turns;
    return amp_leave(cpu);
}

int amp_store_paired(struct amp_cpu *cpu, uint64_t address, unsigned size, uint64_t value, unsigned release,
                     unsigned whole, bool behind)
{
    struct amp_model *m = cpu->model;
    struct amp_kept orders = orders_by(cpu, release), all = {AMP_WR | AMP_WW | AMP_WD, AMP_WR | AMP_WW | AMP_WD};
    struct amp_place where;
    int error = amp_check_at(m, address, size);

    if (error || (error = amp_enter(cpu, AMP_LOADS)))
        return error;
    where = amp_place_of(m, address, size);
    amp_perform_overlapping(cpu, address, size);
    if (orders.near & AMP_RW)
        amp_perform_all(cpu);
    amp_push_mark(cpu, (struct amp_kept){orders.near & AMP_WW, orders.far & AMP_WW});
    amp_settle(cpu, where.granule, where.mask);
    error = where.granule == cpu->pair.granule && where.mask == cpu->pair.mask && is_still_newest(cpu) ? 0 : -ENOTSUP;
    if (!error)
        store_at_once(cpu, address, size, amp_narrow(value, size), where, amp_towards(orders, amp_staged(m)));
    if (behind)
        amp_push_mark(cpu, all);
    amp_apply_orders(cpu, orders_by(cpu, whole));
    if (error) {
        amp_leave(cpu);
        return error;
    }
    return amp_leave(cpu);
}
