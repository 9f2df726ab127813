/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ring_driver.h - the driver's hot path, inlined into loops that have `how` and `checks` compiled in.
 *
 * `checks` is true everywhere but in the benchmark that measures what the checks cost; false keeps this side's own memory
 * safe and nothing else.
 */
#ifndef AMP_RING_DRIVER_H
#define AMP_RING_DRIVER_H

#include <errno.h>

#include "ring_access.h"

int amp_ring_bad_used_idx(struct amp_ring_driver *driver, uint16_t idx) __attribute__((cold));
int amp_ring_bad_used(struct amp_ring_driver *driver, uint64_t entry) __attribute__((cold));
/* All descriptors of a chain but its first become free. */
void amp_ring_release_tail(struct amp_ring_driver *driver, uint32_t head) __attribute__((cold));

AMP_INLINE uint32_t amp_ring_in_flight(const struct amp_ring_driver *driver)
{
    return (uint16_t)(driver->avail_idx - driver->used_idx);
}

AMP_INLINE uint32_t amp_ring_free(const struct amp_ring_driver *driver)
{
    return driver->num - amp_ring_in_flight(driver) - driver->tails;
}

/* The head that the next buffer gets. There is a free one. */
AMP_INLINE uint32_t amp_ring_next_head(const struct amp_ring_driver *driver)
{
    uint32_t at = driver->fifo ? driver->avail_idx & driver->mask : amp_ring_free(driver) - 1;

    return driver->heads[at];
}

/* One descriptor, in two stores; `rest` is len, flags and next as one u64. */
AMP_INLINE void amp_ring_describe(struct amp_ring_driver *driver, uint32_t index, uint64_t address, uint64_t rest)
{
    struct amp_ring_slot *slot = &driver->slots[index];
    uint64_t at = driver->desc + (size_t)AMP_DESC_BYTES * index;

    if (driver->rewrite || slot->address != address) {
        slot->address = address;
        AMP_RING_STORE(u64, driver, at, address);
    }
    if (driver->rewrite || slot->rest != rest) {
        slot->rest = rest;
        AMP_RING_STORE(u64, driver, at + 8, rest);
    }
}

/* One descriptor and its entry in the available ring. */
AMP_INLINE void amp_ring_add_one(struct amp_ring_driver *driver, uint32_t head, uint64_t address, uint64_t rest,
                                 uint32_t writable)
{
    uint32_t entry = driver->avail_idx & driver->mask;

    amp_ring_describe(driver, head, address, rest);
    driver->slots[head].limit = writable;
    if (driver->rewrite || driver->avail_written[entry] != head) {
        driver->avail_written[entry] = head;
        AMP_RING_STORE(u16, driver, driver->avail_ring + 2 * entry, (uint16_t)head);
    }
    driver->avail_idx++;
}

AMP_INLINE void amp_ring_publish_as(struct amp_ring_driver *driver, unsigned how)
{
    /* S1: the device must not see idx before the ring entries and the descriptors behind them, nor before the payload.
     * Pairs with S2 in amp_ring_look_avail_as. */
    AMP_RING_BARRIER(driver, how, wmb, AMP_S1);
    driver->unannounced += (uint16_t)(driver->avail_idx - driver->published);
    driver->published = driver->avail_idx;
    AMP_RING_STORE(u16, driver, driver->avail_idx_at, driver->avail_idx);
}

AMP_INLINE int amp_ring_look_used_as(struct amp_ring_driver *driver, unsigned how, bool checks)
{
    uint16_t idx = AMP_RING_LOAD(u16, driver, driver->used_idx_at);
    uint32_t ready = (uint16_t)(idx - driver->used_idx);

    if (ready == 0)
        return 0;
    if (checks && AMP_UNLIKELY(ready > (uint16_t)(driver->published - driver->used_idx)))
        return amp_ring_bad_used_idx(driver, idx);
    /* S4: the used entries and the payload must not be read before idx said that they are there.
     * Pairs with S3 in amp_ring_complete_as. */
    AMP_RING_BARRIER(driver, how, rmb, AMP_S4);
    return (int)ready;
}

/* `entry`: id in the low half, len in the high one, as they were read. */
AMP_INLINE int amp_ring_take_one(struct amp_ring_driver *driver, uint64_t *entry, bool checks)
{
    uint32_t head, free_at;
    struct amp_ring_slot *slot;

    *entry = AMP_RING_LOAD(pair_u32, driver,
                           driver->used_ring + (size_t)AMP_USED_BYTES * (driver->used_idx & driver->mask));
    head = (uint32_t)*entry;
    if (checks && AMP_UNLIKELY(head > driver->mask))
        return amp_ring_bad_used(driver, *entry);
    head &= driver->mask;
    slot = &driver->slots[head];
    /* One comparison for both: a head that is not in flight has the limit -1. */
    if (checks && AMP_UNLIKELY((int64_t)(*entry >> 32) > slot->limit))
        return amp_ring_bad_used(driver, *entry);
    slot->limit = -1;
    if (AMP_UNLIKELY(slot->rest >> 32 & AMP_DESC_NEXT))
        amp_ring_release_tail(driver, head);
    free_at = driver->fifo ? driver->used_idx & driver->mask : amp_ring_free(driver);
    driver->heads[free_at] = (uint16_t)head;
    driver->used_idx++;
    return (int)head;
}

AMP_INLINE bool amp_ring_kick_prepare_as(struct amp_ring_driver *driver, unsigned how)
{
    uint32_t added = driver->unannounced;
    uint16_t now = driver->published;

    /* S5: our idx must be visible before we look whether the device sleeps, or both sides miss each other.
     * Pairs with S6 in amp_ring_enable_notifications. */
    AMP_RING_BARRIER(driver, how, mb, AMP_S5);
    driver->unannounced = 0;
    if (driver->config.event_idx) /* an index that went all the way round passed every event */
        return added > UINT16_MAX || amp_ring_need_event(AMP_RING_LOAD(u16, driver, AMP_RING_FIELD(driver, avail_event)),
                                                         now, (uint16_t)(now - added));
    return !(AMP_RING_LOAD(u16, driver, AMP_RING_FIELD(driver, used_flags)) & AMP_NO_NOTIFY);
}

#endif
