/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stages.c - stores that siblings see first and the others last, where some CPUs are siblings and some are not.
 *
 * A store takes two steps. The first, out of its CPU's list of pending stores, is held back by what barriers order towards
 * siblings; and by another domain that has written these bytes, as long as not everybody sees that. The second is held back
 * by `first`: what barriers order towards the others, the same bytes written before, and stores of siblings that its CPU
 * had read before a barrier that carries them along. All of `first` has taken its first step, so some store may always go.
 */
#include <errno.h>
#include <string.h>

#include "bell.h"
#include "schedule.h"

static bool is_empty(const struct amp_inners *set)
{
    for (unsigned i = 0; i < AMP_INNER_WORDS; i++)
        if (set->bit[i])
            return false;
    return true;
}

bool amp_is_same_place(const struct amp_inner *inner, const struct amp_pending *store)
{
    if (inner->kind != store->kind)
        return false;
    return store->kind == AMP_DOORBELL ? amp_mailbox_of(inner->value) == amp_mailbox_of(store->value)
                                       : inner->granule == store->granule && inner->mask & store->mask;
}

/* --- what may go ------------------------------------------------------------------------------------------------- */

/* Has another domain written there, and not all see it yet? */
static bool is_owned(const struct amp_model *m, unsigned owner, const struct amp_pending *store)
{
    for (unsigned i = 0; i < AMP_INNERS; i++)
        if (m->inner[i].kind && m->domain[m->inner[i].owner] != m->domain[owner] && amp_is_same_place(&m->inner[i], store))
            return true;
    return false;
}

static unsigned free_slot(const struct amp_model *m)
{
    unsigned slot = 0;

    while (slot < AMP_INNERS && m->inner[slot].kind)
        slot++;
    return slot;
}

unsigned amp_steps_near(const struct amp_model *m, unsigned owner, unsigned out[AMP_STORES])
{
    const struct amp_cpu_state *state = &m->cpu[owner];
    unsigned n = free_slot(m) < AMP_INNERS ? amp_eligible(state, out) : 0, steps = 0;

    for (unsigned i = 0; i < n; i++)
        if (amp_observed(m) ? amp_may_make(m, owner, &state->pending[out[i]]) : !is_owned(m, owner, &state->pending[out[i]]))
            out[steps++] = out[i];
    return steps;
}

unsigned amp_steps(const struct amp_model *m, unsigned owner, unsigned out[AMP_STEPS])
{
    const struct amp_cpu_state *state = &m->cpu[owner];
    unsigned steps = amp_steps_near(m, owner, out);

    if (amp_observed(m))
        return steps + amp_sightings(m, owner, out + steps);
    for (unsigned i = 0; state->inner && i < AMP_INNERS; i++)
        if (m->inner[i].kind && m->inner[i].owner == owner && is_empty(&m->inner[i].first))
            out[steps++] = AMP_STEP_FAR + i;
    return steps;
}

/* --- the others see it ------------------------------------------------------------------------------------------- */

/* Later loads of who waits for it, and of who has read it, are not before now. */
static void note_far(struct amp_model *m, const struct amp_inner *inner)
{
    for (unsigned cpu = 0; cpu < m->config.cpus; cpu++) {
        struct amp_cpu_state *state = &m->cpu[cpu];

        if (inner->behind[cpu][AMP_LATER_LOAD])
            state->floor = state->floor_far = m->now;
        if (inner->read_at[cpu])
            state->passed_on = m->now;
    }
}

/* The step of a doorbell that rings nobody: no bytes are visible by it, but what it goes before may go. */
static void trace_silent(struct amp_model *m, unsigned owner, const struct amp_pending *store, uint8_t flags)
{
    amp_trace(m, (struct amp_event){.kind = AMP_EV_VISIBLE, .cpu = (uint8_t)owner, .flags = flags, .store = store->store});
}

