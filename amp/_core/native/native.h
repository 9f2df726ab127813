/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * native.h - what a compiled litmus test runs in, on the bare CPU: pinned threads, aligned starts, fresh cells, counts.
 *
 * The generated program includes this once, describes itself in a `struct amp_test` and calls amp_native_main(). Every
 * thread plays one thread of the test, on a processor of its own. A try is one run of all of them. They meet, agree on
 * a moment of the time-stamp counter a little ahead, and each starts at that moment plus a jitter of its own; this is
 * how litmus7 does it ("timebase" barrier). BATCH tries use as many sets of cells, each cell in a cache line that no
 * other shares. From batch to batch the cells' distance, place in the line and order change, who wrote them last, and
 * how far the jitter goes; from try to try, which of them a thread fetches beforehand. Chance is the seed's.
 *
 * A thread's registers are read after its last instruction, the cells when all tries of the batch are over. A try
 * counts as aligned if every thread saw its moment come. The others count, too: an outcome is an outcome.
 *
 * Usage: PROGRAM tries seconds seed cpu...   Prints "tries N", "aligned N", and a line "state COUNT VALUE..." for each
 * final state, the values in the order of the test's columns, unsigned; a cell's address is printed as address_base +
 * address_step * its number. Exit status 0, or 1 with one line on stderr.
 */
#ifndef AMP_NATIVE_H
#define AMP_NATIVE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* processors to run on */
#endif
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "fences.h"
#include "native_clock.h"

#define BATCH 2048u
#define LINE 64u
#define PITCH_MAX (4 * LINE)
#define THREADS_MAX 6
#define LOCATIONS_MAX 32
#define STATES_MAX 4096u /* a power of two */
#define SPINS_BEFORE_YIELD 2000u

struct amp_column {
    int location;    /* whose last value this is; -1: what `thread` has put into seen[] */
    unsigned thread;
};

struct amp_test {
    unsigned threads, locations, columns;
    void (*const *run)(uint64_t *const cell[], uint64_t seen[]); /* a thread; seen[] by column */
    void (*prepare)(uint64_t *const cell[]);                     /* stores every location's first value */
    const struct amp_column *column;
    uint64_t address_base, address_step;
};

/* ---- chance ---- */

