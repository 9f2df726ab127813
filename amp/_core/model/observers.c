/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * observers.c - stores that reach the others one by one, on machines that are not multi-copy atomic.
 *
 * These are the nodes of the explorer's graph (graph.h) as steps in time. A store is made, and its siblings may see it; it
 * leaves its domain, and the others may. Each of them then sees it, one by one and in any order: *it or a newer one there*, so
 * who sees a newer store owes nothing to an older, and sees nothing older. Stores are in coherence order as they are made. A
 * barrier puts what it orders, and what its CPU has read and it carries along, before what comes behind it: all that it
 * reaches have seen it by then. Where all are at one distance a store leaves its domain as it is made.
 *
 * What a step waits for has always been made earlier than the store whose step it is; so some step may always go.
 */
#include <string.h>

#include "bell.h"
#include "schedule.h"

static bool are_siblings(const struct amp_model *m, unsigned a, unsigned b)
{
    return m->domain[a] == m->domain[b];
}

/* The siblings of a CPU, without it, a bit each. */
static unsigned siblings_of(const struct amp_model *m, unsigned cpu)
{
    unsigned found = 0;

    for (unsigned i = 0; i < m->config.cpus; i++)
        found |= (unsigned)(i != cpu && are_siblings(m, cpu, i)) << i;
    return found;
}

static bool is_copied(const struct amp_model *m, unsigned cpu)
{
    return m->copied >> cpu & 1;
}

/* --- what may go ------------------------------------------------------------------------------------------------- */

/* Is a store ordered behind an inner one, towards its own CPU's siblings? */
static bool goes_behind_near(const struct amp_model *m, unsigned slot, const struct amp_pending *store, unsigned owner)
{
    const struct amp_inner *inner = &m->inner[slot];
    enum amp_later later = store->kind == AMP_DOORBELL ? AMP_LATER_DOORBELL : AMP_LATER_STORE;
    uint32_t from = m->copies[slot].behind_near[owner][later], read = inner->read_at[owner];
    uint8_t carried = are_siblings(m, inner->owner, owner) ? AMP_CARRIED_NEAR : AMP_CARRIED_IN;

    if (from && from <= store->number + 1)
        return true;
    if (inner->owner != owner)
        return store->release & carried && read && read <= store->number + 1;
    return amp_is_before(inner, store) &&
           (store->release & AMP_NEAR || amp_is_kept_behind(inner, store, m->cpu[owner].implicit));
}

static bool shares_bytes(const struct amp_inner *inner, uint32_t granule, uint8_t mask)
{
    return inner->kind == AMP_MEMORY && inner->granule == granule && inner->mask & mask;
}

/* Has that CPU written there before, and its own domain alone sees it yet? Then nothing newer of the others comes in. */
static bool keeps_out(const struct amp_model *m, unsigned by, uint32_t granule, uint8_t mask, uint64_t before)
{
    for (unsigned i = 0; i < m->inner_top; i++)
        if (m->inner[i].owner == by && shares_bytes(&m->inner[i], granule, mask) && m->copies[i].place < before &&
            !m->copies[i].is_out)
            return true;
    return false;
}

static bool may_come_to(const struct amp_model *m, unsigned slot, unsigned by)
{
    const struct amp_inner *inner = &m->inner[slot];

    if (are_siblings(m, inner->owner, by))
        return true;
    return m->copies[slot].is_out && !keeps_out(m, by, inner->granule, inner->mask, m->copies[slot].place);
}

/* What a write of these bytes brings with it for CPU `by`: places of older ones, a bit each, that share bytes with it, or
 * with one of those. False: one of them, that is not wholly overwritten, may not come there yet. */
static bool older_of(const struct amp_model *m, unsigned by, uint32_t granule, uint8_t mask, uint64_t before,
                     struct amp_inners *older)
{
    uint8_t shared = mask;

