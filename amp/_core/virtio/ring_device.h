/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ring_device.h - the device's hot path, inlined into loops that have `how` and `checks` compiled in: see ring_driver.h.
 */
#ifndef AMP_RING_DEVICE_H
#define AMP_RING_DEVICE_H

#include <assert.h>
#include <errno.h>

#include "ring_access.h"

int amp_ring_bad_avail_idx(struct amp_ring_device *device, uint16_t idx) __attribute__((cold));
int amp_ring_bad_head(struct amp_ring_device *device, uint32_t head) __attribute__((cold));
int amp_ring_bad_segment(struct amp_ring_device *device, uint64_t at, uint64_t address, uint32_t length)
    __attribute__((cold));
/* The whole chain behind a first descriptor that has NEXT or INDIRECT. */
int amp_ring_walk(struct amp_ring_device *device, uint64_t address, uint64_t rest, struct amp_segment *segments,
                  uint32_t room, struct amp_chain *chain);

AMP_INLINE int amp_ring_look_avail_as(struct amp_ring_device *device, unsigned how, bool checks)
{
    uint16_t idx = AMP_RING_LOAD(u16, device, device->avail_idx_at);
    uint32_t ready = (uint16_t)(idx - device->avail_idx);

    if (ready == 0)
        return 0;
    /* What we hold is the driver's no more. */
    if (checks && AMP_UNLIKELY(ready > device->num - (uint16_t)(device->avail_idx - device->published)))
        return amp_ring_bad_avail_idx(device, idx);
    /* S2: the ring entries, the descriptors and the payload must not be read before idx said that they are there.
     * Pairs with S1 in amp_ring_publish_as. */
    AMP_RING_BARRIER(device, how, rmb, AMP_S2);
    return (int)ready;
}

AMP_INLINE bool amp_ring_is_inside(const struct amp_ring_device *device, uint64_t address, uint64_t length)
{
    return address >= device->buffers && address <= device->buffers_end && length <= device->buffers_end - address;
}

/* The next chain; segments[0] at least is filled. */
AMP_INLINE int amp_ring_next_one(struct amp_ring_device *device, struct amp_segment *segments, uint32_t room,
                                 struct amp_chain *chain, bool checks)
{
    uint32_t head = AMP_RING_LOAD(u16, device, device->avail_ring + 2 * (device->avail_idx & device->mask));
    uint64_t address, rest, at;
    uint32_t length;
    int error;

    if (checks && AMP_UNLIKELY(head > device->mask))
        return amp_ring_bad_head(device, head);
    head &= device->mask;
    at = (uint64_t)AMP_DESC_BYTES * head;
    address = AMP_RING_LOAD(u64, device, device->desc + at);
    rest = AMP_RING_LOAD(u64, device, device->desc + at + 8);
    length = (uint32_t)rest;
    if (checks && AMP_UNLIKELY(!amp_ring_is_inside(device, address, length)))
        return amp_ring_bad_segment(device, device->config.layout.desc + at, address, length);
    chain->head = head;
    if (AMP_LIKELY(!(rest >> 32 & (AMP_DESC_NEXT | AMP_DESC_INDIRECT)))) {
        bool writable = rest >> 32 & AMP_DESC_WRITE;

        segments[0] = (struct amp_segment){.address = address, .length = length};
        chain->readable = !writable;
        chain->writable = writable;
    } else {
        error = amp_ring_walk(device, address, rest, segments, room, chain);
        if (error)
            return error;
    }
    device->avail_idx++;
    return 0;
}

AMP_INLINE void amp_ring_push_one(struct amp_ring_device *device, uint32_t head, uint32_t written)
{
    uint32_t at = device->used_idx & device->mask;
    uint64_t entry = head | (uint64_t)written << 32;

    assert(device->used_idx != device->avail_idx); /* giving back more buffers than were taken */
    if (device->rewrite || device->used_written[at] != entry) {
        device->used_written[at] = entry;
        AMP_RING_STORE(pair_u32, device, device->used_ring + (size_t)AMP_USED_BYTES * at, entry);
    }
    device->used_idx++;
}

AMP_INLINE void amp_ring_complete_as(struct amp_ring_device *device, unsigned how)
{
    /* S3: the driver must not see idx before the entries and the payload behind them.
     * Pairs with S4 in amp_ring_look_used_as. */
    AMP_RING_BARRIER(device, how, wmb, AMP_S3);
    device->unannounced += (uint16_t)(device->used_idx - device->published);
    device->published = device->used_idx;
    AMP_RING_STORE(u16, device, device->used_idx_at, device->used_idx);
}

AMP_INLINE bool amp_ring_call_prepare_as(struct amp_ring_device *device, unsigned how)
{
    uint32_t used = device->unannounced;
    uint16_t now = device->published;

    /* S7: our idx must be visible before we look whether the driver sleeps, or both sides miss each other.
     * Pairs with S8 in amp_ring_enable_interrupts. */
    AMP_RING_BARRIER(device, how, mb, AMP_S7);
    device->unannounced = 0;
    if (device->config.event_idx)
        return used > UINT16_MAX || amp_ring_need_event(AMP_RING_LOAD(u16, device, AMP_RING_FIELD(device, used_event)),
                                                        now, (uint16_t)(now - used));
    return !(AMP_RING_LOAD(u16, device, AMP_RING_FIELD(device, avail_flags)) & AMP_NO_INTERRUPT);
}

AMP_INLINE void amp_ring_finish_reading_as(const struct amp_ring_device *device, unsigned how)
{
    /* B1: our reads of the buffers must be done before the driver may write to them. Pairs with the driver's own B1. */
    AMP_RING_BARRIER(device, how, mb, AMP_B1);
}

#endif
