/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * explored_access.c - what an explored part's accesses are, as events of the graph: see explored.h.
 */
#include "explored_parts.h"

#include <string.h>

/* Numbers of amp.ordering's primitives. */
enum { SMP_MB = 5, STORE_RELEASE = 15, LOAD_ACQUIRE = 16 };

static const struct xp_orders nothing;

/* The cells of a scalar. Should they have had to be split, or be too many, the run is over. */
int xp_find_cells(struct xp_part *part, uint64_t address, unsigned size, uint16_t cells[XP_SPAN])
{
    struct xp_program *program = part->program;
    int n = amp_check_scalar(program->start, program->end, address, size);

    if (n)
        return n;
    n = xp_cells_of(program, address, size, cells);
    if (n < 0 && !program->x->over) {
        program->x->error = n;
        program->x->over = true;
    }
    return n < 0 ? xp_step_aside(part, XP_OVER) : n;
}

static void give_word(const struct xp_part *part, xp_event_id event, uint64_t value, struct amp_word *out)
{
    *out = (struct amp_word){.value = value, .time = xp_tag_of(part->id, event)};
    xp_tag_value(out->time, value);
}

int xp_part_load(struct xp_part *part, uint64_t address, unsigned size, uint64_t after, int acquire,
                 struct amp_word *out)
{
    struct explorer *x = part->program->x;
    unsigned cpu = part->id;
    uint16_t cells[XP_SPAN];
    int n = xp_may_go_on(part, NULL);
    uint64_t value;
    xp_event_id event;

    if (!n)
        n = xp_find_cells(part, address, size, cells);
    if (n < 0)
        return n;
    xp_log(x, cpu, xp_did(DID_LOAD, address, size));
    xp_perform_open(part->program, cpu, cells, (unsigned)n);
    XP_ASKING(part, xp_load(x, cpu, cells, (unsigned)n, acquire ? *xp_orders_of(part, LOAD_ACQUIRE) : nothing,
                         xp_tag_depends(after), &value, &event));
    xp_number_event(part->program, event, part->program->loads[cpu]++, 0);
    give_word(part, event, amp_narrow(value >> xp_shift_of(address), size), out);
    return 0;
}

static void join(struct xp_set *set, const struct xp_set *other)
{
    if (other)
        xp_unite(set, other, XP_WORDS);
}

/* What address and data of a store come from, together. */
const struct xp_set *xp_origins(struct amp_origin from, struct xp_set *room)
{
    memset(room, 0, sizeof *room);
    join(room, xp_tag_depends(from.address));
    join(room, xp_tag_depends(from.value));
    join(room, xp_tag_depends(from.expected));
    return room;
}

/* The store just made is the `nth` event of the present store of its CPU. */
void xp_number_store(const struct xp_part *part, unsigned nth)
{
    struct xp_program *program = part->program;

    xp_number_event(program, (xp_event_id)(program->x->graph.events - 1), program->stores[part->id], nth);
}

int xp_part_store(struct xp_part *part, uint64_t address, unsigned size, uint64_t value, int release,
                  struct amp_origin from)
{
    struct explorer *x = part->program->x;
    unsigned cpu = part->id;
    uint16_t cells[XP_SPAN];
    struct xp_set depends;
    int n = xp_may_go_on(part, XP_LOOKS_ONLY_LOAD("stores"));

    if (!n)
        n = xp_find_cells(part, address, size, cells);
    if (n < 0)
        return n;
    xp_log(x, cpu, xp_did(DID_STORE, address, size));
    xp_perform_open(part->program, cpu, cells, (unsigned)n);
    XP_ASKING(part, xp_store(x, XP_WRITE, cpu, cells, (unsigned)n, amp_narrow(value, size) << xp_shift_of(address),
                          release ? *xp_orders_of(part, STORE_RELEASE) : nothing, xp_origins(from, &depends),
                          xp_tag_depends(from.address), 0));
    xp_number_store(part, 0);
    part->program->stores[cpu]++;
    return 0;
}

/* Fully ordered, as Linux's value-returning atomics are: smp_mb() on both sides. */
int xp_part_atomic(struct xp_part *part, uint64_t address, unsigned size, enum amp_atomic op, uint64_t operand,
                   uint64_t expected, struct amp_origin from, struct amp_word *out)
{
    struct explorer *x = part->program->x;
    unsigned cpu = part->id;
    uint16_t cells[XP_SPAN];
    struct xp_set depends;
    int n = xp_may_go_on(part, XP_LOOKS_ONLY_LOAD("makes an atomic access"));
    uint64_t value, old;
    xp_event_id event;

    if (!n)
        n = xp_find_cells(part, address, size, cells);
    if (n < 0)
        return n;
    xp_log(x, cpu, xp_did(DID_ATOMIC, address, size));
    xp_perform_open(part->program, cpu, cells, (unsigned)n);
    if (xp_orders_of(part, SMP_MB)->level[0] & (AMP_RR | AMP_RW))
        xp_perform_open(part->program, cpu, NULL, 0);
    xp_barrier(x, cpu, *xp_orders_of(part, SMP_MB));
    XP_ASKING(part, xp_load(x, cpu, cells, (unsigned)n, nothing, xp_tag_depends(from.address), &value, &event));
    xp_number_event(part->program, event, part->program->loads[cpu]++, 0);
    old = amp_narrow(value >> xp_shift_of(address), size);
    if (op != AMP_CMPXCHG || old == amp_narrow(expected, size)) {
        value = amp_narrow(op == AMP_ADD ? old + operand : operand, size) << xp_shift_of(address);
        xp_origins(from, &depends);
        if (op == AMP_ADD)
            xp_put(&depends, event);
        XP_ASKING(part, xp_store(x, XP_WRITE, cpu, cells, (unsigned)n, value, nothing, &depends,
                              xp_tag_depends(from.address), event));
        xp_number_store(part, 0);
        part->program->stores[cpu]++;
    }
    xp_barrier(x, cpu, *xp_orders_of(part, SMP_MB));
    give_word(part, event, old, out);
    return 0;
}