    *older = (struct amp_inners){{0}};
    for (bool grown = true; grown;) {
        grown = false;
        for (unsigned i = 0; i < m->inner_top; i++) {
            const struct amp_inner *inner = &m->inner[i];

            if (!shares_bytes(inner, granule, shared) || m->copies[i].place >= before || !(m->copies[i].left >> by & 1) ||
                older->bit[i / 64] >> (i % 64) & 1)
                continue;
            if (inner->mask & ~mask && !may_come_to(m, i, by))
                return false;
            if (!are_siblings(m, inner->owner, by) && keeps_out(m, by, granule, inner->mask, m->copies[i].place))
                return false;
            older->bit[i / 64] |= UINT64_C(1) << (i % 64);
            grown |= (inner->mask & ~shared) != 0;
            shared |= inner->mask;
        }
    }
    return true;
}

bool amp_may_see(const struct amp_model *m, unsigned slot, unsigned by)
{
    const struct amp_inner *inner = &m->inner[slot];
    struct amp_inners older;

    return inner->kind == AMP_MEMORY && m->copies[slot].left >> by & 1 && may_come_to(m, slot, by) &&
           older_of(m, by, inner->granule, inner->mask, m->copies[slot].place, &older);
}

/* All at a distance see the stores of some CPUs at once: they all may. */
static bool may_all_see(const struct amp_model *m, unsigned owner, const struct amp_pending *store, uint64_t before, bool near)
{
    struct amp_inners older;

    for (unsigned i = 0; i < m->config.cpus; i++)
        if (i != owner && are_siblings(m, i, owner) == near &&
            ((!near && keeps_out(m, i, store->granule, store->mask, before)) ||
             !older_of(m, i, store->granule, store->mask, before, &older)))
            return false;
    return true;
}

/* Another domain's store there, which all of the others see at once or a mailbox gets, is out before one of these. */
static bool is_owned(const struct amp_model *m, unsigned slot, unsigned owner, const struct amp_pending *store)
{
    const struct amp_inner *inner = &m->inner[slot];

    return !are_siblings(m, inner->owner, owner) && !m->copies[slot].is_out && amp_is_same_place(inner, store) &&
           (inner->kind == AMP_DOORBELL || !is_copied(m, inner->owner));
}

bool amp_may_make(const struct amp_model *m, unsigned owner, const struct amp_pending *store)
{
    unsigned siblings = siblings_of(m, owner);
    struct amp_inners older;

    for (unsigned i = 0; i < m->inner_top; i++) {
        const struct amp_inner *inner = &m->inner[i];

        if (!inner->kind)
            continue;
        if (m->copies[i].left & siblings && goes_behind_near(m, i, store, owner))
            return false;
        if (!are_siblings(m, inner->owner, owner) && amp_goes_behind(m, inner, store, owner)) /* read of the others */
            return false;
        if (is_owned(m, i, owner, store))
            return false;
    }
    if (store->kind != AMP_MEMORY)
        return true;
    return older_of(m, owner, store->granule, store->mask, UINT64_MAX, &older) &&
           (is_copied(m, owner) || may_all_see(m, owner, store, UINT64_MAX, true));
}

bool amp_may_leave(const struct amp_model *m, unsigned slot)
{
    const struct amp_inner *inner = &m->inner[slot];
    const struct amp_pending store = amp_store_of(inner);

    if (m->copies[slot].is_out)
        return false;
    for (unsigned i = 0; i < m->inner_top; i++) {
        const struct amp_inner *other = &m->inner[i];

        if (i == slot || !other->kind)
            continue;
        if (amp_goes_behind(m, other, &store, inner->owner))
            return false;
        if (other->owner == inner->owner && !m->copies[i].is_out && amp_is_same_place(other, &store) &&
            amp_is_before(other, &store))
            return false;
    }
    return inner->kind != AMP_MEMORY || is_copied(m, inner->owner) ||
           may_all_see(m, inner->owner, &store, m->copies[slot].place, false);
}

