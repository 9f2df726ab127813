/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ring_driver.c - the driver's half of the split virtqueue: see ring.h. What the hot loops inline is in ring_driver.h.
 */
#include "ring_driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "granule.h"

static const uint64_t NEVER_WRITTEN = UINT64_MAX; /* no field can hold it: flags and heads have bits that are never set */

static bool is_inside(const struct amp_ring_config *config, uint64_t at, uint64_t bytes, uint64_t align)
{
    return at % align == 0 && amp_check_range(config->start, config->end, at, bytes) == 0;
}

int amp_ring_check(const struct amp_ring_config *config)
{
    const struct amp_ring_layout *layout = &config->layout;
    uint64_t num = layout->num;

    if (num < 1 || num > AMP_RING_LIMIT || num & (num - 1) || config->how >= AMP_RING_HOWS)
        return -EINVAL;
    if (config->start > config->end || config->buffers > config->buffers_end ||
        amp_check_range(config->start, config->end, config->buffers, config->buffers_end - config->buffers))
        return -EFAULT;
    /* virtio 1.2, 2.7: alignments of the three parts; each field at a multiple of its size */
    if (!is_inside(config, layout->desc, num * AMP_DESC_BYTES, AMP_DESC_BYTES) ||
        !is_inside(config, layout->avail_flags, 2, 2) || !is_inside(config, layout->avail_idx, 2, 2) ||
        !is_inside(config, layout->avail_ring, 2 * num, 2) || !is_inside(config, layout->used_event, 2, 2) ||
        !is_inside(config, layout->used_flags, 2, 2) || !is_inside(config, layout->used_idx, 2, 2) ||
        !is_inside(config, layout->used_ring, num * AMP_USED_BYTES, 4) || !is_inside(config, layout->avail_event, 2, 2))
        return -EFAULT;
    if (config->table_entries > AMP_RING_LIMIT)
        return -EINVAL;
    if (config->table_entries &&
        (config->tables % AMP_DESC_BYTES ||
         amp_check_range(config->buffers, config->buffers_end, config->tables,
                         num * config->table_entries * AMP_DESC_BYTES)))
        return -EFAULT;
    return 0;
}

/* Its arrays, one behind the other: what needs most alignment comes first. */
size_t amp_ring_driver_room(const struct amp_ring_config *config)
{
    size_t num = config->layout.num, words = num * config->table_entries * 2;

    return num * sizeof(struct amp_ring_slot) + words * sizeof(uint64_t) + num * sizeof(uint32_t) +
           num * sizeof(uint16_t);
}

int amp_ring_driver_place(struct amp_ring_driver *driver, const struct amp_port *port,
                          const struct amp_ring_config *config, void *room)
{
    const struct amp_ring_layout *layout = &config->layout;
    int error = amp_ring_check(config);
    uint32_t num = layout->num;
    size_t words = (size_t)num * config->table_entries * 2;

    *driver = (struct amp_ring_driver){.port = *port, .config = *config};
    if (error)
        return error;
    driver->desc = AMP_RING_AT(driver, layout->desc);
    driver->avail_ring = AMP_RING_AT(driver, layout->avail_ring);
    driver->avail_idx_at = AMP_RING_AT(driver, layout->avail_idx);
    driver->used_ring = AMP_RING_AT(driver, layout->used_ring);
    driver->used_idx_at = AMP_RING_AT(driver, layout->used_idx);
    driver->num = num;
    driver->mask = num - 1;
    driver->weak = config->weak;
    driver->fifo = config->fifo;
    driver->rewrite = config->rewrite;
    driver->slots = room;
    driver->tables_written = (uint64_t *)(driver->slots + num);
    driver->avail_written = (uint32_t *)(driver->tables_written + words);
    driver->heads = (uint16_t *)(driver->avail_written + num);
    for (uint32_t i = 0; i < num; i++) {
        driver->slots[i] = (struct amp_ring_slot){.address = NEVER_WRITTEN, .rest = NEVER_WRITTEN, .limit = -1};
        driver->heads[i] = (uint16_t)(config->fifo ? i : num - 1 - i); /* a stack's top is its last entry */
        driver->avail_written[i] = UINT32_MAX;
    }
    for (size_t i = 0; i < words; i++)
        driver->tables_written[i] = NEVER_WRITTEN;
    return 0;
}

int amp_ring_driver_open(struct amp_ring_driver *driver, const struct amp_port *port,
                         const struct amp_ring_config *config)
{
    int error = amp_ring_check(config);
    void *room = error ? NULL : malloc(amp_ring_driver_room(config));

    *driver = (struct amp_ring_driver){.port = *port};
    if (!error && !room)
        error = -ENOMEM;
    if (!error)
        error = amp_ring_driver_place(driver, port, config, room);
    driver->room = room;
    return error;
}

void amp_ring_driver_close(struct amp_ring_driver *driver)
{
    free(driver->room);
    driver->room = NULL;
}

static void write_word(struct amp_ring_driver *driver, uint64_t at, uint64_t *written, uint64_t value)
{
    if (!driver->rewrite && *written == value)
        return;
    *written = value;
    AMP_RING_STORE(u64, driver, AMP_RING_AT(driver, at), value);
}