int xp_part_write(struct xp_part *part, uint64_t address, const uint8_t *bytes, uint64_t length,
                  struct amp_origin from)
{
    struct explorer *x = part->program->x;
    unsigned cpu = part->id;
    const struct xp_set *depends = xp_tag_depends(from.address);
    int error = xp_may_go_on(part, XP_LOOKS_ONLY_LOAD("writes"));

    if (error)
        return error;
    if (amp_check_range(part->program->start, part->program->end, address, length))
        return -EFAULT;
    xp_log(x, cpu, xp_did(DID_STORE, address, length));
    for (uint64_t done = 0, size, number = 0; done < length; done += size) {
        uint64_t at = address + done, value = 0;
        uint16_t cells[XP_SPAN];
        int n;

        size = AMP_GRANULE - at % AMP_GRANULE < length - done ? AMP_GRANULE - at % AMP_GRANULE : length - done;
        for (uint64_t i = 0; i < size; i++)
            value |= (uint64_t)bytes[done + i] << 8 * i;
        n = xp_cells_of(part->program, at, (unsigned)size, cells);
        if (n < 0) {
            x->error = n;
            x->over = true;
        } else {
            xp_perform_open(part->program, cpu, cells, (unsigned)n);
        }
        XP_ASKING(part, xp_store(x, XP_WRITE, cpu, cells, (unsigned)n, value << xp_shift_of(at), nothing, depends, depends,
                              0));
        xp_number_store(part, (unsigned)number++);
    }
    part->program->stores[cpu]++;
    return 0;
}

static void keep_passage(struct xp_part *part, unsigned primitive, unsigned site)
{
    struct xp_program *program = part->program;

    if (program->passages < XP_PASSAGES)
        program->passage[program->passages++] = (struct xp_passage){
            (xp_event_id)program->x->graph.events, (uint8_t)part->id, (uint8_t)primitive, (uint8_t)site};
}

int xp_part_barrier(struct xp_part *part, unsigned primitive, unsigned site)
{
    struct explorer *x = part->program->x;
    int error = xp_may_go_on(part, NULL);

    if (error)
        return error;
    if (primitive >= AMP_PRIMITIVES)
        return -EINVAL;
    xp_log(x, part->id, xp_did(DID_BARRIER, primitive, site));
    keep_passage(part, primitive, site);
    if (xp_orders_of(part, primitive)->level[0] & (AMP_RR | AMP_RW))
        xp_perform_open(part->program, part->id, NULL, 0);
    xp_barrier_seen(part, xp_orders_of(part, primitive));
    return 0;
}

/* The mailbox of a CPU is the cell of its number: 1 is written to ring, 0 to acknowledge. */
static int write_mailbox(struct xp_part *part, unsigned target, uint64_t value)
{
    struct explorer *x = part->program->x;
    uint16_t cell = (uint16_t)target;

    xp_log(x, part->id, xp_did(DID_KICK, target, value));
    XP_ASKING(part, xp_store(x, XP_DOORBELL, part->id, &cell, 1, value, nothing, NULL, NULL, 0));
    xp_number_store(part, 0);
    part->program->stores[part->id]++;
    return 0;
}

int xp_part_kick(struct xp_part *part, unsigned target)
{
    int error = xp_may_go_on(part, XP_LOOKS_ONLY_LOAD("rings a doorbell"));

    if (error)
        return error;
    return target < part->program->x->graph.cpus ? write_mailbox(part, target, 1) : -EINVAL;
}

int xp_part_acknowledge(struct xp_part *part)
{
    int error = xp_may_go_on(part, XP_LOOKS_ONLY_LOAD("acknowledges a doorbell"));

    return error ? error : write_mailbox(part, part->id, 0);
}

int xp_part_status(struct xp_part *part, uint64_t after, struct amp_word *out)
{
    struct explorer *x = part->program->x;
    unsigned cpu = part->id;
    int error = xp_may_go_on(part, NULL);
    uint64_t rung = 0;
    xp_event_id event;

    if (error)
        return error;
    xp_log(x, cpu, xp_did(DID_STATUS, 0, 0));
    XP_ASKING(part, xp_status(x, cpu, (uint16_t)cpu, xp_tag_depends(after), &rung, &event));
    xp_number_event(part->program, event, part->program->loads[cpu]++, 0);
    x->graph.event[event].value = rung; /* of what is promised it is the same */
    give_word(part, event, rung, out);
    xp_log(x, cpu, xp_mix(rung, x->cpu[cpu].made));
    return 0;
}

