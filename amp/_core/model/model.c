/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * model.c - the accesses of one CPU. Each is one step: take the turn (or the lock), follow the rules, pass it on.
 */
#include <errno.h>

#include "access.h"
#include "bell.h"

int amp_check_at(const struct amp_model *m, uint64_t address, unsigned size)
{
    return amp_check_scalar(m->config.shared_start, m->config.shared_end, address, size);
}

static int check_range(const struct amp_model *m, uint64_t address, uint64_t length)
{
    return amp_check_range(m->config.shared_start, m->config.shared_end, address, length);
}

struct amp_place amp_place_of(const struct amp_model *m, uint64_t address, unsigned size)
{
    uint64_t relative = address - m->config.shared_start;
    unsigned byte = relative % AMP_GRANULE;

    return (struct amp_place){.granule = (uint32_t)(relative / AMP_GRANULE),
                              .mask = amp_byte_mask(byte, size),
                              .shift = 8 * byte};
}

struct amp_kept amp_orders_of(struct amp_cpu *cpu, unsigned primitive)
{
    const struct amp_cpu_state *state = amp_state(cpu);
    uint8_t far = state->orders[primitive];

    return (struct amp_kept){amp_staged(cpu->model) ? state->near[primitive] : far, far};
}

enum { FULL = AMP_WR | AMP_WW | AMP_WD };

static bool completes(uint8_t orders)
{
    return (orders & FULL) == FULL && amp_orders_doorbells(orders) && !(orders & AMP_NO_STATUS_AFTER);
}

static unsigned needs(uint8_t orders)
{
    return (orders & (AMP_RR | AMP_RW) ? AMP_LOADS : 0) | (completes(orders) ? AMP_STORES_OUT : 0);
}

/*
 * The rules for one barrier, given what it orders towards the others. W->R alone does not wait: stores behind the barrier,
 * and doorbells, may overtake those ahead of it; only the CPU's next load finds them visible. Where W->W and W->doorbell
 * are kept as well, of devices too on both sides, nothing can tell the difference, so the stores leave at once: to the siblings, if there are any; what
 * the others see of later stores waits by itself.
 */
void amp_apply_orders(struct amp_cpu *cpu, struct amp_kept orders)
{
    if (orders.near & (AMP_RR | AMP_RW))
        amp_perform_all(cpu);
    if (amp_staged(cpu->model))
        amp_stage_barrier(cpu, orders);
    else if (orders.near & AMP_RR)
        amp_raise_floor_by(cpu, amp_state(cpu)->seen, orders.near);
    if (orders.near & AMP_RR && !(orders.near & AMP_NO_STATUS_BEFORE))
        amp_raise_floor_by(cpu, amp_state(cpu)->status_seen, orders.near);
    if (orders.far & AMP_RR && !(orders.far & AMP_NO_STATUS_BEFORE))
        amp_state(cpu)->floor_far = amp_max(amp_state(cpu)->floor_far, amp_state(cpu)->status_seen);
    amp_push_mark(cpu, orders);
    if (completes(orders.near))
        amp_settle_marks(cpu);
}

/* An acquire: later loads are not before it. With siblings it has waited for releases towards whom it orders those. */
static struct amp_seen load_staged(struct amp_cpu *cpu, struct amp_part part, struct amp_place where, uint64_t after,
                                   struct amp_kept orders, bool newest)
{
    struct amp_cpu_state *state = amp_state(cpu);
    struct amp_wish wish = {.floors = amp_floors_of(cpu, after), .orders = orders, .newest = newest};
    struct amp_seen seen;

    if (orders.near & AMP_RCSC)
        wish.floors.near = amp_max(wish.floors.near, state->released);
    if (orders.far & AMP_RCSC)
        wish.floors.far = amp_max(wish.floors.far, state->released);
    seen = amp_read_staged(cpu, part, where.granule, where.mask, wish);
    if (orders.near & AMP_RR)
        state->floor = amp_max(state->floor, orders.far & AMP_RR ? seen.time : seen.least.near);
    if (orders.far & AMP_RR)
        state->floor_far = amp_max(state->floor_far, seen.time);
    return seen;
}

uint64_t amp_trace_load(struct amp_cpu *cpu, uint32_t number, uint64_t address, unsigned size,
                        const struct amp_seen *seen, const struct amp_place *where, uint8_t flags)
{
    return amp_trace(cpu->model, (struct amp_event){.kind = AMP_EV_LOAD,
                                                    .cpu = (uint8_t)cpu->id,
                                                    .flags = seen->flags | flags,
                                                    .primitive = amp_missed(seen),
                                                    .load = (uint16_t)number,
                                                    .address = (uint32_t)address,
                                                    .size = size,
                                                    .value = amp_narrow(seen->value >> where->shift, size),
                                                    .store = seen->store,
                                                    .newest = seen->newest});
}

