/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ring_device.c - the device's half of the split virtqueue: see ring.h. What the hot loops inline is in ring_device.h.
 */
#include "ring_device.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t amp_ring_device_room(const struct amp_ring_config *config)
{
    return config->layout.num * sizeof(uint64_t);
}

int amp_ring_device_place(struct amp_ring_device *device, const struct amp_port *port,
                          const struct amp_ring_config *config, void *room)
{
    const struct amp_ring_layout *layout = &config->layout;
    int error = amp_ring_check(config);

    *device = (struct amp_ring_device){.port = *port, .config = *config};
    if (error)
        return error;
    device->desc = AMP_RING_AT(device, layout->desc);
    device->avail_ring = AMP_RING_AT(device, layout->avail_ring);
    device->avail_idx_at = AMP_RING_AT(device, layout->avail_idx);
    device->used_ring = AMP_RING_AT(device, layout->used_ring);
    device->used_idx_at = AMP_RING_AT(device, layout->used_idx);
    device->buffers = config->buffers;
    device->buffers_end = config->buffers_end;
    device->num = layout->num;
    device->mask = layout->num - 1;
    device->weak = config->weak;
    device->rewrite = config->rewrite;
    device->used_written = room;
    for (uint32_t i = 0; i < layout->num; i++)
        device->used_written[i] = UINT64_MAX; /* no entry has this id */
    return 0;
}

int amp_ring_device_open(struct amp_ring_device *device, const struct amp_port *port,
                         const struct amp_ring_config *config)
{
    int error = amp_ring_check(config);
    void *room = error ? NULL : malloc(amp_ring_device_room(config));

    *device = (struct amp_ring_device){.port = *port};
    if (!error && !room)
        error = -ENOMEM;
    if (!error)
        error = amp_ring_device_place(device, port, config, room);
    device->room = room;
    return error;
}

void amp_ring_device_close(struct amp_ring_device *device)
{
    free(device->room);
    device->room = NULL;
}

int amp_ring_look_avail(struct amp_ring_device *device)
{
    return amp_ring_look_avail_as(device, device->config.how, true);
}

int amp_ring_next(struct amp_ring_device *device, struct amp_segment *segments, uint32_t room, struct amp_chain *chain)
{
    return room ? amp_ring_next_one(device, segments, room, chain, true) : -E2BIG;
}

int amp_ring_next_many(struct amp_ring_device *device, struct amp_segment *room, uint32_t n, bool writable,
                       uint16_t *heads, uint64_t *addresses, uint32_t *lengths)
{
    int ready = n ? amp_ring_look_avail(device) : 0;
    uint32_t count = 0;

    while (ready > 0 && count < n && count < (uint32_t)ready) {
        struct amp_chain chain;
        int error = amp_ring_next(device, room, device->num, &chain);

        if (!error && (chain.readable + chain.writable != 1 || (chain.writable == 1) != writable)) {
            device->avail_idx--; /* not taken */
            error = -ENOTSUP;
        }
        if (error && count == 0)
            return error;
        if (error)
            break;
        heads[count] = (uint16_t)chain.head;
        addresses[count] = room[0].address;
        lengths[count++] = room[0].length;
    }
    return ready < 0 ? ready : (int)count;
}

void amp_ring_finish_reading(const struct amp_ring_device *device)
{
    amp_ring_finish_reading_as(device, device->config.how);
}

void amp_ring_push(struct amp_ring_device *device, uint32_t head, uint32_t written)
{
    amp_ring_push_one(device, head, written);
}

void amp_ring_complete(struct amp_ring_device *device)
{
    amp_ring_complete_as(device, device->config.how);
}

void amp_ring_push_many(struct amp_ring_device *device, const uint16_t *heads, const uint32_t *written, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        amp_ring_push(device, heads[i], written[i]);
    if (n)
        amp_ring_complete(device);
}

bool amp_ring_call_prepare(struct amp_ring_device *device)
{
    return amp_ring_call_prepare_as(device, device->config.how);
}

void amp_ring_call(struct amp_ring_device *device, unsigned driver_cpu)
{
    /* K1: the doorbell must not overtake the ring it announces. Pairs with K2 where the driver wakes up. */
    AMP_RING_BARRIER(device, device->config.how, wmb, AMP_K1);
    amp_kick(&device->port, driver_cpu);
}

void amp_ring_disable_notifications(struct amp_ring_device *device)
{
    if (device->flags & AMP_NO_NOTIFY)
        return;
    device->flags |= AMP_NO_NOTIFY;
    if (!device->config.event_idx) /* else the event index is left behind */
        AMP_RING_STORE(u16, device, AMP_RING_FIELD(device, used_flags), device->flags);
}

bool amp_ring_enable_notifications(struct amp_ring_device *device)
{
    device->flags &= (uint16_t)~AMP_NO_NOTIFY;
    if (device->config.event_idx)
        AMP_RING_STORE(u16, device, AMP_RING_FIELD(device, avail_event), device->avail_idx);
    else
        AMP_RING_STORE(u16, device, AMP_RING_FIELD(device, used_flags), device->flags);
    /* S6: the wish must be visible before we look at idx, or both sides miss each other.
     * Pairs with S5 in amp_ring_kick_prepare_as. */
    AMP_RING_BARRIER(device, device->config.how, mb, AMP_S6);
    return AMP_RING_LOAD(u16, device, device->avail_idx_at) == device->avail_idx;
}