/* The indirect table of `head` (virtio 1.2, 2.7.5.3), and the descriptor that names it. */
static int add_indirect(struct amp_ring_driver *driver, const struct amp_segment *segments, uint32_t readable,
                        uint32_t total, uint32_t writable_bytes)
{
    uint32_t entries = driver->config.table_entries;
    uint32_t head = amp_ring_next_head(driver);
    uint64_t table = driver->config.tables + (uint64_t)head * entries * AMP_DESC_BYTES;
    uint64_t *written = driver->tables_written + (size_t)head * entries * 2;

    if (total > entries || total > driver->num)
        return -E2BIG;
    for (uint32_t i = 0; i < total; i++) {
        uint64_t flags = (i >= readable ? AMP_DESC_WRITE : 0) | (i + 1 < total ? AMP_DESC_NEXT : 0);
        uint64_t next = i + 1 < total ? i + 1 : 0;

        write_word(driver, table + AMP_DESC_BYTES * i, &written[2 * i], segments[i].address);
        write_word(driver, table + AMP_DESC_BYTES * i + 8, &written[2 * i + 1],
                   segments[i].length | flags << 32 | next << 48);
    }
    amp_ring_add_one(driver, head, table, total * AMP_DESC_BYTES | (uint64_t)AMP_DESC_INDIRECT << 32, writable_bytes);
    return (int)head;
}

/* One descriptor a segment, linked by `next`, from the top of the stack of free ones. */
static int add_chain(struct amp_ring_driver *driver, const struct amp_segment *segments, uint32_t readable,
                     uint32_t total, uint32_t writable_bytes)
{
    const uint16_t *top = driver->heads + amp_ring_free(driver) - 1;
    uint32_t head = top[0];
    uint64_t first = 0;

    for (uint32_t i = 0; i < total; i++) {
        uint64_t flags = (i >= readable ? AMP_DESC_WRITE : 0) | (i + 1 < total ? AMP_DESC_NEXT : 0);
        uint64_t next = i + 1 < total ? top[-(ptrdiff_t)i - 1] : 0;
        uint64_t rest = segments[i].length | flags << 32 | next << 48;

        if (i == 0)
            first = rest;
        else
            amp_ring_describe(driver, top[-(ptrdiff_t)i], segments[i].address, rest);
    }
    driver->tails += total - 1;
    amp_ring_add_one(driver, head, segments[0].address, first, writable_bytes);
    return (int)head;
}

void amp_ring_release_tail(struct amp_ring_driver *driver, uint32_t head)
{
    uint32_t n = 0, at;

    for (uint64_t rest = driver->slots[head].rest; rest >> 32 & AMP_DESC_NEXT; rest = driver->slots[rest >> 48].rest)
        n++;
    at = amp_ring_free(driver) + n; /* the second descriptor goes there less one, the last one to the bottom */
    for (uint64_t rest = driver->slots[head].rest; rest >> 32 & AMP_DESC_NEXT; rest = driver->slots[rest >> 48].rest)
        driver->heads[--at] = (uint16_t)(rest >> 48);
    driver->tails -= n;
}

int amp_ring_add(struct amp_ring_driver *driver, const struct amp_segment *segments, uint32_t readable,
                 uint32_t writable)
{
    uint32_t total = readable + writable, head;
    uint64_t bytes = 0;

    if (total == 0 || total < readable || (total > 1 && driver->fifo && driver->config.table_entries == 0))
        return -EINVAL;
    if (amp_ring_free(driver) < (driver->config.table_entries ? 1 : total))
        return -ENOSPC;
    for (uint32_t i = readable; i < total; i++)
        bytes += segments[i].length;
    if (bytes > UINT32_MAX) /* virtio 1.2, 2.7.5.2: no chain is longer than 2^32 bytes */
        return -EINVAL;
    if (total > 1)
        return (driver->config.table_entries ? add_indirect : add_chain)(driver, segments, readable, total,
                                                                         (uint32_t)bytes);
    head = amp_ring_next_head(driver);
    amp_ring_add_one(driver, head, segments[0].address,
                     segments[0].length | (uint64_t)(readable ? 0 : AMP_DESC_WRITE) << 32, (uint32_t)bytes);
    return (int)head;
}

int amp_ring_add_many(struct amp_ring_driver *driver, const uint64_t *addresses, const uint32_t *lengths, uint32_t n,
                      bool writable, uint16_t *heads)
{
    uint32_t available = amp_ring_free(driver), count = n < available ? n : available;
    uint64_t flags = writable ? (uint64_t)AMP_DESC_WRITE << 32 : 0;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t head = amp_ring_next_head(driver);

        heads[i] = (uint16_t)head;
        amp_ring_add_one(driver, head, addresses[i], lengths[i] | flags, writable ? lengths[i] : 0);
    }
    if (count)
        amp_ring_publish(driver);
    return (int)count;
}