unsigned amp_sightings(const struct amp_model *m, unsigned owner, unsigned out[AMP_STEPS])
{
    unsigned n = 0;

    for (unsigned slot = 0; m->cpu[owner].inner && slot < m->inner_top; slot++) {
        if (!m->inner[slot].kind || m->inner[slot].owner != owner)
            continue;
        if (amp_may_leave(m, slot))
            out[n++] = AMP_STEP_FAR + slot;
        for (unsigned by = 0; by < m->config.cpus; by++)
            if (amp_may_see(m, slot, by))
                out[n++] = AMP_STEP_SEEN + slot * AMP_CPUS + by;
    }
    return n;
}

/* --- steps ------------------------------------------------------------------------------------------------------- */

static void raise_both(struct amp_cpu_state *state, uint64_t time)
{
    state->floor = amp_max(state->floor, time);
    state->floor_far = amp_max(state->floor_far, time);
}

/* All see it: nobody waits for it any more. */
static void close_place(struct amp_model *m, unsigned slot)
{
    struct amp_inner *inner = &m->inner[slot];

    if (!inner->kind || m->copies[slot].left || !m->copies[slot].is_out)
        return;
    if (inner->release)
        m->cpu[inner->owner].released = m->now;
    m->cpu[inner->owner].inner--;
    inner->kind = 0;
    while (m->inner_top && !m->inner[m->inner_top - 1].kind)
        m->inner_top--;
}

/* Later loads of who waits for it are not before now, nor what is behind a barrier of who has read it. */
static void note_step(struct amp_model *m, unsigned slot, unsigned seen_by)
{
    const struct amp_inner *inner = &m->inner[slot];

    for (unsigned cpu = 0; cpu < m->config.cpus; cpu++) {
        struct amp_cpu_state *state = &m->cpu[cpu];
        bool to_sibling = siblings_of(m, cpu) >> seen_by & 1, is_sibling = are_siblings(m, cpu, inner->owner);

        if (inner->behind[cpu][AMP_LATER_LOAD])
            raise_both(state, m->now);
        if (to_sibling && m->copies[slot].behind_near[cpu][AMP_LATER_LOAD]) {
            state->floor = amp_max(state->floor, m->now);
            if (!is_sibling)
                state->floor_far = amp_max(state->floor_far, m->now);
        }
        if (cpu == inner->owner) {
            state->made_far = m->now;
            if (to_sibling)
                state->made = m->now;
        } else if (inner->read_at[cpu]) {
            state->passed_on = m->now;
            if (to_sibling)
                *(is_sibling ? &state->passed_near : &state->passed_in) = m->now;
        }
    }
}

static void trace_step(struct amp_model *m, const struct amp_inner *inner, enum amp_event_kind kind, uint8_t by)
{
    amp_trace(m, (struct amp_event){.kind = kind,
                                    .cpu = inner->owner,
                                    .primitive = by,
                                    .address = (uint32_t)(m->config.shared_start + (uint64_t)inner->granule * AMP_GRANULE),
                                    .size = inner->mask,
                                    .value = inner->value & amp_bits(inner->mask),
                                    .store = inner->store});
}

static void note_sight(struct amp_cpu *cpu, unsigned slot, unsigned by)
{
    struct amp_model *m = cpu->model;
    struct amp_inner *inner = &m->inner[slot];

    m->copies[slot].left &= (uint8_t)~(1u << by);
    if (amp_logged(m, inner->near))
        amp_sights(m, inner->near)->at[by] = m->now;
    note_step(m, slot, by);
    if (!m->copies[slot].left && m->copies[slot].is_out)
        trace_step(m, inner, AMP_EV_VISIBLE, 0);
    close_place(m, slot);
}

/* CPU `by` sees a write of these bytes, and so nothing older. */
static void note_older(struct amp_cpu *cpu, unsigned by, uint32_t granule, uint8_t mask, uint64_t before)
{
    struct amp_model *m = cpu->model;
    struct amp_inners older;

    older_of(m, by, granule, mask, before, &older);
    for (unsigned i = 0; i < AMP_INNERS; i++)
        if (older.bit[i / 64] >> (i % 64) & 1)
            note_sight(cpu, i, by);
}

/* The time is taken; it is no write of its own. */
static void pass_time(struct amp_model *m)
{
    *amp_log(m, ++m->now) = (struct amp_write){.granule = UINT32_MAX};
}

