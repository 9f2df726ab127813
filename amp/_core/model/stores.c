/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stores.c - pending stores: which of them may become visible next, and what happens when one does.
 *
 * A pending store may become visible unless something ahead of it in program order holds it back: a store to an
 * overlapping location, a mark, or (a release, or hardware that keeps W->W) any store at all.
 */
#include <string.h>

#include "bell.h"
#include "schedule.h"

/* Which kinds of store a mark holds back, given the kinds still pending ahead of it. */
static unsigned held_by(const struct amp_pending *mark, unsigned ahead)
{
    unsigned held = 0;

    if (mark->orders & AMP_WW && ahead & (AMP_MEMORY | (mark->orders & AMP_MARK_STORES ? AMP_DOORBELL : 0)))
        held |= AMP_MEMORY;
    if (mark->orders & AMP_WD && ahead & AMP_MEMORY)
        held |= AMP_DOORBELL;
    return held;
}

static bool overlaps_earlier(const struct amp_cpu_state *state, unsigned entry)
{
    const struct amp_pending *store = &state->pending[entry];

    for (unsigned i = 0; i < entry; i++)
        if (state->pending[i].granule == store->granule && state->pending[i].mask & store->mask)
            return true;
    return false;
}

/* Hardware that keeps W->W keeps it for each kind it names; doorbells of one CPU never overtake one another. */
static unsigned kept_by_hardware(const struct amp_cpu_state *state, unsigned ahead)
{
    unsigned held = ahead & AMP_DOORBELL;

    if (state->implicit & AMP_WW && ahead)
        held |= AMP_MEMORY;
    if (state->implicit & AMP_WD && ahead & AMP_MEMORY)
        held |= AMP_DOORBELL;
    return held;
}

/* The kinds of store that a release waits for. */
static unsigned awaited(const struct amp_pending *release)
{
    return AMP_MEMORY | (release->release & AMP_BEHIND_DOORBELLS ? AMP_DOORBELL : 0);
}

unsigned amp_eligible(const struct amp_cpu_state *state, unsigned out[AMP_STORES])
{
    unsigned n = 0, ahead = 0, held = 0;
    uint64_t ahead_here[8] = {0}; /* a filter: bit set if a granule of that number modulo 512 is ahead */

    for (unsigned i = 0; i < state->entries; i++) {
        const struct amp_pending *store = &state->pending[i];
        uint64_t bit = UINT64_C(1) << (store->granule & 63), *granules = &ahead_here[store->granule >> 6 & 7];

        if (store->kind == AMP_MARK) {
            held |= held_by(store, ahead);
            continue;
        }
        held |= kept_by_hardware(state, ahead);
        if (!(held & store->kind) && !(store->release & AMP_NEAR && ahead & awaited(store)) &&
            !(store->kind == AMP_MEMORY && *granules & bit && overlaps_earlier(state, i)))
            out[n++] = i;
        ahead |= store->kind;
        if (store->kind == AMP_MEMORY)
            *granules |= bit;
        if (held == (AMP_MEMORY | AMP_DOORBELL))
            break;
    }
    return n;
}

static void drop_entries(struct amp_cpu_state *state, unsigned first, unsigned n)
{
    state->entries -= n;
    memmove(&state->pending[first], &state->pending[first + n], (state->entries - first) * sizeof state->pending[0]);
    memmove(&state->origin[first], &state->origin[first + n], (state->entries - first) * sizeof state->origin[0]);
}

/* The loads behind a mark are not before that time, nor is a status of which its W->R is. */
static void raise_behind(struct amp_cpu_state *state, uint64_t time, uint8_t mark)
{
    state->floor = amp_max(state->floor, time);
    if (mark & AMP_MARK_STATUS)
        state->status_floor = amp_max(state->status_floor, time);
}

/* Marks with nothing ahead of them order nothing any more; what stood ahead of a W->R is visible as of now. */
static void drop_leading_marks(struct amp_cpu *cpu, unsigned owner)
{
    struct amp_cpu_state *state = &cpu->model->cpu[owner];
    unsigned marks = 0;

    for (; marks < state->entries && state->pending[marks].kind == AMP_MARK; marks++)
        if (state->pending[marks].orders & AMP_WR)
            raise_behind(state, cpu->model->now, state->pending[marks].orders);
    if (marks)
        drop_entries(state, 0, marks);
}