void amp_read_scalar(struct amp_cpu *cpu, uint32_t number, const struct amp_place *where, uint64_t after,
                     struct amp_kept orders, bool newest, struct amp_seen *seen)
{
    struct amp_cpu_state *state = amp_state(cpu);
    struct amp_part part = {.load = number};

    amp_settle_before_load(cpu);
    if (orders.near & AMP_RCSC)
        amp_settle_releases(cpu);
    if (amp_staged(cpu->model)) {
        *seen = load_staged(cpu, part, *where, after, orders, newest);
        return;
    }
    amp_read_granule(cpu, part, where->granule, where->mask, newest ? cpu->model->now : amp_max(state->floor, after),
                     seen);
    if (orders.near & AMP_RR)
        amp_raise_floor_by(cpu, seen->time, orders.near);
}

int amp_load(struct amp_cpu *cpu, uint64_t address, unsigned size, uint64_t after, int acquire, struct amp_word *out)
{
    struct amp_place where;
    struct amp_seen seen;
    uint32_t number;
    struct amp_kept orders =
        acquire ? amp_orders_of(cpu, acquire == 1 ? AMP_LOAD_ACQUIRE : (unsigned)acquire) : (struct amp_kept){0};
    int error = amp_check_at(cpu->model, address, size);

    if (error || (error = amp_enter(cpu, AMP_LOADS)))
        return error;
    number = amp_state(cpu)->loads++;
    where = amp_place_of(cpu->model, address, size);
    amp_perform_overlapping(cpu, address, size);
    amp_read_scalar(cpu, number, &where, after, orders, false, &seen);
    amp_trace_load(cpu, number, address, size, &seen, &where, acquire ? AMP_FL_ACQUIRE : 0);
    *out = (struct amp_word){.value = amp_narrow(seen.value >> where.shift, size), .time = seen.time};
    return amp_leave(cpu);
}

uint64_t amp_trace_store(struct amp_cpu *cpu, uint64_t address, uint64_t size, uint64_t value, uint8_t flags)
{
    uint64_t number = cpu->model->events + 1;

    return amp_trace(cpu->model, (struct amp_event){.kind = AMP_EV_STORE,
                                                    .cpu = (uint8_t)cpu->id,
                                                    .flags = flags,
                                                    .address = (uint32_t)address,
                                                    .size = (uint32_t)size,
                                                    .value = value,
                                                    .store = number});
}

uint8_t amp_towards(struct amp_kept orders, bool staged)
{
    bool far = staged && orders.far & AMP_WW;

    return (uint8_t)((orders.near & AMP_WW ? AMP_NEAR : 0) | (far ? AMP_FAR : 0) |
                     (amp_keeps_doorbells(orders.near) ? AMP_BEHIND_DOORBELLS : 0) |
                     (far && orders.far & AMP_RW ? AMP_CARRIED : 0) |
                     (staged && orders.near & AMP_WW && orders.near & AMP_RW ? AMP_CARRIED_NEAR : 0) |
                     (staged && orders.near & AMP_WW && orders.far & AMP_RW && !far ? AMP_CARRIED_IN : 0));
}

int amp_store(struct amp_cpu *cpu, uint64_t address, unsigned size, uint64_t value, int release)
{
    struct amp_place where;
    struct amp_kept orders =
        release ? amp_orders_of(cpu, release == 1 ? AMP_STORE_RELEASE : (unsigned)release) : (struct amp_kept){0};
    int error = amp_check_at(cpu->model, address, size);

    if (error || (error = amp_enter(cpu, needs(orders.near & AMP_RW) | amp_overlap(cpu, address, size))))
        return error;
    where = amp_place_of(cpu->model, address, size);
    amp_perform_overlapping(cpu, address, size);
    if (orders.near & AMP_RW)
        amp_perform_all(cpu);
    value = amp_narrow(value, size);
    amp_push_store(cpu, (struct amp_pending){
                            .store = amp_trace_store(cpu, address, size, value, release ? AMP_FL_RELEASE : 0),
                            .kind = AMP_MEMORY,
                            .granule = where.granule,
                            .mask = where.mask,
                            .value = value << where.shift,
                            .release = amp_towards(orders, amp_staged(cpu->model)),
                        });
    amp_state(cpu)->stores++;
    return amp_leave(cpu);
}