void amp_ring_publish(struct amp_ring_driver *driver)
{
    amp_ring_publish_as(driver, driver->config.how);
}

bool amp_ring_kick_prepare(struct amp_ring_driver *driver)
{
    return amp_ring_kick_prepare_as(driver, driver->config.how);
}

void amp_ring_kick(struct amp_ring_driver *driver, unsigned device_cpu)
{
    /* K1: the doorbell must not overtake the ring it announces. Pairs with K2 where the device wakes up. */
    AMP_RING_BARRIER(driver, driver->config.how, wmb, AMP_K1);
    amp_kick(&driver->port, device_cpu);
}

int amp_ring_look_used(struct amp_ring_driver *driver)
{
    return amp_ring_look_used_as(driver, driver->config.how, true);
}

int amp_ring_take(struct amp_ring_driver *driver, uint32_t *written)
{
    uint64_t entry;
    int head = amp_ring_take_one(driver, &entry, true);

    *written = (uint32_t)(entry >> 32);
    return head;
}

int amp_ring_get_used(struct amp_ring_driver *driver, uint32_t *head, uint32_t *written)
{
    int ready = amp_ring_look_used(driver);
    int taken = ready > 0 ? amp_ring_take(driver, written) : ready;

    if (ready <= 0 || taken < 0)
        return taken;
    *head = (uint32_t)taken;
    if (driver->config.event_idx && !(driver->flags & AMP_NO_INTERRUPT))
        amp_ring_ask_interrupt(driver, driver->used_idx);
    return 1;
}

int amp_ring_take_many(struct amp_ring_driver *driver, uint32_t n, uint16_t *heads, uint32_t *written)
{
    int ready = n ? amp_ring_look_used(driver) : 0;
    uint32_t count = 0;

    while (ready > 0 && count < n && count < (uint32_t)ready) {
        int head = amp_ring_take(driver, &written[count]);

        if (head < 0 && count == 0)
            return head;
        if (head < 0)
            break;
        heads[count++] = (uint16_t)head;
    }
    if (count && driver->config.event_idx && !(driver->flags & AMP_NO_INTERRUPT))
        amp_ring_ask_interrupt(driver, driver->used_idx);
    return ready < 0 ? ready : (int)count;
}

void amp_ring_ask_interrupt(struct amp_ring_driver *driver, uint16_t event)
{
    AMP_RING_STORE(u16, driver, AMP_RING_FIELD(driver, used_event), event);
    /* S8: the wish must be visible before we look at idx, or both sides miss each other.
     * Pairs with S7 in amp_ring_call_prepare_as. */
    AMP_RING_BARRIER(driver, driver->config.how, mb, AMP_S8);
}

void amp_ring_finish_using(const struct amp_ring_driver *driver)
{
    /* B1: our reads of the buffers must be done before the device may write to them. Pairs with the device's own B1. */
    AMP_RING_BARRIER(driver, driver->config.how, mb, AMP_B1);
}

void amp_ring_disable_interrupts(struct amp_ring_driver *driver)
{
    if (driver->flags & AMP_NO_INTERRUPT)
        return;
    driver->flags |= AMP_NO_INTERRUPT;
    if (!driver->config.event_idx) /* else the event index is left behind */
        AMP_RING_STORE(u16, driver, AMP_RING_FIELD(driver, avail_flags), driver->flags);
}

bool amp_ring_enable_interrupts(struct amp_ring_driver *driver)
{
    driver->flags &= (uint16_t)~AMP_NO_INTERRUPT;
    if (driver->config.event_idx) {
        amp_ring_ask_interrupt(driver, driver->used_idx);
    } else {
        AMP_RING_STORE(u16, driver, AMP_RING_FIELD(driver, avail_flags), driver->flags);
        AMP_RING_BARRIER(driver, driver->config.how, mb, AMP_S8); /* as above */
    }
    return AMP_RING_LOAD(u16, driver, driver->used_idx_at) == driver->used_idx;
}

int amp_ring_bad_used_idx(struct amp_ring_driver *driver, uint16_t idx)
{
    driver->fault =
        (struct amp_ring_fault){.field = "used.idx", .value = idx, .address = driver->config.layout.used_idx};
    snprintf(driver->fault.limit, sizeof driver->fault.limit, "%u to %u", driver->used_idx, driver->published);
    return -EPROTO;
}

int amp_ring_bad_used(struct amp_ring_driver *driver, uint64_t entry)
{
    uint32_t head = (uint32_t)entry;
    uint64_t at =
        driver->config.layout.used_ring + (uint64_t)AMP_USED_BYTES * (driver->used_idx & driver->mask);

    if (head > driver->mask || driver->slots[head].limit < 0) {
        driver->fault = (struct amp_ring_fault){
            .field = "used.ring id", .value = head, .address = at, .limit = "a head in flight"};
        return -EPROTO;
    }
    driver->fault = (struct amp_ring_fault){.field = "used.ring len", .value = entry >> 32, .address = at + 4};
    snprintf(driver->fault.limit, sizeof driver->fault.limit, "at most %lld", (long long)driver->slots[head].limit);
    return -EPROTO;
}
