/* SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE
#include "ring_bench.h"

#include "granule.h"
#include "virtio/ring_device.h"
#include "virtio/ring_driver.h"
#include "virtio/ring_side.h"

uint64_t amp_ring_bench_stride(uint32_t payload)
{
    return payload ? ((uint64_t)payload + 63) / 64 * 64 : 64;
}

/* --- the driver ---------------------------------------------------------------------------------------------------- */

/* Exposes the next `n` buffers, then announces them and asks whether to kick. */
AMP_INLINE void expose(struct side *side, struct amp_ring_driver *driver, uint64_t number, uint32_t n, unsigned how)
{
    const struct amp_ring_bench *bench = side->bench;
    uint32_t payload = bench->payload, half = payload / 2 & ~7u;
    struct digest delivered = side->delivered; /* in registers meanwhile */

    for (uint32_t i = 0; i < n; i++) {
        uint32_t head = amp_ring_next_head(driver);
        uint64_t address = bench->ring.buffers + side->stride * head;
        uint64_t sum = payload ? write_payload(side->memory + address, payload, number + i, 0) : 0;

        if (bench->ring.table_entries) {
            struct amp_segment halves[2] = {{address, half}, {address + half, payload - half}};

            amp_ring_add(driver, halves, 2, 0);
            sum += segment_digest(halves[0].address, halves[0].length) +
                   segment_digest(halves[1].address, halves[1].length);
        } else {
            amp_ring_add_one(driver, head, address, payload, 0);
            sum += segment_digest(address, payload);
        }
        take_in(&delivered, sum);
    }
    side->delivered = delivered;
    amp_ring_publish_as(driver, how);
    side->out->announcements++;
    if ((bench->wait != AMP_BENCH_POLL || bench->ring.event_idx) && amp_ring_kick_prepare_as(driver, how)) {
        amp_ring_kick(driver, DEVICE);
        side->out->notifications++;
    }
}

/* Takes everything that came back: how many. */
AMP_INLINE int take_back(struct side *side, struct amp_ring_driver *driver, unsigned how, bool checks)
{
    int ready = amp_ring_look_used_as(driver, how, checks);
    struct digest returned = side->returned;

    side->out->looks++;
    side->out->empty_looks += ready == 0;
    for (int i = 0; i < ready; i++) {
        uint64_t entry;

        if (checks && AMP_UNLIKELY(amp_ring_take_one(driver, &entry, true) < 0))
            return -EPROTO;
        if (!checks)
            amp_ring_take_one(driver, &entry, false);
        take_in(&returned, entry);
    }
    side->returned = returned;
    return ready;
}

/* Nothing came back, and nothing can be exposed. */
AMP_INLINE int driver_waits(struct side *side, struct amp_ring_driver *driver, unsigned how)
{
    int error = 0;

    if (side->bench->wait == AMP_BENCH_POLL)
        return poll_again(side);
    if (side->bench->wait == AMP_BENCH_FILL) {
        error = spin_on_bell(side, DRIVER);
    } else if (amp_ring_enable_interrupts(driver)) {
        error = sleep_on_bell(side, DRIVER);
        side->out->spurious += AMP_RING_LOAD(u16, driver, driver->used_idx_at) == driver->used_idx;
    }
    /* K2: the interrupt before the reads of the ring. Pairs with K1 in amp_ring_call. */
    amp_ring_rmb(&driver->port, how, driver->weak);
    if (side->bench->wait == AMP_BENCH_SLEEP)
        amp_ring_disable_interrupts(driver);
    return error;
}

/* FILL: an interrupt for the last buffer of the next `n`, asked for before any of them is exposed. */
static void ask_for_last(struct side *side, struct amp_ring_driver *driver, uint32_t n)
{
    if (side->bench->wait == AMP_BENCH_FILL)
        amp_ring_ask_interrupt(driver, (uint16_t)(driver->avail_idx + n - 1));
}

AMP_INLINE int drive(struct side *side, struct amp_ring_driver *driver, unsigned how, bool checks)
{
    const uint64_t messages = side->bench->messages;
    const uint32_t outstanding = side->bench->outstanding;
    const bool fill = side->bench->wait == AMP_BENCH_FILL, hold = side->bench->wait == AMP_BENCH_POLL;
    uint64_t added = 0, returned = 0;

    amp_ring_disable_interrupts(driver);
    while (returned < messages) {
        uint32_t in_flight = (uint32_t)(added - returned), room = outstanding - in_flight;
        int ready;

        if (messages - added < room)
            room = (uint32_t)(messages - added);
        if (room && fill)
            ask_for_last(side, driver, room);
        /* Less than a batch waits for more, while the other side has plenty: a batch is at most half of what it may have.
         * The last ones wait for nothing. */
        while (room && (room >= side->batch || !hold || added + room == messages)) {
            uint32_t n = room < side->batch ? room : side->batch;

            expose(side, driver, added, n, how);
            added += n;
            room -= n;
        }
        if (fill) {
            int error = driver_waits(side, driver, how);

            if (error)
                return error;
        }
        ready = take_back(side, driver, how, checks);
        if (AMP_UNLIKELY(ready <= 0)) {
            ready = ready < 0 ? ready : fill ? -EPROTO : driver_waits(side, driver, how);
            if (ready)
                return ready;
            continue;
        }
        returned += (uint32_t)ready;
        side->out->messages = returned;
    }
    return 0;
}