int amp_load_bulk(struct amp_cpu *cpu, struct amp_deferred *load, uint64_t after)
{
    struct amp_cpu_state *state = amp_state(cpu);
    struct amp_deferred **last = &cpu->deferred;
    int error;

    if (check_range(cpu->model, load->address, load->length))
        return -EFAULT;
    error = amp_enter(cpu, needs(state->implicit) | AMP_LOADS);
    if (error)
        return error;
    amp_perform_overlapping(cpu, load->address, load->length);
    amp_settle_before_load(cpu);
    load->number = state->loads++;
    load->floor = amp_max(state->floor, after);
    load->floor_far = amp_max(state->floor_far, after);
    load->time = 0;
    load->performed = 0;
    load->next = NULL;
    while (*last)
        last = &(*last)->next;
    *last = load;
    if (state->implicit & (AMP_RR | AMP_RW) || cpu->choose(cpu, 2, AMP_PERFORM_NOW) == 0)
        amp_perform_one(cpu, load);
    else
        load->performed = -1;
    error = amp_leave(cpu);
    if (error)
        amp_forget(cpu, load);
    return error;
}

int amp_perform(struct amp_cpu *cpu, struct amp_deferred *load)
{
    int error;

    if (load->performed > 0)
        return 0;
    error = amp_enter(cpu, AMP_LOADS);
    if (error)
        return error;
    if (load->performed <= 0) /* not by what its schedule wanted first */
        amp_perform_one(cpu, load);
    return amp_leave(cpu);
}

/* The program dropped the value unread: the load never happened. */
void amp_forget(struct amp_cpu *cpu, struct amp_deferred *load)
{
    if (load->performed < 0 && amp_schedule_forget(cpu, load))
        return;
    for (struct amp_deferred **link = &cpu->deferred; *link; link = &(*link)->next)
        if (*link == load) {
            *link = load->next;
            break;
        }
    load->performed = 1;
}

int amp_store_bulk(struct amp_cpu *cpu, uint64_t address, const uint8_t *bytes, uint64_t length)
{
    struct amp_model *m = cpu->model;
    uint64_t number, first = 0;
    uint32_t granule = 0;
    int error;

    if (check_range(m, address, length))
        return -EFAULT;
    /* More than fits into the list: stores of it must be visible before it is done. */
    error = amp_enter(cpu, length > AMP_GRANULE * AMP_STORES / 2 ? AMP_LOADS : amp_overlap(cpu, address, length));
    if (error)
        return error;
    amp_perform_overlapping(cpu, address, length);
    for (uint64_t i = 0; i < length && i < sizeof first; i++)
        first |= (uint64_t)bytes[i] << 8 * i;
    number = amp_trace_store(cpu, address, length, first, 0);
    for (uint64_t done = 0, part; done < length; done += part) {
        uint64_t relative = address + done - m->config.shared_start, value = 0;
        unsigned byte = relative % AMP_GRANULE;

        part = AMP_GRANULE - byte < length - done ? AMP_GRANULE - byte : length - done;
        for (uint64_t i = 0; i < part; i++)
            value |= (uint64_t)bytes[done + i] << 8 * i;
        amp_push_store(cpu, (struct amp_pending){.store = number,
                                                 .kind = AMP_MEMORY,
                                                 .granule = (uint32_t)(relative / AMP_GRANULE),
                                                 .mask = amp_byte_mask(byte, part),
                                                 .value = value << 8 * byte,
                                                 .part = granule++});
    }
    amp_state(cpu)->stores++;
    return amp_leave(cpu);
}

int amp_cpu_barrier(struct amp_cpu *cpu, unsigned primitive, unsigned site)
{
    struct amp_kept orders;
    int error;

    if (primitive >= AMP_PRIMITIVES || site > UINT8_MAX)
        return -EINVAL;
    orders = amp_orders_of(cpu, primitive);
    error = amp_enter(cpu, needs(orders.near));
    if (error)
        return error;
    amp_trace(cpu->model, (struct amp_event){.kind = AMP_EV_BARRIER,
                                             .cpu = (uint8_t)cpu->id,
                                             .site = (uint8_t)site,
                                             .primitive = (uint8_t)primitive,
                                             .orders = orders.far & AMP_TRACED,
                                             .value = amp_staged(cpu->model) ? orders.near & AMP_TRACED : 0});
    amp_apply_orders(cpu, orders);
    return amp_leave(cpu);
}

int amp_note(struct amp_cpu *cpu, unsigned code, uint64_t value)
{
    int error;

    if (code > UINT8_MAX)
        return -EINVAL;
    error = amp_enter(cpu, 0);
    if (error)
        return error;
    amp_trace(cpu->model, (struct amp_event){
                              .kind = AMP_EV_NOTE, .cpu = (uint8_t)cpu->id, .primitive = (uint8_t)code, .value = value});
    return amp_leave(cpu);
}