static bool is_sound(struct amp_cpu *cpu, unsigned slot)
{
    struct amp_model *m = cpu->model;
    struct amp_pending store = amp_store_of(&m->inner[slot]);

    if (amp_is_store(m, &store) && m->inner[slot].owner < m->config.cpus && m->cpu[m->inner[slot].owner].inner)
        return true;
    amp_model_broken(m);
    memset(m->inner, 0, sizeof m->inner);
    m->inner_top = 0;
    return false;
}

static void see(struct amp_cpu *cpu, unsigned slot, unsigned by)
{
    struct amp_inner inner = cpu->model->inner[slot];

    trace_step(cpu->model, &inner, AMP_EV_SEEN, (uint8_t)by);
    note_older(cpu, by, inner.granule, inner.mask, cpu->model->copies[slot].place);
    note_sight(cpu, slot, by);
}

void amp_make_seen(struct amp_cpu *cpu, unsigned slot, unsigned by)
{
    if (!is_sound(cpu, slot))
        return;
    pass_time(cpu->model);
    see(cpu, slot, by);
}

/* Which writes the store may stand behind, newest first: its CPU has seen none of them, and all not seen by all that touch the
 * granule are of its siblings, and of the same bytes. How many. */
static unsigned newer_unseen(const struct amp_model *m, const struct amp_inner *store, unsigned newer[AMP_INNERS])
{
    unsigned n = 0;
    bool by_siblings = true;

    for (unsigned i = 0; i < m->inner_top; i++) {
        const struct amp_inner *inner = &m->inner[i];

        if (inner == store || inner->kind != AMP_MEMORY || inner->granule != store->granule)
            continue;
        by_siblings &= are_siblings(m, inner->owner, store->owner) && is_copied(m, inner->owner) && inner->mask == store->mask;
        if (m->copies[i].left >> store->owner & 1) {
            unsigned at = n++;

            for (; at > 0 && m->copies[newer[at - 1]].place < m->copies[i].place; at--)
                newer[at] = newer[at - 1];
            newer[at] = i;
        }
    }
    for (unsigned i = 0; i < n; i++) /* nothing comes between an atomic's load and its store */
        if (m->copies[newer[i]].at_once)
            n = i;
    return by_siblings ? n : 0;
}

/* The newest write of its granule, `store`, goes behind an older one, the write `above`: what it overwrote is there again. */
static void move_below(struct amp_cpu *cpu, uint64_t store, uint64_t above)
{
    struct amp_model *m = cpu->model;
    struct amp_write *write = amp_log(m, store), *next = amp_log(m, above);
    uint64_t bits = amp_bits(write->mask), place = amp_sights(m, above)->place, older = next->older, bytes;
    uint8_t *at = cpu->memory + m->config.shared_start + (uint64_t)write->granule * AMP_GRANULE;
    uint64_t least = amp_logged(m, older) ? amp_sights(m, older)->place : 0;

    if (place - least < 2)
        return; /* no number is left between the two */
    memcpy(&bytes, at, sizeof bytes);
    bytes = (bytes & ~bits) | write->before;
    memcpy(at, &bytes, sizeof bytes);
    amp_heads(m)[write->granule] = write->older;
    write->before = next->before & bits;
    next->before = (next->before & ~bits) | write->value;
    write->older = older;
    next->older = store;
    amp_sights(m, store)->place = least + (place - least) / 2;
}

static void note_overwritten(struct amp_model *m, unsigned slot, unsigned newer)
{
    struct amp_sights *sights = amp_sights(m, m->inner[slot].near), *others = amp_sights(m, m->inner[newer].near);

    m->copies[slot].left &= m->copies[newer].left;
    for (unsigned i = 0; i < m->config.cpus; i++)
        sights->at[i] = sights->at[i] ? sights->at[i] : others->at[i];
}

/* Coherence is no order of time: a store may stand behind those that its CPU has not seen. Who has seen one of them owes
 * nothing to this one. */
