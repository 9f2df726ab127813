/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ring_bench.h - the split ring between two processes, as fast as it goes: one call for each side.
 *
 * The driver exposes `messages` buffers, at most `outstanding` at a time; the device takes, reads and returns each. Both
 * call with the same configuration, meet at a barrier in the control block, and read their clocks inside. Both keep two
 * digests, of what was delivered (addresses, lengths, every payload byte) and of what was returned (used entries): the
 * work is proved when they are equal. Word w of message n's payload holds (n + 1) * AMP_BENCH_STEP + w.
 *
 * How they wait for each other:
 *   POLL   for the index. Without event_idx nobody asks whether to notify. With it both ask after every batch, the event
 *          indexes are left behind where they are, and so are passed once in 65,536 buffers: a fixed number.
 *   SLEEP  as drivers do: suppress, drain, ask to be notified, look again, sleep on the bell (bell.h).
 *   FILL   the device polls; the driver fills the ring, asks to be called for the last buffer of it, and goes on when it
 *          is called, spinning on the bell: one call for each `outstanding` buffers, however fast either side is. Linux
 *          tools/virtio/vringh_test.c comes to this when its two sides share a CPU.
 *
 * Who writes what: each side its word of the control block and its own part of the ring; the driver the payloads.
 */
#ifndef AMP_RING_BENCH_H
#define AMP_RING_BENCH_H

#include "virtio/ring.h"

#define AMP_BENCH_STEP UINT64_C(0x9e3779b97f4a7c15)
#define AMP_BENCH_CONTROL_BYTES (3 * AMP_RING_LINES)

enum amp_bench_wait { AMP_BENCH_POLL, AMP_BENCH_SLEEP, AMP_BENCH_FILL, AMP_BENCH_WAITS };

struct amp_ring_bench {
    struct amp_ring_config ring;
    uint64_t control;  /* AMP_BENCH_CONTROL_BYTES, aligned to AMP_RING_LINES; zero before the first run */
    uint64_t board;    /* the doorbells' word */
    uint64_t messages;
    uint64_t budget_ns; /* each side gives up so long after its call */
    uint32_t run;       /* another number than the last run's, not 0 */
    uint32_t outstanding, batch, payload;
    unsigned wait; /* enum amp_bench_wait */
    bool checks;   /* false: to measure what the checks cost */
    bool relax;    /* polling: a pause between looks */
};

struct amp_ring_bench_result {
    uint64_t messages, wall_ns, cpu_ns, involuntary_switches;
    uint64_t delivered, returned; /* digests */
    uint64_t corrupted;           /* device: messages with a wrong payload */
    uint64_t notifications;       /* driver: kicks; device: calls */
    uint64_t announcements;       /* stores of this side's index */
    uint64_t looks, empty_looks;  /* loads of the other side's index; those that found nothing */
    uint64_t waits, spurious;     /* sleeps on the bell; those after which nothing was there */
    struct amp_ring_fault fault;
};

/* Bytes from one buffer to the next: whole lines, so that no two buffers share one. */
uint64_t amp_ring_bench_stride(uint32_t payload);

/*
 * One side, run to its end. 0; -EINVAL, -EFAULT: the configuration; -ENOMEM; -EPROTO: the other side broke the rules of
 * the ring; -ETIMEDOUT: the budget ran out; -EPIPE: the other side gave up; -EDEADLK: both slept.
 */
int amp_ring_bench_driver(uint8_t *memory, uint64_t size, const struct amp_ring_bench *bench,
                          struct amp_ring_bench_result *out);
int amp_ring_bench_device(uint8_t *memory, uint64_t size, const struct amp_ring_bench *bench,
                          struct amp_ring_bench_result *out);

#endif