void amp_drop_entry(struct amp_cpu *cpu, unsigned owner, unsigned entry)
{
    drop_entries(&cpu->model->cpu[owner], entry, 1);
    drop_leading_marks(cpu, owner);
}

/* The newest write from `t` on, going back, that touches a byte outside `mask`. */
static uint64_t newest_outside(struct amp_model *m, uint64_t t, uint8_t mask)
{
    while (amp_logged(m, t) && !(amp_log(m, t)->mask & ~mask))
        t = amp_log(m, t)->other; /* those between touch no byte that write t does not */
    return t;
}

void amp_write_granule(struct amp_cpu *cpu, unsigned owner, const struct amp_pending *store)
{
    struct amp_model *m = cpu->model;
    uint64_t *head = &amp_heads(m)[store->granule];
    uint8_t *bytes = cpu->memory + m->config.shared_start + (uint64_t)store->granule * AMP_GRANULE;
    uint64_t bits = amp_bits(store->mask), other = newest_outside(m, *head, store->mask), old;
    struct amp_write *write = amp_log(m, ++m->now);

    memcpy(&old, bytes, sizeof old);
    *write = (struct amp_write){.value = store->value & bits,
                                .before = old & bits,
                                .older = *head,
                                .other = other,
                                .store = store->store,
                                .granule = store->granule,
                                .mask = store->mask,
                                .owner = (uint8_t)owner,
                                .number = store->number};
    write->known[owner] = store->mask;
    old = (old & ~bits) | write->value;
    memcpy(bytes, &old, sizeof old);
    *head = m->now;
    m->cpu[owner].made = m->now;
    if (store->release && !amp_staged(m)) /* with siblings: when all see it */
        m->cpu[owner].released = m->now;
}

/* Does it lead where the model's own stores do? */
bool amp_is_store(const struct amp_model *m, const struct amp_pending *store)
{
    uint64_t granules = (m->config.shared_end - m->config.shared_start) / AMP_GRANULE;

    return store->kind == AMP_DOORBELL ? store->value < 2 * AMP_CPUS && amp_mailbox_of(store->value) < m->config.cpus
                                       : store->kind == AMP_MEMORY && store->granule < granules;
}

void amp_make_visible(struct amp_cpu *cpu, unsigned owner, unsigned entry)
{
    struct amp_model *m = cpu->model;
    struct amp_pending store = m->cpu[owner].pending[entry];

    if (!amp_is_store(m, &store)) {
        amp_model_broken(m);
        m->cpu[owner].entries = 0; /* whoever waits for them to leave goes on, and is told at the end of its access */
        return;
    }
    drop_entries(&m->cpu[owner], entry, 1);
    if (store.kind == AMP_DOORBELL) {
        amp_ring_doorbell(cpu, owner, &store);
    } else {
        amp_write_granule(cpu, owner, &store);
        amp_trace(m, (struct amp_event){.kind = AMP_EV_VISIBLE,
                                        .cpu = (uint8_t)owner,
                                        .address = (uint32_t)(m->config.shared_start +
                                                              (uint64_t)store.granule * AMP_GRANULE),
                                        .size = store.mask,
                                        .value = store.value & amp_bits(store.mask),
                                        .store = store.store});
    }
    drop_leading_marks(cpu, owner);
}

/* `list` names entries that may go, in order. One went; from the list too, and those behind it stand further ahead now. */
static unsigned strike_out(unsigned list[], unsigned n, unsigned picked, unsigned dropped)
{
    /* `dropped` above 1: it was the first of all, and the marks behind it went with it. */
    for (unsigned i = picked; i < n - 1; i++)
        list[i] = list[i + 1] - dropped;
    return n - 1;
}

/* With siblings: each step may let others go, so they are looked for anew. Not inlined: its list is long. */
static __attribute__((noinline)) unsigned drain_stages(struct amp_cpu *cpu, unsigned owner, unsigned most)
{
    unsigned list[AMP_STEPS], done = 0, n;

    while (done < most && (n = amp_steps(cpu->model, owner, list))) {
        amp_make_step(cpu, owner, list[n == 1 ? 0 : cpu->choose(cpu, n, AMP_WHICH_STORE)]);
        done++;
    }
    return done;
}

bool amp_may_drain(const struct amp_model *m, unsigned owner)
{
    unsigned list[AMP_STEPS];

    return amp_staged(m) ? amp_steps(m, owner, list) > 0 : m->cpu[owner].entries > 0;
}

