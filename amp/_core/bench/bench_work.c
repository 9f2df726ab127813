/* SPDX-License-Identifier: BSD-3-Clause */
/* bench_work.c - see bench_work.h. */
#define _GNU_SOURCE
#include "bench_work.h"

#include <errno.h>
#include <sched.h>
#include <sys/resource.h>
#include <time.h>

#include "model/bell.h"
#include "fences.h"

#define NS_PER_S UINT64_C(1000000000)
#define POLLS_PER_CLOCK 4096u
#define WARM_UP_SHARE 16u /* of the model's rounds, untimed first */

static uint64_t thread_cpu_ns(void)
{
    struct timespec used;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * NS_PER_S + (uint64_t)used.tv_nsec;
}

static uint64_t switches(void)
{
    struct rusage usage;

    getrusage(RUSAGE_THREAD, &usage);
    return (uint64_t)usage.ru_nivcsw;
}

/* The CPU's clock is read within the wall's: what that costs is on the side of the wall. */
static struct amp_bench_time begin(void)
{
    struct amp_bench_time time = {.involuntary_switches = switches()};

    time.wall_ns = amp_now_ns();
    time.cpu_ns = thread_cpu_ns();
    return time;
}

static struct amp_bench_time since(struct amp_bench_time start)
{
    struct amp_bench_time time = {.cpu_ns = thread_cpu_ns() - start.cpu_ns};

    time.wall_ns = amp_now_ns() - start.wall_ns;
    time.involuntary_switches = switches() - start.involuntary_switches;
    return time;
}

static int model_rounds(struct amp_cpu *cpu, const struct amp_bench_model *what, uint64_t rounds)
{
    struct amp_word word;
    int error = 0;

    for (uint64_t n = 0; n < rounds && !error; n++) {
        switch (what->access) {
        case AMP_BENCH_LOAD:
            error = amp_load(cpu, what->address, 4, 0, 0, &word);
            break;
        case AMP_BENCH_STORE:
            error = amp_store(cpu, what->address, 4, (uint32_t)n, 0);
            break;
        case AMP_BENCH_MIXED:
            error = amp_store(cpu, what->address, 4, (uint32_t)n, 0);
            if (!error)
                error = amp_load(cpu, what->address + AMP_GRANULE, 4, 0, 0, &word);
            break;
        default:
            error = amp_cpu_barrier(cpu, what->primitive, 0);
        }
    }
    return error;
}

int amp_bench_model(struct amp_cpu *cpu, const struct amp_bench_model *what, struct amp_bench_time *time)
{
    struct amp_bench_time start;
    int error;

    if (what->access >= AMP_BENCH_ACCESSES || what->rounds < 1)
        return -EINVAL;
    error = model_rounds(cpu, what, what->rounds / WARM_UP_SHARE + 1);
    start = begin();
    if (!error)
        error = model_rounds(cpu, what, what->rounds);
    *time = since(start);
    return error;
}

int amp_bench_locked(uint64_t rounds, struct amp_bench_time *time)
{
    struct amp_bench_time start;
    uint64_t word = 0;

    if (rounds < 1)
        return -EINVAL;
    start = begin();
    for (uint64_t n = 0; n < rounds; n++)
        __atomic_fetch_add(&word, 1, __ATOMIC_SEQ_CST);
    *time = since(start);
    return 0;
}

static int await(const uint64_t *word, uint64_t value, uint64_t deadline_ns)
{
    for (uint32_t polls = 1; __atomic_load_n(word, __ATOMIC_ACQUIRE) != value; polls++) {
        amp_cpu_relax();
        if (polls % POLLS_PER_CLOCK == 0) {
            sched_yield(); /* on a shared CPU the other side may be waiting for this very one */
            if (amp_now_ns() >= deadline_ns)
                return -ETIMEDOUT;
        }
    }
    return 0;
}

/* Role 0 makes the odd counts, role 1 the even ones. */
static int bounce_rounds(uint64_t *word, unsigned role, uint64_t base, uint64_t rounds, uint64_t deadline_ns)
{
    int error = 0;

    for (uint64_t n = 0; n < rounds && !error; n++) {
        uint64_t mine = base + 2 * n + 1 + role;

        if (role)
            error = await(word, mine - 1, deadline_ns);
        if (!error)
            __atomic_store_n(word, mine, __ATOMIC_RELEASE);
        if (!role && !error)
            error = await(word, mine + 1, deadline_ns);
    }
    return error;
}

int amp_bench_bounce(void *memory, size_t size, unsigned role, const struct amp_bench_bounce *what,
                     struct amp_bench_time *time)
{
    uint64_t deadline_ns = amp_now_ns() + what->budget_ns;
    struct amp_bench_time start;
    uint64_t *word;
    int error;

    if (role > 1 || what->rounds < 1 || what->word % sizeof *word || size < sizeof *word ||
        what->word > size - sizeof *word)
        return -EINVAL;
    word = (uint64_t *)((uint8_t *)memory + what->word);
    error = bounce_rounds(word, role, what->base, AMP_BENCH_WARM_UP, deadline_ns);
    start = begin();
    if (!error)
        error = bounce_rounds(word, role, what->base + 2 * AMP_BENCH_WARM_UP, what->rounds, deadline_ns);
    *time = since(start);
    return error;
}
