/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * loads.c - what a load may return: the newest own pending store, else the memory as of some moment that is neither
 * before the CPU's floor, nor before what it already knows of these bytes, nor before the value the address came from.
 */
#include <string.h>

#include "schedule.h"

uint64_t amp_newest(struct amp_cpu *cpu, uint32_t granule)
{
    uint64_t number = amp_heads(cpu->model)[granule];

    return amp_logged(cpu->model, number) ? number : 0;
}

void amp_raise_floor_by(struct amp_cpu *cpu, uint64_t time, uint8_t orders)
{
    struct amp_cpu_state *state = amp_state(cpu);

    state->floor = amp_max(state->floor, time);
    if (!(orders & AMP_NO_STATUS_AFTER))
        state->status_floor = amp_max(state->status_floor, time);
}

void amp_raise_floor(struct amp_cpu *cpu, uint64_t time)
{
    amp_raise_floor_by(cpu, time, 0);
}

uint8_t amp_forward(const struct amp_cpu_state *state, uint32_t granule, uint8_t mask, struct amp_seen *seen)
{
    uint8_t missing = mask;

    for (unsigned i = state->entries; i-- > 0 && missing;) {
        const struct amp_pending *store = &state->pending[i];
        uint8_t taken = store->kind == AMP_MEMORY && store->granule == granule ? store->mask & missing : 0;

        if (!taken)
            continue;
        seen->value |= store->value & amp_bits(taken);
        seen->flags |= AMP_FL_FORWARDED;
        if (!seen->store)
            seen->store = store->store;
        seen->time = amp_max(seen->time, state->origin[i]);
        missing &= (uint8_t)~taken;
    }
    return missing;
}

/* The older moments this load may pick: how many visible writes to `mask` it may pretend not to have seen yet. */
static unsigned steps_back(struct amp_cpu *cpu, uint32_t granule, uint8_t mask, uint64_t floor)
{
    struct amp_model *m = cpu->model;
    unsigned steps = 0;

    for (uint64_t t = amp_newest(cpu, granule); amp_logged(m, t); t = amp_earlier(m, t, mask)) {
        const struct amp_write *write = amp_log(m, t);

        if (t <= floor || write->known[cpu->id] & mask)
            break;
        steps += (write->mask & mask) != 0;
    }
    return steps;
}

/* From now on this CPU knows these bytes as of `t`: it will not read them older. */
static void remember(struct amp_cpu *cpu, uint64_t t, uint8_t mask)
{
    struct amp_model *m = cpu->model;

    while (amp_logged(m, t) && mask) {
        struct amp_write *write = amp_log(m, t);

        t = amp_earlier(m, t, mask);
        write->known[cpu->id] |= write->mask & mask;
        mask &= (uint8_t)~write->mask;
    }
}

uint64_t amp_would_read(struct amp_cpu *cpu, struct amp_part part, uint32_t granule, uint8_t mask)
{
    struct amp_model *m = cpu->model;
    struct amp_seen seen = {0};
    uint8_t missing = amp_forward(amp_state(cpu), granule, mask, &seen);
    unsigned back = 0;
    uint64_t value;

    if (amp_staged(m))
        return amp_would_read_staged(cpu, part, granule, mask);
    if (missing && amp_following(m)) {
        unsigned steps = steps_back(cpu, granule, missing, amp_state(cpu)->floor);

        back = amp_schedule_would_go_back(cpu, part, granule, missing, steps);
    }
    memcpy(&value, cpu->memory + m->config.shared_start + (uint64_t)granule * AMP_GRANULE, sizeof value);
    for (uint64_t t = amp_newest(cpu, granule); back > 0 && amp_logged(m, t); t = amp_earlier(m, t, missing)) {
        const struct amp_write *write = amp_log(m, t);

        if (!(write->mask & missing))
            continue;
        value = (value & ~amp_bits(write->mask)) | write->before;
        back--;
    }
    return seen.value | (value & amp_bits(missing));
}

/* The granule as it was `back` writes (to these bytes) ago. */
static void read_as_of(struct amp_cpu *cpu, uint32_t granule, uint8_t mask, unsigned back, struct amp_seen *seen)
{
    struct amp_model *m = cpu->model;
    uint64_t t = amp_newest(cpu, granule), value;

    memcpy(&value, cpu->memory + m->config.shared_start + (uint64_t)granule * AMP_GRANULE, sizeof value);
    for (; amp_logged(m, t); t = amp_earlier(m, t, mask)) {
        const struct amp_write *write = amp_log(m, t);
        uint64_t bits;

        if (!(write->mask & mask))
            continue;
        if (!seen->newest)
            seen->newest = write->store;
        if (back-- == 0)
            break;
        bits = amp_bits(write->mask);
        value = (value & ~bits) | write->before;
    }
    seen->value |= value & amp_bits(mask);
    if (!amp_logged(m, t))
        return;
    seen->time = t;
    if (!seen->store)
        seen->store = amp_log(m, t)->store;
    remember(cpu, t, mask);
}