unsigned amp_drain(struct amp_cpu *cpu, unsigned owner, unsigned most)
{
    const struct amp_cpu_state *state = &cpu->model->cpu[owner];
    unsigned list[AMP_STORES], done = 0, n;

    if (amp_following(cpu->model))
        return amp_schedule_drain(cpu);
    if (amp_staged(cpu->model))
        return drain_stages(cpu, owner, most);
    n = amp_eligible(state, list);
    for (; n > 0 && done < most && state->entries > 0; done++) { /* a broken entry leaves none */
        unsigned picked = n == 1 ? 0 : cpu->choose(cpu, n, AMP_WHICH_STORE);
        unsigned before = state->entries;

        amp_make_visible(cpu, owner, list[picked]);
        n = strike_out(list, n, picked, before - state->entries);
    }
    return done;
}

/* Does the CPU's next load, or its next of a status, wait for a store ahead of that entry, because it is a mark? */
static bool holds_loads(const struct amp_cpu_state *state, unsigned entry, bool of_status)
{
    const struct amp_pending *mark = &state->pending[entry];
    unsigned no_store = mark->orders & AMP_MARK_DOORBELLS ? AMP_MARK : AMP_MARK | AMP_DOORBELL;

    if (mark->kind != AMP_MARK || !(mark->orders & (of_status ? AMP_MARK_STATUS : AMP_WR)))
        return false;
    for (unsigned i = 0; i < entry; i++)
        if (!(state->pending[i].kind & no_store)) /* also of no kind at all: a broken entry is found */
            return true;
    return false;
}

static unsigned ahead_of(const struct amp_cpu_state *state, bool of_status)
{
    unsigned i = state->entries;

    while (i > 0 && !holds_loads(state, i - 1, of_status))
        i--;
    return i;
}

/* How many entries stand ahead of the last mark that the CPU's next load waits for, the mark included; 0: of none. */
unsigned amp_ahead_of_loads(const struct amp_cpu_state *state)
{
    return ahead_of(state, false);
}

/* Nothing that it waits for is ahead of a mark any more, though a doorbell may be: all else is visible as of now. */
static void mark_as_waited(struct amp_cpu *cpu, bool of_status)
{
    struct amp_cpu_state *state = amp_state(cpu);

    if (!of_status)
        state->held = 0;
    for (unsigned i = 0; i < state->entries; i++)
        if (state->pending[i].kind == AMP_MARK && state->pending[i].orders & (of_status ? AMP_MARK_STATUS : AMP_WR)) {
            raise_behind(state, state->made, state->pending[i].orders);
            state->pending[i].orders &= (uint8_t)~(AMP_WR | AMP_MARK_DOORBELLS | AMP_MARK_STATUS);
        }
}

void amp_settle_loads(struct amp_cpu *cpu)
{
    while (amp_staged(cpu->model) && amp_loads_wait(cpu))
        if (!amp_push_awaited(cpu) && !amp_push_on(cpu))
            return;
    amp_settle_marks(cpu);
}

static void settle_marks(struct amp_cpu *cpu, bool of_status)
{
    const struct amp_cpu_state *state = amp_state(cpu);
    unsigned ahead;

    if (!state->held)
        return;
    while (amp_staged(cpu->model) && amp_ahead_of_loads(state))
        if (!amp_push_on(cpu))
            return;
    while ((ahead = ahead_of(state, of_status)) && amp_drain(cpu, cpu->id, ahead == state->entries ? AMP_STORES : 1))
        ;
    if (!ahead)
        mark_as_waited(cpu, of_status);
}

void amp_settle_marks(struct amp_cpu *cpu)
{
    settle_marks(cpu, false);
}

void amp_order_before_load(struct amp_cpu *cpu)
{
    const uint8_t orders = amp_state(cpu)->implicit & (AMP_WR | AMP_WD);
    const struct amp_kept kept = {orders, orders};

    if (amp_staged(cpu->model))
        amp_stage_barrier(cpu, kept);
    amp_push_mark(cpu, kept);
}

void amp_settle_before_status(struct amp_cpu *cpu)
{
    if (amp_state(cpu)->implicit & AMP_WR)
        amp_order_before_load(cpu);
    if (amp_staged(cpu->model)) /* there it waits as any load does */
        amp_settle_loads(cpu);
    else
        settle_marks(cpu, true);
}

/* Less is pending: one store of this CPU, or more, goes on its way. */
static void make_room(struct amp_cpu *cpu, unsigned most)
{
    if (amp_staged(cpu->model))
        amp_push_on(cpu);
    else
        amp_drain(cpu, cpu->id, most);
}