/* --- the device ---------------------------------------------------------------------------------------------------- */

/* Takes, reads and returns the next `n` buffers, then announces them and asks whether to call. */
AMP_INLINE int serve_batch(struct side *side, struct amp_ring_device *device, uint32_t n, unsigned how, bool checks)
{
    const struct amp_ring_bench *bench = side->bench;
    const bool reads = bench->payload > 0;
    const uint64_t first = side->out->messages;
    struct digest delivered = side->delivered, returned = side->returned;

    for (uint32_t i = 0; i < n; i++) {
        struct amp_segment segments[2];
        struct amp_chain chain;
        uint64_t sum, wrong = 0, number = first + i;
        int error = amp_ring_next_one(device, segments, 2, &chain, checks);

        if (AMP_UNLIKELY(error))
            return error;
        sum = segment_digest(segments[0].address, segments[0].length);
        if (reads)
            sum += read_payload(side->memory + segments[0].address, segments[0].length, number, 0, &wrong);
        if (AMP_UNLIKELY(chain.readable + chain.writable > 1)) {
            sum += segment_digest(segments[1].address, segments[1].length);
            if (reads)
                sum += read_payload(side->memory + segments[1].address, segments[1].length, number,
                                    segments[0].length / 8, &wrong);
        }
        if (AMP_UNLIKELY(wrong))
            side->out->corrupted++;
        take_in(&delivered, sum);
        amp_ring_push_one(device, chain.head, 0);
        take_in(&returned, chain.head);
    }
    side->delivered = delivered;
    side->returned = returned;
    side->out->messages = first + n;
    if (reads)
        amp_ring_finish_reading_as(device, how);
    amp_ring_complete_as(device, how);
    side->out->announcements++;
    if ((bench->wait != AMP_BENCH_POLL || bench->ring.event_idx) && amp_ring_call_prepare_as(device, how)) {
        amp_ring_call(device, DRIVER);
        side->out->notifications++;
    }
    return 0;
}

AMP_INLINE int device_waits(struct side *side, struct amp_ring_device *device, unsigned how)
{
    int error = 0;

    if (side->bench->wait != AMP_BENCH_SLEEP)
        return poll_again(side);
    if (amp_ring_enable_notifications(device)) {
        error = sleep_on_bell(side, DEVICE);
        side->out->spurious += AMP_RING_LOAD(u16, device, device->avail_idx_at) == device->avail_idx;
    }
    /* K2: the interrupt before the reads of the ring. Pairs with K1 in amp_ring_kick. */
    amp_ring_rmb(&device->port, how, device->weak);
    amp_ring_disable_notifications(device);
    return error;
}

AMP_INLINE int serve(struct side *side, struct amp_ring_device *device, unsigned how, bool checks)
{
    amp_ring_disable_notifications(device);
    while (side->out->messages < side->bench->messages) {
        int ready = amp_ring_look_avail_as(device, how, checks), error = 0;

        side->out->looks++;
        side->out->empty_looks += ready == 0;
        if (AMP_UNLIKELY(ready <= 0)) {
            error = ready < 0 ? ready : device_waits(side, device, how);
            if (error)
                return error;
            continue;
        }
        for (uint32_t left = (uint32_t)ready; left && !error;) {
            uint32_t n = left < side->batch ? left : side->batch;

            error = serve_batch(side, device, n, how, checks);
            left -= n;
        }
        if (error)
            return error;
    }
    return 0;
}

/* --- one instance for each way to choose a barrier ----------------------------------------------------------------- */

