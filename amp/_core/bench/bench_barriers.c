/* SPDX-License-Identifier: BSD-3-Clause */
/* bench_barriers.c - see bench_barriers.h. Each primitive has loops of its own: a branch would be measured, too. */
#define _GNU_SOURCE
#include "bench_barriers.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <time.h>

#include "fences.h"

#if defined(__x86_64__)
#include <emmintrin.h>
#define HAS_STREAM true
#else
#define HAS_STREAM false
#endif

#define WARM_UP 16u /* share of the rounds that run untimed first, one in so many: branch predictors, page tables */
#define NS_PER_S UINT64_C(1000000000)

struct loop {
    volatile uint64_t *words; /* the room */
    size_t line_mask;         /* lines of the room - 1 */
    size_t line;              /* the next of the scattered order */
    uint32_t before;
    uint32_t lines;
};

static inline volatile uint64_t *line_at(const struct loop *loop, size_t line)
{
    return loop->words + line * (AMP_BENCH_LINE / sizeof *loop->words);
}

/*
 * The next line of a full cycle through the room: a linear congruential sequence of modulus 2^n has full period when
 * the increment is odd and the multiplier 1 more than a multiple of 4 (Hull and Dobell 1962). No prefetcher follows it.
 */
static inline size_t next_line(struct loop *loop)
{
    loop->line = (loop->line * 2891336453u + 12345u) & loop->line_mask;
    return loop->line;
}

static inline void store_near(const struct loop *loop, uint64_t value)
{
    for (uint32_t i = 0; i < loop->lines; i++)
        *line_at(loop, i) = value;
}

static inline void store_far(struct loop *loop, uint64_t value)
{
    for (uint32_t i = 0; i < loop->lines; i++)
        *line_at(loop, next_line(loop)) = value;
}

static inline void store_stream(struct loop *loop, uint64_t value)
{
#if defined(__x86_64__)
    for (uint32_t i = 0; i < loop->lines; i++)
        _mm_stream_si64((long long *)line_at(loop, next_line(loop)), (long long)value);
#else
    (void)loop;
    (void)value;
#endif
}

/* An empty round is a round still: the compiler must not count on its own. */
#define ROUNDS(work)                                     \
    for (uint64_t round = 0; round < rounds; round++) {  \
        work;                                            \
        __asm__ volatile("" : "+r"(round));              \
    }

/* `loop` is a copy of its own, in registers: else a fence's "memory" would read it anew, and cost what it does not. */
#define LOOPS(NAME, name, emit)                                         \
    static void loop_##name(const struct loop *given, uint64_t rounds)  \
    {                                                                   \
        struct loop loop = *given;                                      \
                                                                        \
        switch (loop.before) {                                          \
        case AMP_BENCH_NOTHING:                                         \
            ROUNDS(emit)                                                \
            return;                                                     \
        case AMP_BENCH_NEAR:                                            \
            ROUNDS(store_near(&loop, round); emit)                      \
            return;                                                     \
        case AMP_BENCH_FAR:                                             \
            ROUNDS(store_far(&loop, round); emit)                       \
            return;                                                     \
        default:                                                        \
            ROUNDS(store_stream(&loop, round); emit)                    \
        }                                                               \
    }
LOOPS(NONE, none, (void)0)
LOOPS(COMPILER, compiler, AMP_FENCE_ASM(""))
AMP_FENCE_ROWS(LOOPS)

#define ENTRY(NAME, name, emit) [AMP_FENCE_##NAME] = loop_##name,
static void (*const loops[AMP_FENCES])(const struct loop *, uint64_t) = {
    ENTRY(NONE, none, ) ENTRY(COMPILER, compiler, ) AMP_FENCE_ROWS(ENTRY)};

static uint64_t now_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static uint64_t switches(void)
{
    struct rusage usage;

    getrusage(RUSAGE_THREAD, &usage);
    return (uint64_t)usage.ru_nivcsw;
}

static bool is_valid(const void *room, size_t size, const struct amp_bench_barrier *what)
{
    bool stores = what->before != AMP_BENCH_NOTHING;

    return (uintptr_t)room % AMP_BENCH_LINE == 0 && size >= AMP_BENCH_LINE && (size & (size - 1)) == 0 &&
           what->primitive < AMP_FENCES && what->before <= AMP_BENCH_STREAM && what->rounds >= 1 &&
           stores == (what->lines > 0) && what->lines <= AMP_BENCH_LINES_MAX && what->lines <= size / AMP_BENCH_LINE;
}

int amp_bench_barrier(void *room, size_t size, const struct amp_bench_barrier *what, struct amp_bench_time *time)
{
    uint64_t wall_ns, cpu_ns, switched;
    struct loop loop;

    if (!is_valid(room, size, what))
        return -EINVAL;
    if (what->before == AMP_BENCH_STREAM && !HAS_STREAM)
        return -ENOTSUP;
    loop = (struct loop){
        .words = room, .line_mask = size / AMP_BENCH_LINE - 1, .before = what->before, .lines = what->lines};
    loop.line = (size_t)now_ns(CLOCK_MONOTONIC) & loop.line_mask; /* not where the last batch has just been */
    loops[what->primitive](&loop, what->rounds / WARM_UP + 1);

    /* The CPU's clock is read within the wall's: what that costs is on the side of the wall. */
    switched = switches();
    wall_ns = now_ns(CLOCK_MONOTONIC);
    cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID);
    loops[what->primitive](&loop, what->rounds);
    time->cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_ns;
    time->wall_ns = now_ns(CLOCK_MONOTONIC) - wall_ns;
    time->involuntary_switches = switches() - switched;
    return 0;
}

/* The same rows once more, as text: from here on they emit nothing. */
#undef AMP_FENCE_ASM
#undef AMP_FENCE_C11
#define AMP_FENCE_ASM(text) text
#define AMP_FENCE_C11(order) "atomic_thread_fence(memory_order_" #order ")"
#define TEXT(NAME, name, emit) [AMP_FENCE_##NAME] = emit,
static const char *const instructions[AMP_FENCES] = {TEXT(NONE, none, "") TEXT(COMPILER, compiler, "")
                                                         AMP_FENCE_ROWS(TEXT)};

const char *amp_bench_instruction(uint32_t primitive)
{
    return primitive < AMP_FENCES ? instructions[primitive] : NULL;
}