/* splitmix64: also good from one number to the next, so a seed may be put together from parts. */
static inline uint64_t amp_chance(uint64_t *state)
{
    uint64_t mixed = *state += UINT64_C(0x9e3779b97f4a7c15);

    mixed = (mixed ^ mixed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ mixed >> 31;
}

/* ---- what the threads share ---- */

struct meeting {
    _Alignas(2 * LINE) _Atomic uint32_t arrived;
    _Alignas(2 * LINE) _Atomic uint32_t turn;
    uint64_t start_ticks; /* of this turn; written before it, by the last to arrive */
};

struct state {
    uint64_t count; /* 0: free */
    uint64_t *values;
};

struct run {
    struct meeting meeting;
    const struct amp_test *test;
    uint64_t tries, seed, deadline_ns, lead_ticks, late_ticks;
    uint64_t done, aligned;
    const char *problem; /* why the run is to end before its time */
    bool stop;           /* written between two meetings, by thread 0 */
    char *cells;
    uint64_t *values; /* of one try, by column */
    struct state *states;
};

struct worker {
    struct run *run;
    unsigned number;
    uint32_t turn; /* meetings so far */
    uint64_t *seen;    /* BATCH rows of the test's columns */
    uint8_t *late;     /* by try of the batch */
};

/* Where the cells of a batch lie. Every thread computes it for itself. */
struct batch {
    char *first;
    size_t pitch;
    unsigned rotation, writer, stride, size;
    uint64_t jitter_mask;
};

static struct batch amp_lay_out(const struct run *run, uint64_t number)
{
    const struct amp_test *test = run->test;
    uint64_t state = run->seed ^ number << 20, left = run->tries - number * BATCH;
    uint64_t chance = amp_chance(&state);
    struct batch batch = {
        .pitch = LINE * (1 + chance % (PITCH_MAX / LINE)),
        .rotation = (unsigned)(chance >> 8) % test->locations,
        .writer = (unsigned)(chance >> 16) % (test->threads + 1),
        .stride = (unsigned)(chance >> 24) % BATCH | 1,
        .size = left < BATCH ? (unsigned)left : BATCH,
        .jitter_mask = (UINT64_C(1) << (chance >> 40) % 10) - 1,
    };

    if (batch.size < BATCH)
        batch.stride = 1; /* an odd stride meets every try once only where their number is a power of two */
    batch.first = run->cells + (chance >> 48) % (LINE / sizeof(uint64_t)) * sizeof(uint64_t);
    if (batch.jitter_mask > run->lead_ticks)
        batch.jitter_mask = run->lead_ticks;
    return batch;
}

static void amp_cells(const struct amp_test *test, const struct batch *batch, unsigned try, uint64_t *cell[])
{
    char *set = batch->first + (size_t)try * test->locations * batch->pitch;

    for (unsigned location = 0; location < test->locations; location++)
        cell[location] = (uint64_t *)(set + (location + batch->rotation) % test->locations * batch->pitch);
}

/* All threads come here; none leaves before the last has come. Returns the moment to start at. */
static uint64_t amp_meet(struct worker *self)
{
    struct run *run = self->run;
    struct meeting *meeting = &run->meeting;
    uint32_t turn = ++self->turn, spins = 0;

    if (atomic_fetch_add(&meeting->arrived, 1) + 1 == run->test->threads) {
        atomic_store_explicit(&meeting->arrived, 0, memory_order_relaxed);
        meeting->start_ticks = amp_ticks() + run->lead_ticks;
        atomic_store_explicit(&meeting->turn, turn, memory_order_release);
    }
    while (atomic_load_explicit(&meeting->turn, memory_order_acquire) != turn) {
        amp_cpu_relax();
        if (++spins % SPINS_BEFORE_YIELD == 0)
            sched_yield();
    }
    return meeting->start_ticks;
}

/* ---- the tries ---- */

/* Some cells are brought into this thread's cache, as shared or as its own, some stay where they are. */
static void amp_fetch_some(const struct amp_test *test, uint64_t *const cell[], uint64_t chance)
{
    for (unsigned location = 0; location < test->locations; location++, chance >>= 2) {
        if ((chance & 3) == 2)
            __builtin_prefetch(cell[location], 0);
        else if ((chance & 3) == 3)
            __builtin_prefetch(cell[location], 1);
    }
}

static void amp_try(struct worker *self, const struct batch *batch, unsigned try, uint64_t *chance)
{
    const struct run *run = self->run;
    const struct amp_test *test = run->test;
    void (*const body)(uint64_t *const[], uint64_t[]) = test->run[self->number];
    uint64_t *seen = self->seen + (size_t)try * test->columns;
    uint64_t *cell[LOCATIONS_MAX];
    uint64_t jitter = amp_chance(chance) & batch->jitter_mask;
    uint64_t start, now;

    amp_cells(test, batch, try, cell);
    amp_fetch_some(test, cell, amp_chance(chance));
    start = amp_meet(self) + jitter;
    do
        now = amp_ticks();
    while ((int64_t)(now - start) < 0);
    body(cell, seen);
    self->late[try] = now - start > run->late_ticks;
}

static void amp_prepare(const struct worker *self, const struct batch *batch)
{
    const struct amp_test *test = self->run->test;
    uint64_t *cell[LOCATIONS_MAX];

    for (unsigned try = 0; try < batch->size; try++) {
        unsigned writer = batch->writer < test->threads ? batch->writer : try % test->threads;

        if (writer != self->number)
            continue;
        amp_cells(test, batch, try, cell);
        test->prepare(cell);
    }
}

/* ---- the counts; thread 0's work while the others wait ---- */

static uint64_t amp_as_address(const struct amp_test *test, uint64_t *const cell[], uint64_t value)
{
    for (unsigned location = 0; location < test->locations; location++)
        if (value == (uintptr_t)cell[location])
            return test->address_base + test->address_step * location;
    return value;
}

static const char *amp_count(struct run *run)
{
    const uint64_t *values = run->values;
    unsigned columns = run->test->columns;
    size_t bytes = columns * sizeof *values;
    uint64_t hash = 0;

    for (unsigned column = 0; column < columns; column++) {
        hash ^= values[column];
        hash = amp_chance(&hash);
    }
    for (unsigned probe = 0; probe < STATES_MAX; probe++) {
        struct state *state = &run->states[(hash + probe) % STATES_MAX];

        if (state->count == 0) {
            state->values = malloc(bytes + 1);
            if (!state->values)
                return "no memory";
            memcpy(state->values, values, bytes);
        }
        if (memcmp(state->values, values, bytes) == 0) {
            state->count++;
            return NULL;
        }
    }
    return "more final states than can be counted; numbers that depend on addresses differ from try to try";
}

static void amp_collect(struct run *run, const struct worker *workers, const struct batch *batch)
{
    const struct amp_test *test = run->test;
    uint64_t *cell[LOCATIONS_MAX];

    for (unsigned try = 0; try < batch->size && !run->problem; try++) {
        unsigned late = 0;

        amp_cells(test, batch, try, cell);
        for (unsigned column = 0; column < test->columns; column++) {
            const struct amp_column *from = &test->column[column];
            const uint64_t *row = workers[from->thread].seen + (size_t)try * test->columns;

            run->values[column] = amp_as_address(test, cell, from->location < 0 ? row[column] : *cell[from->location]);
        }
        for (unsigned thread = 0; thread < test->threads; thread++)
            late += workers[thread].late[try];
        run->aligned += late == 0;
        run->problem = amp_count(run);
    }
    run->done += batch->size;
}

static uint64_t amp_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static void *amp_work(void *argument)
{
    struct worker *self = argument, *workers = self - self->number;
    struct run *run = self->run;
    uint64_t chance = run->seed + self->number * UINT64_C(0x5851f42d4c957f2d);

    for (uint64_t number = 0; !run->stop; number++) {
        struct batch batch = amp_lay_out(run, number);

        amp_prepare(self, &batch);
        amp_meet(self);
        for (unsigned try = 0; try < batch.size; try++)
            amp_try(self, &batch, try * batch.stride % batch.size, &chance);
        amp_meet(self);
        if (self->number == 0) {
            amp_collect(run, workers, &batch);
            run->stop = run->problem || run->done >= run->tries || amp_now_ns() >= run->deadline_ns;
        }
        amp_meet(self);
    }
    return NULL;
}

/* ---- the program ---- */

static int amp_give_up(const char *why)
{
    fprintf(stderr, "%s\n", why);
    return EXIT_FAILURE;
}

static int amp_start(struct worker *worker, unsigned cpu, pthread_t *thread)
{
    pthread_attr_t attributes;
    cpu_set_t cpus;
    int error;

    CPU_ZERO(&cpus);
    CPU_SET(cpu, &cpus);
    error = pthread_attr_init(&attributes);
    if (error)
        return error;
    error = pthread_attr_setaffinity_np(&attributes, sizeof cpus, &cpus);
    if (!error)
        error = pthread_create(thread, &attributes, amp_work, worker);
    pthread_attr_destroy(&attributes);
    return error;
}

static char *amp_map_cells(const struct amp_test *test)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE;
    void *cells;

#ifdef MAP_32BIT
    flags |= MAP_32BIT; /* X86 tests hold addresses in 32 bits */
#endif
    cells = mmap(NULL, (size_t)(BATCH + 1) * test->locations * PITCH_MAX, PROT_READ | PROT_WRITE, flags, -1, 0);
    return cells == MAP_FAILED ? NULL : cells;
}