void amp_read_granule(struct amp_cpu *cpu, struct amp_part part, uint32_t granule, uint8_t mask, uint64_t floor,
                      struct amp_seen *seen)
{
    struct amp_cpu_state *state = amp_state(cpu);
    uint8_t missing;
    unsigned steps;

    *seen = (struct amp_seen){0};
    missing = amp_forward(state, granule, mask, seen);
    if (!missing) { /* adds no ordering */
        if (amp_following(cpu->model))
            amp_schedule_forwarded(cpu, part, seen->store);
        return;
    }
    steps = steps_back(cpu, granule, missing, floor);
    if (amp_following(cpu->model))
        seen->back = amp_schedule_back(cpu, part, granule, missing, steps);
    else if (steps)
        seen->back = cpu->choose(cpu, steps + 1, AMP_WHICH_WRITE);
    if (seen->back)
        seen->flags |= AMP_FL_STALE;
    read_as_of(cpu, granule, missing, seen->back, seen);
    state->seen = amp_max(state->seen, seen->time);
    if (state->implicit & AMP_RR)
        amp_raise_floor(cpu, seen->time);
}

static void trace_part(struct amp_cpu *cpu, uint32_t number, uint64_t address, uint64_t length,
                       const struct amp_seen *seen)
{
    amp_trace(cpu->model, (struct amp_event){.kind = AMP_EV_LOAD,
                                             .cpu = (uint8_t)cpu->id,
                                             .flags = AMP_FL_PART | seen->flags,
                                             .primitive = amp_missed(seen),
                                             .load = (uint16_t)number,
                                             .address = (uint32_t)address,
                                             .size = (uint32_t)length,
                                             .value = seen->value,
                                             .store = seen->store,
                                             .newest = seen->newest});
}

/* One granule's share of a bulk load: bytes [address, address + length) lie in one granule. */
static void perform_part(struct amp_cpu *cpu, struct amp_deferred *load, uint64_t address, uint64_t length)
{
    uint64_t relative = address - cpu->model->config.shared_start;
    unsigned shift = relative % AMP_GRANULE;
    uint8_t mask = amp_byte_mask(shift, length);
    struct amp_part part = {load->number, (uint32_t)(address / AMP_GRANULE - load->address / AMP_GRANULE)};
    uint32_t granule = (uint32_t)(relative / AMP_GRANULE);
    struct amp_wish wish = {.floors = {load->floor, load->floor_far}};
    struct amp_seen seen;

    if (amp_staged(cpu->model))
        seen = amp_read_staged(cpu, part, granule, mask, wish);
    else
        amp_read_granule(cpu, part, granule, mask, load->floor, &seen);
    seen.value >>= 8 * shift;
    memcpy(load->bytes + (address - load->address), &seen.value, length);
    load->time = amp_max(load->time, seen.time);
    if (seen.flags & AMP_FL_STALE)
        trace_part(cpu, load->number, address, length, &seen);
}

static void unlink_load(struct amp_cpu *cpu, struct amp_deferred *load)
{
    for (struct amp_deferred **link = &cpu->deferred; *link; link = &(*link)->next)
        if (*link == load) {
            *link = load->next;
            return;
        }
}

void amp_perform_one(struct amp_cpu *cpu, struct amp_deferred *load)
{
    uint64_t end = load->address + load->length;
    bool late = load->performed < 0;
    uint64_t first = 0;

    unlink_load(cpu, load);
    load->performed = 1;
    for (uint64_t at = load->address, next; at < end; at = next) {
        next = (at / AMP_GRANULE + 1) * AMP_GRANULE;
        if (next > end)
            next = end;
        perform_part(cpu, load, at, next - at);
    }
    memcpy(&first, load->bytes, load->length < sizeof first ? load->length : sizeof first);
    amp_trace(cpu->model, (struct amp_event){.kind = AMP_EV_LOAD,
                                             .cpu = (uint8_t)cpu->id,
                                             .flags = late ? AMP_FL_DEFERRED : 0,
                                             .load = (uint16_t)load->number,
                                             .address = (uint32_t)load->address,
                                             .size = (uint32_t)load->length,
                                             .value = first});
}

void amp_perform_all(struct amp_cpu *cpu)
{
    while (cpu->deferred)
        amp_perform_one(cpu, cpu->deferred);
}

void amp_perform_overlapping(struct amp_cpu *cpu, uint64_t address, uint64_t length)
{
    struct amp_deferred *load = cpu->deferred;

    while (load) {
        struct amp_deferred *next = load->next;

        if (amp_overlaps(load, address, length))
            amp_perform_one(cpu, load);
        load = next;
    }
}
