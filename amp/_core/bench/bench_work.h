/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench_work.h - timed loops of the model's accesses from C, and of what they are measured against: this machine's own
 * locked instruction, and its own way of handing a cache line from one CPU to another and back.
 *
 * A figure in units of these two is a ratio, and outlives a change of clock rate. Nothing else in the core calls them.
 */
#ifndef AMP_BENCH_WORK_H
#define AMP_BENCH_WORK_H

#include <stddef.h>
#include <stdint.h>

#include "bench_barriers.h"
#include "core.h"

/* What a round of the model's loop does. */
enum amp_bench_access {
    AMP_BENCH_LOAD,    /* a load of 4 bytes */
    AMP_BENCH_STORE,   /* a store of 4 bytes, each of another value */
    AMP_BENCH_MIXED,   /* that store, and a load of 4 bytes of the next granule: two accesses */
    AMP_BENCH_BARRIER, /* a barrier: as many as there are rounds, with nothing between them */
    AMP_BENCH_ACCESSES,
};

struct amp_bench_model {
    uint32_t access; /* enum amp_bench_access */
    uint32_t primitive; /* BARRIER */
    uint64_t address;   /* two granules of shared memory, aligned */
    uint64_t rounds;    /* at least 1 */
};

/* Through the model by `cpu`, which is open. 0; -EINVAL; what an access says. */
int amp_bench_model(struct amp_cpu *cpu, const struct amp_bench_model *what, struct amp_bench_time *time);

/* So many atomic additions to one word that nobody else uses, one after the other. 0; -EINVAL without any. */
int amp_bench_locked(uint64_t rounds, struct amp_bench_time *time);

struct amp_bench_bounce {
    uint64_t word;      /* offset of 8 bytes, aligned, alone in their line; 0 before the first run */
    uint64_t base;      /* what is in it now: 2 * all the rounds of the runs before, WARM_UP included */
    uint64_t rounds;    /* at least 1 */
    uint64_t budget_ns; /* each side gives up so long after its call */
};

#define AMP_BENCH_WARM_UP 64u /* rounds that run untimed first: the sides meet in them */

/*
 * One side of a word that two processes count up in turn; role 0 begins. A round is there and back: the line goes to the
 * other CPU and returns. 0; -EINVAL; -ETIMEDOUT.
 */
int amp_bench_bounce(void *memory, size_t size, unsigned role, const struct amp_bench_bounce *what,
                     struct amp_bench_time *time);

#endif