static bool any_store_pending(const struct amp_cpu_state *state)
{
    for (unsigned i = 0; i < state->entries; i++)
        if (state->pending[i].kind != AMP_MARK)
            return true;
    return false;
}

/* A schedule decides what is visible when: only the room itself bounds what is pending meanwhile. */
static unsigned depth(const struct amp_model *m)
{
    return amp_following(m) ? AMP_STORES : m->config.store_depth;
}

void amp_push_store(struct amp_cpu *cpu, struct amp_pending store)
{
    struct amp_cpu_state *state = amp_state(cpu);

    while (state->entries >= depth(cpu->model) && any_store_pending(state))
        make_room(cpu, 1 + state->entries / 8);
    if (state->entries >= AMP_STORES) { /* some store may always go, so there is room: unless another wrote here */
        amp_model_broken(cpu->model);
        return;
    }
    store.number = state->stores;
    state->origin[state->entries] = cpu->origin;
    state->pending[state->entries++] = store;
}

static uint8_t of_mark(uint8_t orders)
{
    return (uint8_t)((orders & (AMP_WR | AMP_WW | AMP_WD)) |
                     (orders & AMP_WR && amp_orders_doorbells(orders) ? AMP_MARK_DOORBELLS : 0) |
                     (orders & AMP_WR && !(orders & AMP_NO_STATUS_AFTER) ? AMP_MARK_STATUS : 0) |
                     (amp_keeps_doorbells(orders) ? AMP_MARK_STORES : 0));
}

/* Do two marks with no store between them order what one of both would? Not if one alone is of doorbells, and the other of
 * a status. */
static bool are_one(uint8_t a, uint8_t b)
{
    const uint8_t both = AMP_MARK_DOORBELLS | AMP_MARK_STATUS;

    return ((a | b) & both) != both || (a & both) == both || (b & both) == both;
}

void amp_push_mark(struct amp_cpu *cpu, struct amp_kept kept)
{
    uint8_t orders = of_mark(kept.near), far = of_mark(kept.far);
    struct amp_cpu_state *state = amp_state(cpu);
    struct amp_pending *last = state->entries ? &state->pending[state->entries - 1] : NULL;

    if (!last && orders & AMP_WR)
        raise_behind(state, state->made, orders);
    if (!last || !orders)
        return;
    state->held |= orders & AMP_WR;
    if (last->kind == AMP_MARK && are_one(last->orders, orders)) {
        last->orders |= orders;
        last->value |= far;
        return;
    }
    amp_push_store(cpu, (struct amp_pending){.kind = AMP_MARK, .orders = orders, .value = far});
    drop_leading_marks(cpu, cpu->id);
}

/* An atomic's write is visible at once: first let everything go that must be visible before it. */
void amp_settle(struct amp_cpu *cpu, uint32_t granule, uint8_t mask)
{
    struct amp_cpu_state *state = amp_state(cpu);
    unsigned list[AMP_STORES], n, last;

    for (;;) {
        if (state->entries >= depth(cpu->model))
            make_room(cpu, 1);
        /* Stand it at the end of the list, and see whether it could go. */
        last = state->entries++;
        state->pending[last] = (struct amp_pending){.kind = AMP_MEMORY, .granule = granule, .mask = mask};
        n = amp_staged(cpu->model) ? amp_steps_near(cpu->model, cpu->id, list) : amp_eligible(state, list);
        state->entries--;
        if (n && list[n - 1] == last && (!amp_observed(cpu->model) || amp_sees_newest(cpu->model, cpu->id, granule, mask)))
            return;
        if (!amp_observed(cpu->model) || !amp_see_newest(cpu, granule, mask))
            make_room(cpu, 1);
    }
}

static bool release_pending(const struct amp_cpu_state *state)
{
    for (unsigned i = 0; i < state->entries; i++)
        if (state->pending[i].release)
            return true;
    return false;
}

void amp_settle_releases(struct amp_cpu *cpu)
{
    while (amp_staged(cpu->model) && amp_releases_wait(cpu))
        if (!amp_push_on(cpu))
            return;
    if (amp_staged(cpu->model)) /* the load itself is not before it, see amp_load */
        return;
    while (release_pending(amp_state(cpu)))
        amp_drain(cpu, cpu->id, 1);
    amp_raise_floor(cpu, amp_state(cpu)->released);
}