struct amp_pending amp_store_of(const struct amp_inner *inner)
{
    return (struct amp_pending){.store = inner->store,
                                .value = inner->value,
                                .granule = inner->granule,
                                .mask = inner->mask,
                                .kind = inner->kind,
                                .number = inner->number,
                                .part = inner->part,
                                .release = inner->release};
}

static void show_others(struct amp_cpu *cpu, unsigned slot)
{
    struct amp_model *m = cpu->model;
    struct amp_inner inner = m->inner[slot];
    struct amp_pending store = amp_store_of(&inner);

    if (!amp_is_store(m, &store) || inner.owner >= m->config.cpus || !m->cpu[inner.owner].inner) {
        amp_model_broken(m);
        memset(m->inner, 0, sizeof m->inner);
        return;
    }
    m->inner[slot].kind = 0;
    m->cpu[inner.owner].inner--;
    for (unsigned i = 0; i < AMP_INNERS; i++)
        m->inner[i].first.bit[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
    *amp_log(m, ++m->now) = (struct amp_write){.granule = UINT32_MAX}; /* the time is taken; it is no write of its own */
    m->cpu[inner.owner].made_far = m->now;
    if (inner.release)
        m->cpu[inner.owner].released = m->now;
    note_far(m, &inner);
    if (inner.kind == AMP_DOORBELL) {
        if (m->domain[amp_mailbox_of(inner.value)] != m->domain[inner.owner])
            amp_ring_doorbell(cpu, inner.owner, &store);
        else {
            trace_silent(m, inner.owner, &store, 0);
            amp_doorbell_out(m, inner.owner, &store);
        }
        return;
    }
    if (amp_logged(m, inner.near))
        amp_log(m, inner.near)->far = m->now;
    amp_trace(m, (struct amp_event){.kind = AMP_EV_VISIBLE,
                                    .cpu = inner.owner,
                                    .address = (uint32_t)(m->config.shared_start + (uint64_t)inner.granule * AMP_GRANULE),
                                    .size = inner.mask,
                                    .value = inner.value & amp_bits(inner.mask),
                                    .store = inner.store});
}

/* One that waits for no other; the number of places if there is none, as there always is but in a room that is broken. */
static unsigned ready_slot(const struct amp_model *m)
{
    unsigned slot = 0;

    while (slot < AMP_INNERS && !(m->inner[slot].kind && is_empty(&m->inner[slot].first)))
        slot++;
    return slot;
}

static bool any_old(const struct amp_model *m)
{
    for (unsigned i = 0; i < AMP_INNERS; i++)
        if (m->inner[i].kind && m->inner[i].near + m->config.log_writes / 2 < m->now)
            return true;
    return false;
}

/* Before a write has no more name in the log, all see it. */
static void show_old_ones(struct amp_cpu *cpu)
{
    unsigned slot;

    while (amp_observed(cpu->model) && any_old(cpu->model) && amp_push_any(cpu))
        ;
    while (!amp_observed(cpu->model) && any_old(cpu->model) && (slot = ready_slot(cpu->model)) < AMP_INNERS)
        show_others(cpu, slot);
}

/* --- siblings see it --------------------------------------------------------------------------------------------- */

bool amp_is_before(const struct amp_inner *inner, const struct amp_pending *store)
{
    return inner->number < store->number || (inner->number == store->number && inner->part < store->part);
}

/* Do the others see that store, or doorbell, of its own CPU before this one anyway? */
bool amp_is_kept_behind(const struct amp_inner *inner, const struct amp_pending *store, uint8_t implicit)
{
    if (store->kind == AMP_DOORBELL)
        return inner->kind == AMP_DOORBELL || implicit & AMP_WD;
    return implicit & AMP_WW;
}

bool amp_goes_behind(const struct amp_model *m, const struct amp_inner *inner, const struct amp_pending *store, unsigned owner)
{
    enum amp_later later = store->kind == AMP_DOORBELL ? AMP_LATER_DOORBELL : AMP_LATER_STORE;
    uint32_t from = inner->behind[owner][later], read = inner->read_at[owner];

    if (from && from <= store->number + 1)
        return true;
    if (inner->owner != owner)
        return store->release & AMP_CARRIED && read && read <= store->number + 1;
    return amp_is_before(inner, store) &&
           (store->release & AMP_FAR || amp_is_kept_behind(inner, store, m->cpu[owner].implicit));
}

static bool goes_first(const struct amp_model *m, const struct amp_inner *inner, const struct amp_pending *store,
                       unsigned owner)
{
    return inner->kind && m->domain[inner->owner] == m->domain[owner] &&
           (amp_is_same_place(inner, store) || amp_goes_behind(m, inner, store, owner));
}

/* What the marks behind an entry order behind it, towards the others. */
static void take_marks(const struct amp_cpu_state *state, unsigned entry, uint32_t behind[AMP_LATERS])
{
    bool is_memory = state->pending[entry].kind == AMP_MEMORY;

    for (unsigned i = entry + 1; i < state->entries; i++) {
        const struct amp_pending *mark = &state->pending[i];
        uint8_t orders = mark->kind == AMP_MARK ? (uint8_t)mark->value : 0;

        if (orders & AMP_WW && (is_memory || orders & AMP_MARK_STORES) && !behind[AMP_LATER_STORE])
            behind[AMP_LATER_STORE] = mark->number + 1;
        if (orders & AMP_WD && is_memory && !behind[AMP_LATER_DOORBELL])
            behind[AMP_LATER_DOORBELL] = mark->number + 1;
        if (orders & AMP_WR && (is_memory || orders & AMP_MARK_DOORBELLS))
            behind[AMP_LATER_LOAD] = 1;
    }
}

static void show_siblings(struct amp_cpu *cpu, unsigned owner, unsigned entry)
{
    struct amp_model *m = cpu->model;
    struct amp_pending store = m->cpu[owner].pending[entry];
    struct amp_inner *inner;
    unsigned slot;

    show_old_ones(cpu);
    slot = free_slot(m);
    if (!amp_is_store(m, &store) || slot == AMP_INNERS) {
        amp_model_broken(m);
        m->cpu[owner].entries = 0;
        return;
    }
    inner = &m->inner[slot];
    *inner = (struct amp_inner){.store = store.store,
                                .value = store.value,
                                .granule = store.granule,
                                .number = store.number,
                                .part = store.part,
                                .owner = (uint8_t)owner,
                                .mask = store.mask,
                                .release = store.release};
    for (unsigned i = 0; i < AMP_INNERS && !amp_observed(m); i++)
        if (goes_first(m, &m->inner[i], &store, owner))
            inner->first.bit[i / 64] |= UINT64_C(1) << (i % 64);
    take_marks(&m->cpu[owner], entry, inner->behind[owner]);
    if (amp_observed(m))
        amp_take_near_marks(m, owner, entry, slot);
    inner->kind = store.kind;
    m->cpu[owner].inner++;
    if (store.kind == AMP_DOORBELL) {
        m->cpu[owner].made = m->now;
        if (m->domain[amp_mailbox_of(store.value)] == m->domain[owner])
            amp_ring_doorbell(cpu, owner, &store);
        else
            trace_silent(m, owner, &store, AMP_FL_SIBLINGS);
    } else {
        amp_write_granule(cpu, owner, &store);
        amp_trace(m, (struct amp_event){.kind = AMP_EV_VISIBLE,
                                        .cpu = (uint8_t)owner,
                                        .flags = AMP_FL_SIBLINGS,
                                        .address = (uint32_t)(m->config.shared_start +
                                                              (uint64_t)store.granule * AMP_GRANULE),
                                        .size = store.mask,
                                        .value = store.value & amp_bits(store.mask),
                                        .store = store.store});
    }
    inner->near = m->now;
    if (amp_observed(m))
        amp_make_copies(cpu, slot, store.orders == AMP_AT_ONCE);
    amp_drop_entry(cpu, owner, entry);
}

void amp_make_step(struct amp_cpu *cpu, unsigned owner, unsigned step)
{
    if (step < AMP_STEP_FAR)
        show_siblings(cpu, owner, step);
    else if (step >= AMP_STEP_SEEN)
        amp_make_seen(cpu, (step - AMP_STEP_SEEN) / AMP_CPUS, (step - AMP_STEP_SEEN) % AMP_CPUS);
    else if (amp_observed(cpu->model))
        amp_let_out(cpu, step - AMP_STEP_FAR);
    else
        show_others(cpu, step - AMP_STEP_FAR);
}

bool amp_push_on(struct amp_cpu *cpu)
{
    return amp_following(cpu->model) ? amp_schedule_drain(cpu) > 0 : amp_push_any(cpu);
}

/* Whatever stands in the way of this CPU's stores is a store that not all see yet. */
bool amp_push_any(struct amp_cpu *cpu)
{
    struct amp_model *m = cpu->model;
    unsigned list[AMP_STEPS], n, owner = cpu->id;

    n = amp_steps(m, owner, list);
    for (unsigned other = 0; n == 0 && other < m->config.cpus; other++)
        n = amp_steps(m, owner = other, list);
    if (n == 0)
        return false;
    amp_make_step(cpu, owner, list[n == 1 ? 0 : cpu->choose(cpu, n, AMP_WHICH_STORE)]);
    return true;
}

/* --- barriers and loads ------------------------------------------------------------------------------------------ */

/* A barrier that orders loads and later stores carries along what was read of a sibling. */
static void carry(struct amp_inner *inner, unsigned cpu, uint32_t next, uint8_t orders)
{
    uint32_t *behind = inner->behind[cpu];

    if (orders & AMP_RW && orders & AMP_WW && !behind[AMP_LATER_STORE])
        behind[AMP_LATER_STORE] = next;
    if (orders & AMP_RW && orders & AMP_WD && !behind[AMP_LATER_DOORBELL])
        behind[AMP_LATER_DOORBELL] = next;
    if (orders & AMP_RR && orders & AMP_WR)
        behind[AMP_LATER_LOAD] = next;
}

static void order_own(struct amp_inner *inner, unsigned cpu, uint32_t next, uint8_t orders)
{
    uint32_t *behind = inner->behind[cpu];

    if (orders & AMP_WW && (inner->kind == AMP_MEMORY || amp_keeps_doorbells(orders)) && !behind[AMP_LATER_STORE])
        behind[AMP_LATER_STORE] = next;
    if (orders & AMP_WD && inner->kind == AMP_MEMORY && !behind[AMP_LATER_DOORBELL])
        behind[AMP_LATER_DOORBELL] = next;
    if (orders & AMP_WR && (inner->kind == AMP_MEMORY || amp_orders_doorbells(orders)))
        behind[AMP_LATER_LOAD] = next;
}

static void raise_both(struct amp_cpu_state *state, uint64_t time)
{
    state->floor = amp_max(state->floor, time);
    state->floor_far = amp_max(state->floor_far, time);
}

void amp_stage_barrier(struct amp_cpu *cpu, struct amp_kept orders)
{
    struct amp_model *m = cpu->model;
    struct amp_cpu_state *state = amp_state(cpu);
    uint32_t next = state->stores + 1;

    if (amp_observed(m)) {
        amp_observe_barrier(cpu, orders);
        return;
    }
    if (orders.near & AMP_RR)
        state->floor = amp_max(state->floor, state->seen);
    if (orders.far & AMP_RR)
        raise_both(state, amp_max(state->seen, state->seen_far));
    if (orders.far & AMP_WR)
        raise_both(state, state->made_far);
    if (orders.far & AMP_RR && orders.far & AMP_WR)
        raise_both(state, state->passed_on);
    for (unsigned i = 0; i < AMP_INNERS; i++) {
        struct amp_inner *inner = &m->inner[i];

        if (inner->kind && inner->owner == cpu->id)
            order_own(inner, cpu->id, next, orders.far);
        else if (inner->kind && inner->read_at[cpu->id])
            carry(inner, cpu->id, next, orders.far);
    }
}

bool amp_loads_wait(struct amp_cpu *cpu)
{
    const struct amp_model *m = cpu->model;

    if (amp_ahead_of_loads(amp_state(cpu)))
        return true;
    if (amp_observed(m))
        return amp_load_awaits(m, cpu->id);
    for (unsigned i = 0; i < AMP_INNERS; i++)
        if (m->inner[i].kind && m->inner[i].behind[cpu->id][AMP_LATER_LOAD])
            return true;
    return false;
}

bool amp_releases_wait(const struct amp_cpu *cpu)
{
    const struct amp_cpu_state *state = &cpu->model->cpu[cpu->id];

    for (unsigned i = 0; i < state->entries; i++)
        if (state->pending[i].kind != AMP_MARK && state->pending[i].release)
            return true;
    for (unsigned i = 0; i < AMP_INNERS; i++)
        if (cpu->model->inner[i].kind && cpu->model->inner[i].owner == cpu->id && cpu->model->inner[i].release)
            return true;
    return false;
}

static void note_read(struct amp_cpu *cpu, struct amp_inner *inner, struct amp_kept orders)
{
    uint32_t next = amp_state(cpu)->stores + 1;

    if (!inner->read_at[cpu->id])
        inner->read_at[cpu->id] = next;
    if (amp_observed(cpu->model)) {
        amp_carry_along(cpu, (unsigned)(inner - cpu->model->inner), orders);
        return;
    }
    carry(inner, cpu->id, next, amp_state(cpu)->implicit);
    carry(inner, cpu->id, next, orders.far);
}

/* What it has read all see since then: so does what its barriers put behind it. */
static void note_passed(struct amp_cpu *cpu, uint64_t far, struct amp_kept orders)
{
    struct amp_cpu_state *state = amp_state(cpu);
    const uint8_t each[] = {state->implicit, orders.far};

    state->passed_on = amp_max(state->passed_on, far);
    for (unsigned n = 0; n < 2; n++)
        if (each[n] & AMP_RR && each[n] & AMP_WR)
            raise_both(state, far);
}

void amp_stage_read(struct amp_cpu *cpu, uint64_t write, struct amp_kept orders)
{
    struct amp_model *m = cpu->model;
    uint64_t far = amp_log(m, write)->far;

    for (unsigned i = 0; i < AMP_INNERS && (!far || amp_observed(m)); i++)
        if (m->inner[i].kind == AMP_MEMORY && m->inner[i].near == write)
            note_read(cpu, &m->inner[i], orders);
    if (amp_observed(m))
        amp_observe_read(cpu, write, orders);
    note_passed(cpu, far, orders);
}

/* A sibling's doorbell is carried along as its other stores are: what it was ordered behind is. */
void amp_stage_heard(struct amp_cpu *cpu, const struct amp_mail *mail)
{
    struct amp_model *m = cpu->model;
    const struct amp_kept none = {0};

    if (!amp_staged(m) || mail->cpu == cpu->id || m->domain[mail->cpu % AMP_CPUS] != m->domain[cpu->id])
        return;
    for (unsigned i = 0; i < AMP_INNERS && !mail->far; i++)
        if (m->inner[i].kind == AMP_DOORBELL && m->inner[i].owner == mail->cpu && m->inner[i].number == mail->number)
            note_read(cpu, &m->inner[i], none);
    note_passed(cpu, mail->far, none);
}