static void place_in_order(struct amp_cpu *cpu, unsigned slot)
{
    struct amp_model *m = cpu->model;
    struct amp_inner *inner = &m->inner[slot];
    unsigned newer[AMP_INNERS], n = newer_unseen(m, inner, newer), back;

    if (n == 0 || amp_following(m) || (back = cpu->choose(cpu, n + 1, AMP_WHICH_WRITE)) == 0)
        return;
    move_below(cpu, inner->near, m->inner[newer[back - 1]].near);
    m->copies[slot].place = amp_sights(m, inner->near)->place;
    for (unsigned i = 0; i < back; i++)
        note_overwritten(m, slot, newer[i]);
}

void amp_make_copies(struct amp_cpu *cpu, unsigned slot, bool at_once)
{
    struct amp_model *m = cpu->model;
    struct amp_inner *inner = &m->inner[slot];
    unsigned all = (1u << m->config.cpus) - 1, near = siblings_of(m, inner->owner), far = all & ~near & ~(1u << inner->owner);

    m->inner_top = slot < m->inner_top ? m->inner_top : slot + 1;
    m->copies[slot].is_out = !far;
    m->copies[slot].left = 0;
    m->copies[slot].at_once = at_once;
    if (inner->kind == AMP_DOORBELL) { /* it has come to a sibling; to another when it is out */
        m->copies[slot].left = (uint8_t)(far & 1u << amp_mailbox_of(inner->value));
        close_place(m, slot);
        return;
    }
    *amp_sights(m, inner->near) = (struct amp_sights){.place = inner->near << 16};
    amp_sights(m, inner->near)->at[inner->owner] = m->now;
    m->cpu[inner->owner].made = m->now;
    m->copies[slot].place = inner->near << 16;
    m->copies[slot].left = (uint8_t)(near | far);
    if (is_copied(m, inner->owner))
        place_in_order(cpu, slot);
    note_older(cpu, inner->owner, inner->granule, inner->mask, m->copies[slot].place);
    for (unsigned i = 0; !is_copied(m, inner->owner) && i < m->config.cpus; i++)
        if (near >> i & 1)
            see(cpu, slot, i);
    if (inner->kind && !m->copies[slot].left && m->copies[slot].is_out) /* it is overwritten already wherever it might come */
        trace_step(m, inner, AMP_EV_VISIBLE, 0);
    close_place(m, slot);
}

void amp_let_out(struct amp_cpu *cpu, unsigned slot)
{
    struct amp_model *m = cpu->model;
    struct amp_inner inner = m->inner[slot];
    struct amp_pending store = amp_store_of(&inner);
    unsigned target;

    if (!is_sound(cpu, slot))
        return;
    pass_time(m);
    m->copies[slot].is_out = true;
    note_step(m, slot, AMP_CPUS); /* no CPU in particular */
    if (amp_logged(m, inner.near))
        amp_log(m, inner.near)->far = m->now;
    if (inner.kind == AMP_DOORBELL) {
        target = amp_mailbox_of(inner.value);
        m->copies[slot].left = 0;
        if (are_siblings(m, target, inner.owner)) {
            amp_trace(m, (struct amp_event){.kind = AMP_EV_VISIBLE, .cpu = inner.owner, .store = inner.store});
            amp_doorbell_out(m, inner.owner, &store);
        } else {
            amp_ring_doorbell(cpu, inner.owner, &store);
        }
    } else if (is_copied(m, inner.owner)) {
        trace_step(m, &inner, AMP_EV_SEEN, (uint8_t)inner.owner);
    } else {
        for (unsigned i = 0; i < m->config.cpus; i++)
            if (m->inner[slot].kind && m->copies[slot].left >> i & 1 && !are_siblings(m, i, inner.owner))
                see(cpu, slot, i);
        return;
    }
    close_place(m, slot);
}

/* --- barriers and loads ------------------------------------------------------------------------------------------ */