int xp_part_wait(struct xp_part *part, int64_t timeout_ns)
{
    struct explorer *x = part->program->x;
    unsigned cpu = part->id;

    xp_event_id event;
    int error = xp_may_go_on(part, XP_LOOKS_ONLY_LOAD("waits"));

    if (!error && timeout_ns >= 0)
        error = xp_break_rule(part, "wait() with a limit: an exploration has no clock, and the time may be up or not");
    if (error)
        return error;
    xp_log(x, cpu, xp_did(DID_WAIT, 0, 0));
    XP_ASKING(part, xp_wait(x, cpu, (uint16_t)cpu, &event));
    xp_number_event(part->program, event, 0, 0);
    return 0;
}


/* --- bulk loads ---------------------------------------------------------------------------------------------------- */

unsigned xp_granules(uint64_t address, uint64_t length)
{
    return length ? (unsigned)((address + length - 1) / AMP_GRANULE - address / AMP_GRANULE + 1) : 0;
}

/* The part of the load that lies in granule number `i` of it. */
static uint64_t size_in(const struct xp_bulk *bulk, unsigned i, uint64_t *at)
{
    uint64_t from = i ? (bulk->address / AMP_GRANULE + i) * AMP_GRANULE : bulk->address;
    uint64_t to = (bulk->address / AMP_GRANULE + i + 1) * AMP_GRANULE, end = bulk->address + bulk->length;

    *at = from;
    return (to < end ? to : end) - from;
}

int xp_bulk_issue(struct xp_part *part, struct xp_bulk *bulk, uint64_t after)
{
    struct xp_program *program = part->program;
    unsigned cpu = part->id;
    int error = xp_may_go_on(part, NULL);

    bulk->events = 0;
    bulk->performed = false;
    if (error)
        return error;
    if (amp_check_range(program->start, program->end, bulk->address, bulk->length))
        return -EFAULT;
    xp_log(program->x, cpu, xp_did(DID_READ, bulk->address, bulk->length));
    for (unsigned i = 0; i < xp_granules(bulk->address, bulk->length); i++) {
        uint16_t cells[XP_SPAN];
        uint64_t at, size = size_in(bulk, i, &at);
        int n = xp_cells_of(program, at, (unsigned)size, cells), result;

        if (n < 0) {
            program->x->error = n;
            program->x->over = true;
        }
        result = n < 0 ? XP_OVER
                       : xp_issue(program->x, cpu, cells, (unsigned)n, xp_tag_depends(after), &bulk->event[i]);
        if (result)
            return xp_step_aside(part, result);
        xp_number_event(program, bulk->event[i], program->loads[cpu], i);
        if (!(program->x->graph.cpu[cpu].implicit[0] & (AMP_RR | AMP_RW)))
            program->at[bulk->event[i]] = 0; /* performed later */
        if (!bulk->events++)
            bulk->number = program->number[bulk->event[i]];
    }
    program->open[cpu]++;
    program->loads[cpu]++;
    return 0;
}

/* Are its loads part of this run? Those of a look in vain are undone, and those of earlier runs gone. */
static bool is_there(const struct xp_program *program, const struct xp_bulk *bulk)
{
    return !bulk->events || (bulk->event[0] < program->x->graph.events &&
                             program->number[bulk->event[0]] == bulk->number);
}

int xp_bulk_perform(struct xp_part *part, struct xp_bulk *bulk, uint8_t *bytes)
{
    struct xp_program *program = part->program;
    struct explorer *x = program->x;
    struct xp_set events = {{0}};

    if (!is_there(program, bulk))
        return xp_break_rule(part, "bytes that were read in another run, or in a look in vain, are used");
    if (bulk->performed)
        return 0;
    if (x->cpu[part->id].in_look && bulk->events && bulk->event[0] < x->look.events)
        program->look_used_bytes = true; /* they are loaded once, and the look may be made again */
    for (unsigned i = 0; i < bulk->events; i++) {
        uint64_t value, at, size = size_in(bulk, i, &at);

        XP_ASKING(part, xp_resolve(x, part->id, bulk->event[i], &value));
        value >>= xp_shift_of(at);
        memcpy(bytes + (at - bulk->address), &value, size);
        if (!program->at[bulk->event[i]])
            program->at[bulk->event[i]] = ++program->steps[part->id];
        xp_put(&events, bulk->event[i]);
        xp_log(x, part->id, value);
    }
    if (!bulk->given)
        xp_add_control(&x->graph, part->id, &events);
    bulk->performed = true;
    return 0;
}

void xp_bulk_forget(struct xp_part *part, struct xp_bulk *bulk)
{
    if (!bulk->performed && is_there(part->program, bulk))
        for (unsigned i = 0; i < bulk->events; i++)
            xp_forget(part->program->x, bulk->event[i]);
}