/* --- what the driver must not write ------------------------------------------------------------------------------- */

static int bad(struct amp_ring_device *device, const char *field, uint64_t value, uint64_t address, const char *limit,
               ...) __attribute__((cold, format(printf, 5, 6)));

static int bad(struct amp_ring_device *device, const char *field, uint64_t value, uint64_t address, const char *limit,
               ...)
{
    va_list arguments;

    device->fault = (struct amp_ring_fault){.field = field, .value = value, .address = address};
    va_start(arguments, limit);
    vsnprintf(device->fault.limit, sizeof device->fault.limit, limit, arguments);
    va_end(arguments);
    return -EPROTO;
}

int amp_ring_bad_avail_idx(struct amp_ring_device *device, uint16_t idx)
{
    unsigned held = (uint16_t)(device->avail_idx - device->published);

    return bad(device, "avail.idx", idx, device->config.layout.avail_idx, "at most %u beyond %u", device->num - held,
               device->avail_idx);
}

int amp_ring_bad_head(struct amp_ring_device *device, uint32_t head)
{
    uint64_t at = device->config.layout.avail_ring + 2 * (device->avail_idx & device->mask);

    return bad(device, "avail.ring head", head, at, "below %u", device->num);
}

int amp_ring_bad_segment(struct amp_ring_device *device, uint64_t at, uint64_t address, uint32_t length)
{
    if (address < device->buffers || address > device->buffers_end)
        return bad(device, "desc.addr", address, at, "0x%" PRIx64 " to 0x%" PRIx64, device->buffers, device->buffers_end);
    return bad(device, "desc.len", length, at + 8, "at most %" PRIu64 " at 0x%" PRIx64, device->buffers_end - address,
               address);
}

/* --- chains -------------------------------------------------------------------------------------------------------- */

static int check_indirect(struct amp_ring_device *device, uint64_t at, uint64_t address, uint64_t rest)
{
    uint32_t length = (uint32_t)rest;
    uint64_t flags = rest >> 32 & UINT16_MAX;

    if (!device->config.indirect)
        return bad(device, "desc.flags", flags, at + 12, "no INDIRECT: it was not negotiated");
    if (flags & AMP_DESC_NEXT)
        return bad(device, "desc.flags", flags, at + 12, "not both INDIRECT and NEXT");
    if (length == 0 || length % AMP_DESC_BYTES)
        return bad(device, "desc.len", length, at + 8, "a multiple of %u above 0 (indirect table)",
                   (unsigned)AMP_DESC_BYTES);
    if (address % AMP_DESC_BYTES)
        return bad(device, "desc.addr", address, at, "a multiple of %u (indirect table)", (unsigned)AMP_DESC_BYTES);
    return 0;
}

/* addr, and len, flags and next as one u64, of the descriptor at `at`, in two loads; its buffer lies where buffers may. */
static int read_descriptor(struct amp_ring_device *device, uint64_t at, uint64_t *address, uint64_t *rest)
{
    *address = AMP_RING_LOAD(u64, device, AMP_RING_AT(device, at));
    *rest = AMP_RING_LOAD(u64, device, AMP_RING_AT(device, at + 8));
    if (!amp_ring_is_inside(device, *address, (uint32_t)*rest))
        return amp_ring_bad_segment(device, at, *address, (uint32_t)*rest);
    return 0;
}

int amp_ring_walk(struct amp_ring_device *device, uint64_t address, uint64_t rest, struct amp_segment *segments,
                  uint32_t room, struct amp_chain *chain)
{
    uint64_t table = device->config.layout.desc, at = table + (uint64_t)AMP_DESC_BYTES * chain->head;
    uint32_t entries = device->num;
    int error = 0;

    chain->readable = chain->writable = 0;
    if (rest >> 32 & AMP_DESC_INDIRECT) {
        error = check_indirect(device, at, address, rest);
        if (error)
            return error;
        entries = (uint32_t)rest / AMP_DESC_BYTES;
        at = table = address;
        error = read_descriptor(device, at, &address, &rest);
    }
    for (uint32_t n = 0; !error && n < device->num; n++) {
        uint64_t flags = rest >> 32 & UINT16_MAX, next = rest >> 48;
        bool writable = flags & AMP_DESC_WRITE;

        if (flags & AMP_DESC_INDIRECT)
            return bad(device, "desc.flags", flags, at + 12, "INDIRECT only as the whole chain");
        if (chain->writable && !writable)
            return bad(device, "desc.flags", flags, at + 12, "device-readable before device-writable");
        if (n == room)
            return -E2BIG;
        segments[n] = (struct amp_segment){.address = address, .length = (uint32_t)rest};
        chain->writable += writable;
        chain->readable += !writable;
        if (!(flags & AMP_DESC_NEXT))
            return 0;
        if (next >= entries)
            return bad(device, "desc.next", next, at + 14, "below %u", entries);
        at = table + AMP_DESC_BYTES * next;
        error = read_descriptor(device, at, &address, &rest);
    }
    if (error)
        return error;
    return bad(device, "desc chain length", device->num + UINT64_C(1), at, "at most %u: it loops, or is too long",
               device->num);
}
