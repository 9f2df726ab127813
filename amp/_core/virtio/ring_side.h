/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ring_side.h - what both sides of the benchmark of ring_bench.c have in common: how they meet and wait, the clocks, the
 * digests, the payload. Knows no queue.
 */
#ifndef AMP_RING_SIDE_H
#define AMP_RING_SIDE_H

#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "model/bell.h"
#include "ring_access.h"
#include "bench/ring_bench.h"

#define CPUS 2
#define DRIVER 0u
#define DEVICE 1u
/* A side's word in the control block: the run's number, and how far it is. */
#define READY (UINT64_C(1) << 32) /* its part of the ring is as at the start */
#define GAVE_UP (UINT64_C(1) << 33)
#define NS_PER_S UINT64_C(1000000000)
#define POLLS_PER_CLOCK 2048u /* a waiter looks at the clock, and at the other side, so often */

struct digest {
    uint64_t sum, sums; /* Fletcher's two sums, 64 bits wide: the second knows the order */
};

struct side {
    const struct amp_ring_bench *bench;
    uint8_t *memory;
    uint32_t *board;
    struct amp_direct cpu;
    struct amp_seat seat;
    struct amp_port port;
    _Atomic uint64_t *mine, *peer;
    uint64_t deadline_ns, stride;
    uint32_t polls, batch;
    struct amp_ring_bench_result *out;
    struct digest delivered, returned;
};

AMP_INLINE void take_in(struct digest *digest, uint64_t value)
{
    digest->sum += value;
    digest->sums += digest->sum;
}

/* --- waiting ------------------------------------------------------------------------------------------------------- */

static inline int look_around(const struct side *side)
{
    uint64_t peer = atomic_load_explicit(side->peer, memory_order_relaxed);

    if ((uint32_t)peer == side->bench->run && peer & GAVE_UP)
        return -EPIPE;
    sched_yield(); /* on a shared CPU the other side may be waiting for this very one */
    return amp_now_ns() < side->deadline_ns ? 0 : -ETIMEDOUT;
}

/* One turn of a polling loop: 0, or why to stop polling. */
AMP_INLINE int poll_again(struct side *side)
{
    if (side->bench->relax)
        amp_cpu_relax();
    return AMP_UNLIKELY(++side->polls % POLLS_PER_CLOCK == 0) ? look_around(side) : 0;
}

/* Sleeps on the bell until it rings. */
static inline int sleep_on_bell(struct side *side, unsigned cpu)
{
    int error;

    side->out->waits++;
    do
        error = amp_bell_wait(side->board, cpu, CPUS, 0, -1);
    while (error == -EINTR && (error = look_around(side)) == 0);
    return error;
}

/* Spins until the bell rings. */
static inline int spin_on_bell(struct side *side, unsigned cpu)
{
    int error = 0;

    side->out->waits++;
    while (!(__atomic_load_n(side->board, __ATOMIC_RELAXED) & AMP_RUNG(cpu)) && !error)
        error = poll_again(side);
    return error ? error : amp_bell_take(side->board, cpu);
}

static inline bool is_there(uint64_t peer, uint64_t word)
{
    return (uint32_t)peer == (uint32_t)word && (peer & word & READY) == (word & READY);
}

/* Tells the other side how far this one is, and spins until it is there, too. */
static inline int meet(struct side *side, uint64_t word)
{
    int error = 0;

    atomic_store(side->mine, word);
    while (!error && !is_there(atomic_load(side->peer), word)) {
        amp_cpu_relax();
        error = ++side->polls % POLLS_PER_CLOCK == 0 ? look_around(side) : 0;
    }
    return error;
}

static inline uint64_t thread_cpu_ns(void)
{
    struct timespec used;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * NS_PER_S + (uint64_t)used.tv_nsec;
}

static inline uint64_t involuntary_switches(void)
{
    struct rusage usage;

    getrusage(RUSAGE_THREAD, &usage);
    return (uint64_t)usage.ru_nivcsw;
}

/*
 * Measures `work`. Before, both meet twice: until the other side is here it may still read what the last run left, and
 * until it is ready its part of the ring may still be that run's. `ours` are the scalars that this side writes.
 */
static inline int measure(struct side *side, const uint64_t ours[3], void *queue,
                          int (*work)(struct side *side, void *queue))
{
    struct amp_ring_bench_result *out = side->out;
    uint64_t switches, cpu_ns, wall_ns;
    int error = meet(side, side->bench->run);

    if (!error) {
        if (side->mine < side->peer) /* one of the two; nobody sleeps now. What the last run left, a stall for one. */
            __atomic_store_n(side->board, 0, __ATOMIC_SEQ_CST);
        for (unsigned i = 0; i < 3; i++)
            amp_store_u16(&side->port, ours[i], 0);
        error = meet(side, side->bench->run | READY);
    }

    if (!error) {
        switches = involuntary_switches();
        cpu_ns = thread_cpu_ns();
        wall_ns = amp_now_ns();
        error = work(side, queue);
        out->wall_ns = amp_now_ns() - wall_ns;
        out->cpu_ns = thread_cpu_ns() - cpu_ns;
        out->involuntary_switches = involuntary_switches() - switches;
    }
    if (error)
        atomic_store(side->mine, side->bench->run | GAVE_UP);
    out->delivered = side->delivered.sum * AMP_BENCH_STEP + side->delivered.sums;
    out->returned = side->returned.sum * AMP_BENCH_STEP + side->returned.sums;
    return error;
}

/* --- payload ------------------------------------------------------------------------------------------------------- */

/* Writes `length` bytes of message `number` from its word `first` on; the sum of the words. */
static inline uint64_t write_payload(uint8_t *at, uint32_t length, uint64_t number, uint64_t first)
{
    uint64_t word = (number + 1) * AMP_BENCH_STEP + first, sum = 0, tail = 0;

    for (; length >= 8; length -= 8, at += 8, sum += word++)
        memcpy(at, &word, 8);
    if (length) {
        memcpy(at, &word, length);
        memcpy(&tail, &word, length);
    }
    return sum + tail;
}

/* Reads them, and adds to `wrong` what differs. */
static inline uint64_t read_payload(const uint8_t *at, uint32_t length, uint64_t number, uint64_t first,
                                    uint64_t *wrong)
{
    uint64_t expected = (number + 1) * AMP_BENCH_STEP + first, sum = 0, word, differs = 0;

    for (; length >= 8; length -= 8, at += 8) {
        memcpy(&word, at, 8);
        differs |= word ^ expected++;
        sum += word;
    }
    if (length) {
        word = 0;
        memcpy(&word, at, length);
        differs |= word ^ (expected & ((UINT64_C(1) << 8 * length) - 1));
        sum += word;
    }
    *wrong |= differs;
    return sum;
}

AMP_INLINE uint64_t segment_digest(uint64_t address, uint32_t length)
{
    return address + ((uint64_t)length << 32);
}

#endif