void amp_take_near_marks(struct amp_model *m, unsigned owner, unsigned entry, unsigned slot)
{
    const struct amp_cpu_state *state = &m->cpu[owner];
    bool is_memory = state->pending[entry].kind == AMP_MEMORY;
    uint32_t *behind = m->copies[slot].behind_near[owner];

    memset(m->copies[slot].behind_near, 0, sizeof m->copies[slot].behind_near);
    for (unsigned i = entry + 1; i < state->entries; i++) {
        const struct amp_pending *mark = &state->pending[i];
        uint8_t orders = mark->kind == AMP_MARK ? mark->orders : 0;

        if (orders & AMP_WW && (is_memory || orders & AMP_MARK_STORES) && !behind[AMP_LATER_STORE])
            behind[AMP_LATER_STORE] = mark->number + 1;
        if (orders & AMP_WD && is_memory && !behind[AMP_LATER_DOORBELL])
            behind[AMP_LATER_DOORBELL] = mark->number + 1;
        if (orders & AMP_WR && (is_memory || orders & AMP_MARK_DOORBELLS))
            behind[AMP_LATER_LOAD] = 1;
    }
}

/* From the store `next` - 1 on: what orders of loads and of stores, both, keep behind what was read. */
static void carry(uint32_t behind[AMP_LATERS], uint32_t next, uint8_t loads, uint8_t stores)
{
    if (loads & AMP_RW && stores & AMP_WW && !behind[AMP_LATER_STORE])
        behind[AMP_LATER_STORE] = next;
    if (amp_keeps_for_doorbells(loads) && stores & AMP_WD && !behind[AMP_LATER_DOORBELL])
        behind[AMP_LATER_DOORBELL] = next;
    if (loads & AMP_RR && stores & AMP_WR)
        behind[AMP_LATER_LOAD] = next;
}

static void order_own(uint32_t behind[AMP_LATERS], bool is_memory, uint32_t next, uint8_t orders)
{
    if (orders & AMP_WW && (is_memory || amp_keeps_doorbells(orders)) && !behind[AMP_LATER_STORE])
        behind[AMP_LATER_STORE] = next;
    if (orders & AMP_WD && is_memory && !behind[AMP_LATER_DOORBELL])
        behind[AMP_LATER_DOORBELL] = next;
    if (orders & AMP_WR && (is_memory || amp_orders_doorbells(orders)))
        behind[AMP_LATER_LOAD] = next;
}

/* Of what was read: towards all where the orders of stores reach them, too; to siblings what is of siblings, and of the
 * others where the orders of loads reach those. */
static void carry_all(struct amp_model *m, unsigned cpu, unsigned slot, uint32_t next, struct amp_kept orders)
{
    bool is_sibling = are_siblings(m, cpu, m->inner[slot].owner);

    carry(m->inner[slot].behind[cpu], next, orders.far, orders.far);
    carry(m->copies[slot].behind_near[cpu], next, is_sibling ? orders.near : orders.far, orders.near);
}

void amp_observe_barrier(struct amp_cpu *cpu, struct amp_kept orders)
{
    struct amp_model *m = cpu->model;
    struct amp_cpu_state *state = amp_state(cpu);
    uint32_t next = state->stores + 1;

    if (orders.near & AMP_RR)
        state->floor = amp_max(state->floor, state->seen);
    if (orders.far & AMP_RR)
        raise_both(state, amp_max(state->seen, state->seen_far));
    if (orders.near & AMP_WR)
        state->floor = amp_max(state->floor, state->made);
    if (orders.far & AMP_WR)
        raise_both(state, state->made_far);
    if (orders.near & AMP_RR && orders.near & AMP_WR)
        state->floor = amp_max(state->floor, state->passed_near);
    if (orders.far & AMP_RR && orders.near & AMP_WR)
        raise_both(state, state->passed_in);
    if (orders.far & AMP_RR && orders.far & AMP_WR)
        raise_both(state, state->passed_on);
    for (unsigned i = 0; i < m->inner_top; i++) {
        struct amp_inner *inner = &m->inner[i];

        if (!inner->kind)
            continue;
        if (inner->owner != cpu->id) {
            if (inner->read_at[cpu->id])
                carry_all(m, cpu->id, i, next, orders);
            continue;
        }
        order_own(inner->behind[cpu->id], inner->kind == AMP_MEMORY, next, orders.far);
        order_own(m->copies[i].behind_near[cpu->id], inner->kind == AMP_MEMORY, next, orders.near);
    }
}

