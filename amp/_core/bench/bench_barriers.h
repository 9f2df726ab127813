/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench_barriers.h - timed loops around one barrier of this CPU: fences.h, nothing else.
 *
 * A round is some stores and then the barrier. What the barrier costs is the time of a round less that of the same
 * round with AMP_FENCE_NONE, which the caller measures in turn; the loop and the stores are in both. One thread runs
 * and nobody else looks at its memory, so this is the cost to the CPU that issues the barrier, and no more.
 */
#ifndef AMP_BENCH_BARRIERS_H
#define AMP_BENCH_BARRIERS_H

#include <stddef.h>
#include <stdint.h>

#define AMP_BENCH_LINE 64u /* one store goes to each so many bytes; no common CPU has shorter lines */
#define AMP_BENCH_LINES_MAX 1024u

/* What a round does before its barrier. Each store is of 8 bytes, to a line of its own. */
enum amp_bench_before {
    AMP_BENCH_NOTHING,
    AMP_BENCH_NEAR, /* to the same lines in every round: this CPU's first-level cache holds them, dirty */
    AMP_BENCH_FAR,  /* to the room's lines in a scattered order, each once before any comes again */
    AMP_BENCH_STREAM, /* as FAR, by non-temporal stores: x86-64's movnti, through its write-combining buffers */
};

struct amp_bench_barrier {
    uint32_t primitive; /* enum amp_fence */
    uint32_t before;    /* enum amp_bench_before */
    uint32_t lines;     /* stores a round; 0 for NOTHING, else 1 .. AMP_BENCH_LINES_MAX */
    uint64_t rounds;    /* at least 1 */
};

/* Of the calling thread, over the rounds alone. */
struct amp_bench_time {
    uint64_t wall_ns;              /* CLOCK_MONOTONIC */
    uint64_t cpu_ns;               /* CLOCK_THREAD_CPUTIME_ID */
    uint64_t involuntary_switches; /* ru_nivcsw */
};

/*
 * Runs the rounds in a room aligned to AMP_BENCH_LINE whose size is a power of two and holds `lines` lines. The room's
 * bytes are overwritten. How far FAR and STREAM reach is the room's size: for lines that no cache of this CPU's own
 * holds, make it several times the second-level cache. 0; -EINVAL: a field or the room; -ENOTSUP: STREAM where the CPU
 * has no such stores.
 */
int amp_bench_barrier(void *room, size_t size, const struct amp_bench_barrier *what, struct amp_bench_time *time);

/* What fences.h makes of the primitive, as an assembler template; "" is no instruction. NULL for no such primitive. */
const char *amp_bench_instruction(uint32_t primitive);

#endif
