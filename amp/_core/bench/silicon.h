/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * silicon.h - the barrier bug on the bare CPU, with no model in between. x86-64 only.
 *
 * Two processes map one room and each plays one role. The driver writes a payload with non-temporal stores (movnti),
 * which x86 orders as stores to write-combining memory: they wait in the CPU's own buffers and pass later ordinary
 * stores unless an sfence stands between (Intel SDM vol. 3A, "Memory Ordering in P6 and More Recent Processor
 * Families"; AMD APM vol. 2, "Buffering and Combining Memory Writes"). Then it issues the barrier under test and
 * announces the buffer by plain stores. The device checks every 8-byte word and hands the buffer back. On x86 smp_wmb()
 * is only a compiler barrier and wmb() an sfence: the choice virtio's weak_barriers makes, on the reader's own machine.
 *
 * A partly written cache line is what stays behind; a line written whole soon leaves by itself. So the payload should
 * not be a multiple of 64 bytes, and the ring must be small enough that a buffer comes round before chance has drained
 * it.
 * Measured on an AMD EPYC (Zen 4) under KVM, 200,000 messages, corrupted without sfence:
 *     ring 4, payload 40: 99 % (8 ms)   payload 120: 87 %   payload 64: 10 %   payload 496: 0.1 to 4 %
 *     payload 40, ring 1: 99 %   ring 2: 99 %   ring 8: 92 %   ring 256: 0.1 %
 * and with sfence 0 in every one of them (35 ms). On one CPU 0 either way.
 *
 * The two roles must run on two CPUs to show anything: a switch between processes drains the buffers. Placing them is
 * the caller's work, as are the mapping and the processes. Nothing here trusts an index the other process wrote.
 */
#ifndef AMP_SILICON_H
#define AMP_SILICON_H

#include <stddef.h>
#include <stdint.h>

#define AMP_SILICON_RING_MAX 32768u
#define AMP_SILICON_PAYLOAD_MAX 65536u

struct amp_silicon_config {
    uint64_t messages;      /* 1 .. 2^47 */
    uint32_t ring_size;     /* buffers; a power of two, 1 .. AMP_SILICON_RING_MAX */
    uint32_t payload_bytes; /* a multiple of 8, 8 .. AMP_SILICON_PAYLOAD_MAX */
    uint32_t primitive;     /* enum amp_fence: the barrier between payload and announcement */
    uint64_t budget_ns;     /* each role gives up so long after its call; 1 .. 2^62 */
};

/* Word w of message n holds ((n + 1) << 16 | w), so a stale word tells which message it was written for. */
struct amp_silicon_result {
    uint64_t messages;     /* received and checked */
    uint64_t corrupted;    /* messages with at least one wrong word */
    uint64_t first_number; /* of the first corrupted message; this and the next three are 0 if there is none */
    uint64_t first_word;   /* which of its 8-byte words */
    uint64_t first_value;  /* what was read */
    uint64_t first_expected;
    uint64_t elapsed_ns;   /* from the moment both roles were present */
};

/* Bytes of shared memory a run needs, or 0 if the configuration is not valid. */
size_t amp_silicon_room(const struct amp_silicon_config *config);

/*
 * Prepares the room, before either role starts. 0; -EINVAL: the configuration, or a room not aligned to 64 bytes;
 * -ENOSPC: too small; -ENOTSUP: not an x86-64 CPU.
 */
int amp_silicon_init(void *room, size_t size, const struct amp_silicon_config *config);

/*
 * One role, run to its end. 0 when all messages were sent and handed back, or received; else
 *   -ETIMEDOUT  the budget ran out: the other process is dead, never came, or is slow
 *   -EPROTO     an index or a buffer number of the other process that the ring does not allow, or a foreign room
 *   -EPIPE      the other process gave up
 *   -ENOTSUP    not an x86-64 CPU
 * `out` is filled in every case, as far as the run got.
 */
int amp_silicon_driver(void *room, size_t size);
int amp_silicon_device(void *room, size_t size, struct amp_silicon_result *out);

#endif