#define HOWS(ROW) ROW(NONE) ROW(COMPILER) ROW(SMP) ROW(DMA) ROW(MANDATORY) ROW(BRANCH)
#define INSTANCES(HOW)                                                                                                 \
    static __attribute__((noinline)) int drive_##HOW(struct side *side, void *driver)                                 \
    {                                                                                                                  \
        return drive(side, driver, AMP_RING_##HOW, true);                                                              \
    }                                                                                                                  \
    static __attribute__((noinline)) int drive_unchecked_##HOW(struct side *side, void *driver)                       \
    {                                                                                                                  \
        return drive(side, driver, AMP_RING_##HOW, false);                                                             \
    }                                                                                                                  \
    static __attribute__((noinline)) int serve_##HOW(struct side *side, void *device)                                 \
    {                                                                                                                  \
        return serve(side, device, AMP_RING_##HOW, true);                                                              \
    }                                                                                                                  \
    static __attribute__((noinline)) int serve_unchecked_##HOW(struct side *side, void *device)                       \
    {                                                                                                                  \
        return serve(side, device, AMP_RING_##HOW, false);                                                             \
    }
HOWS(INSTANCES)

static const struct {
    int (*drive[2])(struct side *side, void *driver); /* unchecked, checked */
    int (*serve[2])(struct side *side, void *device);
} instances[AMP_RING_BRANCH + 1] = {
#define ROW(HOW) [AMP_RING_##HOW] = {{drive_unchecked_##HOW, drive_##HOW}, {serve_unchecked_##HOW, serve_##HOW}},
    HOWS(ROW)
#undef ROW
};

static int open_side(struct side *side, uint8_t *memory, uint64_t size, const struct amp_ring_bench *bench,
                     unsigned role, struct amp_ring_bench_result *out)
{
    uint64_t stride = amp_ring_bench_stride(bench->payload), num = bench->ring.layout.num;
    uint32_t half = bench->outstanding / 2;

    *out = (struct amp_ring_bench_result){.messages = 0};
    if (bench->control % AMP_RING_LINES || bench->board % sizeof(uint32_t) || bench->run == 0 ||
        bench->wait >= AMP_BENCH_WAITS || bench->ring.how > AMP_RING_BRANCH || bench->outstanding < 1 ||
        bench->outstanding > num || bench->batch < 1 ||
        (bench->wait == AMP_BENCH_FILL && !bench->ring.event_idx) || (bench->ring.table_entries == 1))
        return -EINVAL;
    if (bench->ring.end > size || amp_check_range(0, size, bench->control, AMP_BENCH_CONTROL_BYTES) ||
        amp_check_range(0, size, bench->board, sizeof(uint32_t)) ||
        amp_check_range(bench->ring.buffers, bench->ring.buffers_end, bench->ring.buffers, num * stride))
        return -EFAULT;
    *side = (struct side){
        .bench = bench,
        .memory = memory,
        .board = (uint32_t *)(memory + bench->board),
        .cpu = {.memory = memory,
                .board = (uint32_t *)(memory + bench->board),
                .shared_start = bench->ring.start,
                .shared_end = bench->ring.end,
                .id = role,
                .cpus = CPUS},
        .mine = (_Atomic uint64_t *)(memory + bench->control + role * AMP_RING_LINES),
        .peer = (_Atomic uint64_t *)(memory + bench->control + !role * AMP_RING_LINES),
        .deadline_ns = amp_now_ns() + bench->budget_ns,
        .stride = stride,
        .batch = half == 0 ? 1 : bench->batch < half ? bench->batch : half,
        .out = out,
    };
    amp_port_direct(&side->port, &side->seat, &side->cpu);
    return 0;
}

int amp_ring_bench_driver(uint8_t *memory, uint64_t size, const struct amp_ring_bench *bench,
                          struct amp_ring_bench_result *out)
{
    const struct amp_ring_layout *layout = &bench->ring.layout;
    struct amp_ring_driver driver;
    struct side side;
    int error = open_side(&side, memory, size, bench, DRIVER, out);

    if (!error)
        error = amp_ring_driver_open(&driver, &side.port, &bench->ring);
    if (error)
        return error;
    error = measure(&side, (uint64_t[]){layout->avail_flags, layout->avail_idx, layout->used_event}, &driver,
                    instances[bench->ring.how].drive[bench->checks]);
    out->fault = driver.fault;
    amp_ring_driver_close(&driver);
    return error;
}

int amp_ring_bench_device(uint8_t *memory, uint64_t size, const struct amp_ring_bench *bench,
                          struct amp_ring_bench_result *out)
{
    const struct amp_ring_layout *layout = &bench->ring.layout;
    struct amp_ring_device device;
    struct side side;
    int error = open_side(&side, memory, size, bench, DEVICE, out);

    if (!error)
        error = amp_ring_device_open(&device, &side.port, &bench->ring);
    if (error)
        return error;
    error = measure(&side, (uint64_t[]){layout->used_flags, layout->used_idx, layout->avail_event}, &device,
                    instances[bench->ring.how].serve[bench->checks]);
    out->fault = device.fault;
    amp_ring_device_close(&device);
    return error;
}