void amp_carry_along(struct amp_cpu *cpu, unsigned slot, struct amp_kept orders)
{
    const struct amp_cpu_state *state = amp_state(cpu);

    carry_all(cpu->model, cpu->id, slot, state->stores + 1, (struct amp_kept){state->implicit, state->implicit});
    carry_all(cpu->model, cpu->id, slot, state->stores + 1, orders);
}

/* Who has seen by now what this CPU has read. */
void amp_observe_read(struct amp_cpu *cpu, uint64_t write, struct amp_kept orders)
{
    struct amp_model *m = cpu->model;
    struct amp_cpu_state *state = amp_state(cpu);
    const struct amp_sights *sights = amp_sights(m, write);
    unsigned siblings = siblings_of(m, cpu->id), owner = amp_log(m, write)->owner;
    uint64_t *passed_in = are_siblings(m, cpu->id, owner) ? &state->passed_near : &state->passed_in, all = 0;

    for (unsigned i = 0; i < m->config.cpus; i++) {
        if (i == owner)
            continue;
        all = amp_max(all, sights->at[i]);
        if (siblings >> i & 1)
            *passed_in = amp_max(*passed_in, sights->at[i]);
    }
    state->passed_on = amp_max(state->passed_on, all);
    if ((state->implicit | orders.near) & AMP_WR && (state->implicit | orders.near) & AMP_RR)
        raise_both(state, all);
}

/* A load waits for that store: all see it, or the siblings of the load's CPU do. */
static bool is_awaited(const struct amp_model *m, unsigned slot, unsigned cpu)
{
    const struct amp_inner *inner = &m->inner[slot];

    return inner->kind && (inner->behind[cpu][AMP_LATER_LOAD] || (m->copies[slot].behind_near[cpu][AMP_LATER_LOAD] &&
                                                                  m->copies[slot].left & siblings_of(m, cpu)));
}

bool amp_load_awaits(const struct amp_model *m, unsigned cpu)
{
    for (unsigned i = 0; i < m->inner_top; i++)
        if (is_awaited(m, i, cpu))
            return true;
    return false;
}

bool amp_push_awaited(struct amp_cpu *cpu)
{
    struct amp_model *m = cpu->model;
    unsigned list[AMP_STEPS], n = 0;

    if (!amp_observed(m) || amp_following(m))
        return false;
    for (unsigned slot = 0; slot < m->inner_top; slot++) {
        if (!is_awaited(m, slot, cpu->id))
            continue;
        if (amp_may_leave(m, slot))
            list[n++] = AMP_STEP_FAR + slot;
        for (unsigned by = 0; by < m->config.cpus; by++)
            if (amp_may_see(m, slot, by))
                list[n++] = AMP_STEP_SEEN + slot * AMP_CPUS + by;
    }
    if (n == 0)
        return false;
    amp_make_step(cpu, cpu->id, list[n == 1 ? 0 : cpu->choose(cpu, n, AMP_WHICH_STORE)]);
    return true;
}

bool amp_sees_newest(const struct amp_model *m, unsigned cpu, uint32_t granule, uint8_t mask)
{
    for (unsigned i = 0; i < m->inner_top; i++)
        if (shares_bytes(&m->inner[i], granule, mask) && m->copies[i].left >> cpu & 1)
            return false;
    return true;
}

bool amp_see_newest(struct amp_cpu *cpu, uint32_t granule, uint8_t mask)
{
    struct amp_model *m = cpu->model;

    if (amp_following(m))
        return false;
    for (unsigned i = 0; i < m->inner_top; i++)
        if (shares_bytes(&m->inner[i], granule, mask) && amp_may_see(m, i, cpu->id)) {
            amp_make_seen(cpu, i, cpu->id);
            return true;
        }
    return false;
}