static void amp_print(const struct run *run)
{
    printf("tries %llu\naligned %llu\n", (unsigned long long)run->done, (unsigned long long)run->aligned);
    for (unsigned index = 0; index < STATES_MAX; index++) {
        if (run->states[index].count == 0)
            continue;
        printf("state %llu", (unsigned long long)run->states[index].count);
        for (unsigned column = 0; column < run->test->columns; column++)
            printf(" %llu", (unsigned long long)run->states[index].values[column]);
        putchar('\n');
    }
}

/* Everything a thread writes into. False: no memory. */
static bool amp_make_workers(struct run *run, struct worker *workers)
{
    size_t columns = run->test->columns;
    bool made = true;

    for (unsigned number = 0; number < run->test->threads; number++) {
        struct worker *worker = &workers[number];

        worker->run = run;
        worker->number = number;
        worker->seen = calloc(BATCH * columns + 1, sizeof(uint64_t));
        worker->late = calloc(BATCH, 1);
        made = made && worker->seen && worker->late;
    }
    run->values = calloc(columns + 1, sizeof(uint64_t));
    run->cells = amp_map_cells(run->test);
    return made && run->values && run->cells;
}

/* The death of who started this ends it, if it gives its pid in AMP_PARENT. False: it has died already. */
static bool amp_die_with_parent(void)
{
    const char *parent = getenv("AMP_PARENT");

    return !parent || (!prctl(PR_SET_PDEATHSIG, SIGKILL) && getppid() == (pid_t)strtol(parent, NULL, 10));
}

static int amp_native_main(const struct amp_test *test, int argc, char **argv)
{
    static struct state states[STATES_MAX];
    static struct worker workers[THREADS_MAX];
    static struct run run;
    pthread_t threads[THREADS_MAX];

    if (test->threads > THREADS_MAX || test->locations > LOCATIONS_MAX || argc != 4 + (int)test->threads)
        return amp_give_up("usage: PROGRAM tries seconds seed cpu..., a cpu for each thread");
    if (!amp_die_with_parent())
        return amp_give_up("nobody waits for it");
    run.test = test;
    run.tries = strtoull(argv[1], NULL, 10);
    run.deadline_ns = amp_now_ns() + (uint64_t)(strtod(argv[2], NULL) * 1e9);
    run.seed = strtoull(argv[3], NULL, 10);
    run.lead_ticks = LEAD_TICKS;
    run.late_ticks = LATE_TICKS;
    run.states = states;
    if (!amp_make_workers(&run, workers))
        return amp_give_up("no memory");
    for (unsigned number = 0; number < test->threads; number++)
        if (amp_start(&workers[number], (unsigned)strtoul(argv[4 + number], NULL, 10), &threads[number]))
            return amp_give_up("a thread cannot run on its processor");
    for (unsigned number = 0; number < test->threads; number++)
        pthread_join(threads[number], NULL);
    if (run.problem)
        return amp_give_up(run.problem);
    amp_print(&run);
    return EXIT_SUCCESS;
}

#endif
