/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which doorbell? Two processes ring each other in turn; the same again with the processes on one CPU and on two.
 *
 *     doorbell ROUNDS SPIN_POLLS [CPU CPU]
 *
 * Prints JSON lines.
 *   {"what": "round_trip"}  there and back, one sample a round, with proof of the work: `rounds` answered in order,
 *                           `slept` how often a waiter went to sleep in the kernel.
 *   {"what": "kick"}        a kick that nobody waits for, on a bell that is rung already (the coalesced kick): `ns` per
 *                           kick, median of batches; `waiter_killed`: after a sleeper on it was killed with -9.
 * SPIN_POLLS is how often a spinning waiter looks before it sleeps; 0, the blocking variant, is always measured too.
 * Nothing is thrown out after the fact: a sample that a busy machine spoilt is in the 99th percentile.
 *
 * Each bell is the mechanism alone, with one waiter; a counter in shared memory is the message it announces.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fences.h"

#define NS_PER_S INT64_C(1000000000)
#define PATIENCE_NS NS_PER_S /* no single sleep is longer; then the peer is given up */
#define WARM_UP 50u          /* rounds before the samples: page faults, caches, clock of the CPU */
#define BATCHES 64u
#define KICKS_PER_BATCH 256u

/* One direction. The futex word: RUNG and ASLEEP are all it says. */
enum { RUNG = 1, ASLEEP = 2 };

struct bell {
    alignas(128) _Atomic uint32_t word;
    alignas(128) sem_t semaphore;
    int event;
    int pipe[2];
};

struct shared {
    struct bell there, back;
    alignas(128) _Atomic uint32_t ping;
    alignas(128) _Atomic uint32_t pong;
    alignas(128) _Atomic uint32_t ready;
    alignas(128) uint64_t slept[2]; /* by side: the driver's process, the device's */
};

/* Rings; never blocks. */
typedef void kick_fn(struct bell *bell);
/* Takes the ring if there is one. */
typedef bool take_fn(struct bell *bell);
/* Takes it, or sleeps until it comes: false after PATIENCE_NS. */
typedef bool sleep_fn(struct bell *bell);

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * NS_PER_S + now.tv_nsec;
}

static void need(bool good, const char *what)
{
    if (good)
        return;
    perror(what);
    exit(1);
}

/* ---- POSIX semaphore: a count; sem_post makes no system call when nobody waits (glibc) ---- */

static void semaphore_kick(struct bell *bell)
{
    sem_post(&bell->semaphore);
}

static bool semaphore_take(struct bell *bell)
{
    return sem_trywait(&bell->semaphore) == 0;
}

static bool semaphore_sleep(struct bell *bell)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_NS / NS_PER_S;
    while (sem_timedwait(&bell->semaphore, &until))
        if (errno != EINTR)
            return false;
    return true;
}

/* ---- eventfd and pipe: descriptors; every kick and every look is a system call ---- */

static bool readable(int fd)
{
    struct pollfd wanted = {.fd = fd, .events = POLLIN};

    return poll(&wanted, 1, (int)(PATIENCE_NS / 1000000)) == 1;
}

static void event_kick(struct bell *bell)
{
    uint64_t one = 1;

    if (write(bell->event, &one, sizeof one) < 0)
        need(errno == EAGAIN, "eventfd"); /* the counter is full: rung more than enough */
}

static bool event_take(struct bell *bell)
{
    uint64_t count;

    return read(bell->event, &count, sizeof count) == sizeof count;
}

static bool event_sleep(struct bell *bell)
{
    while (!event_take(bell))
        if (!readable(bell->event))
            return false;
    return true;
}

static void pipe_kick(struct bell *bell)
{
    if (write(bell->pipe[1], "", 1) < 0)
        need(errno == EAGAIN, "pipe");
}

static bool pipe_take(struct bell *bell)
{
    char bytes[64];

    return read(bell->pipe[0], bytes, sizeof bytes) > 0;
}

static bool pipe_sleep(struct bell *bell)
{
    while (!pipe_take(bell))
        if (!readable(bell->pipe[0]))
            return false;
    return true;
}

/* ---- futex word: the kernel is asked only by one who sleeps, and by one who rings a sleeper ---- */

static void futex_kick(struct bell *bell)
{
    /* Full barrier, and so is the sleeper's: either the kick sees ASLEEP, or the sleeper sees RUNG. */
    uint32_t before = atomic_fetch_or(&bell->word, RUNG);

    if (before == ASLEEP)
        syscall(SYS_futex, &bell->word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static bool futex_take(struct bell *bell)
{
    if (!(atomic_load_explicit(&bell->word, memory_order_relaxed) & RUNG))
        return false;
    atomic_store(&bell->word, 0); /* one waiter per bell: nobody else clears it */
    return true;
}

static bool futex_sleep(struct bell *bell)
{
    int64_t start = now_ns();

    for (;;) {
        struct timespec limit = {.tv_sec = PATIENCE_NS / NS_PER_S};
        uint32_t idle = 0;

        if (futex_take(bell))
            return true;
        if (now_ns() - start > PATIENCE_NS)
            return false;
        if (atomic_compare_exchange_strong(&bell->word, &idle, ASLEEP) || idle == ASLEEP)
            syscall(SYS_futex, &bell->word, FUTEX_WAIT, ASLEEP, &limit, NULL, 0);
    }
}

static const struct mechanism {
    const char *name;
    kick_fn *kick;
    take_fn *take;
    sleep_fn *sleep;
} mechanisms[] = {
    {"semaphore", semaphore_kick, semaphore_take, semaphore_sleep},
    {"eventfd", event_kick, event_take, event_sleep},
    {"pipe", pipe_kick, pipe_take, pipe_sleep},
    {"futex", futex_kick, futex_take, futex_sleep},
};

static void bell_open(struct bell *bell)
{
    atomic_store(&bell->word, 0);
    need(sem_init(&bell->semaphore, 1, 0) == 0, "sem_init");
    need((bell->event = eventfd(0, EFD_NONBLOCK)) >= 0, "eventfd");
    need(pipe2(bell->pipe, O_NONBLOCK) == 0, "pipe");
}

static void bell_close(struct bell *bell)
{
    sem_destroy(&bell->semaphore);
    close(bell->event);
    close(bell->pipe[0]);
    close(bell->pipe[1]);
}

/*
 * Spins on the bell, then sleeps on it, and takes it. A descriptor can only be looked at by a system call, so that is
 * what spinning costs there. Every ring was rung for this round: the counter proves that none was lost or invented.
 */
static void wait_for(const struct mechanism *by, struct bell *bell, const _Atomic uint32_t *counter, uint32_t goal,
                     unsigned spin_polls, uint64_t *slept)
{
    bool taken = by->take(bell);

    for (unsigned polls = 0; !taken && polls < spin_polls; polls++) {
        amp_cpu_relax();
        taken = by->take(bell);
    }
    if (!taken) {
        ++*slept;
        taken = by->sleep(bell);
    }
    if (!taken || atomic_load_explicit(counter, memory_order_acquire) != goal) {
        fprintf(stderr, "doorbell: %s: %s\n", by->name, taken ? "a ring without a message" : "no ring came");
        exit(1);
    }
}

static void pin(int cpu)
{
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET((size_t)cpu, &one);
    need(sched_setaffinity(0, sizeof one, &one) == 0, "sched_setaffinity");
}

static void answer_all(const struct mechanism *by, struct shared *shared, uint32_t rounds, unsigned spin_polls)
{
    for (uint32_t round = 1; round <= rounds; round++) {
        wait_for(by, &shared->there, &shared->ping, round, spin_polls, &shared->slept[1]);
        atomic_store_explicit(&shared->pong, round, memory_order_release);
        by->kick(&shared->back);
    }
}

static int compare(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;

    return (a > b) - (a < b);
}

static void measure_round_trip(const struct mechanism *by, struct shared *shared, uint32_t rounds, unsigned spin_polls,
                               const int cpus[2])
{
    int64_t *samples = calloc(rounds, sizeof *samples);
    int status;
    pid_t child;

    need(samples != NULL, "calloc");
    atomic_store(&shared->ping, 0);
    atomic_store(&shared->pong, 0);
    shared->slept[0] = shared->slept[1] = 0;
    bell_open(&shared->there);
    bell_open(&shared->back);
    fflush(stdout);
    need((child = fork()) >= 0, "fork");
    if (child == 0) {
        pin(cpus[1]);
        answer_all(by, shared, rounds + WARM_UP, spin_polls);
        _exit(0);
    }
    pin(cpus[0]);
    for (uint32_t round = 1; round <= rounds + WARM_UP; round++) {
        int64_t start = now_ns();

        atomic_store_explicit(&shared->ping, round, memory_order_release);
        by->kick(&shared->there);
        wait_for(by, &shared->back, &shared->pong, round, spin_polls, &shared->slept[0]);
        if (round > WARM_UP)
            samples[round - WARM_UP - 1] = now_ns() - start;
    }
    need(waitpid(child, &status, 0) == child && status == 0, "the other process");
    qsort(samples, rounds, sizeof *samples, compare);
    printf("{\"what\": \"round_trip\", \"bell\": \"%s\", \"spin_polls\": %u, \"cpus\": %d, \"rounds\": %u, "
           "\"slept\": %llu, \"p50_ns\": %lld, \"p99_ns\": %lld}\n",
           by->name, spin_polls, cpus[0] == cpus[1] ? 1 : 2, (unsigned)atomic_load(&shared->pong) - WARM_UP,
           (unsigned long long)(shared->slept[0] + shared->slept[1]), (long long)samples[rounds / 2],
           (long long)samples[rounds * 99 / 100]);
    bell_close(&shared->there);
    bell_close(&shared->back);
    free(samples);
}

static bool is_asleep(pid_t process)
{
    char path[32], text[256] = "";
    const char *name_end;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)process);
    need((file = fopen(path, "r")) != NULL, path);
    need(fread(text, 1, sizeof text - 1, file) > 0, path);
    fclose(file);
    name_end = strrchr(text, ')'); /* proc(5): pid (name) state ... */
    return name_end && name_end[2] == 'S';
}

/* A waiter that dies in its sleep, as a process killed with -9 does. */
static void lose_a_waiter(const struct mechanism *by, struct shared *shared)
{
    pid_t child;

    atomic_store(&shared->ready, 0);
    need((child = fork()) >= 0, "fork");
    if (child == 0) {
        atomic_store(&shared->ready, 1);
        by->sleep(&shared->there);
        _exit(1);
    }
    while (!atomic_load(&shared->ready) || !is_asleep(child))
        sched_yield();
    kill(child, SIGKILL);
    need(waitpid(child, NULL, 0) == child, "waitpid");
}

static void measure_kick(const struct mechanism *by, struct shared *shared, bool waiter_killed)
{
    int64_t batches[BATCHES];

    fflush(stdout);
    bell_open(&shared->there);
    if (waiter_killed)
        lose_a_waiter(by, shared);
    for (unsigned batch = 0; batch < BATCHES; batch++) {
        int64_t start = now_ns();

        for (unsigned kick = 0; kick < KICKS_PER_BATCH; kick++)
            by->kick(&shared->there);
        batches[batch] = now_ns() - start;
    }
    need(by->take(&shared->there), "a kick that nobody waited for is lost");
    qsort(batches, BATCHES, sizeof *batches, compare);
    printf("{\"what\": \"kick\", \"bell\": \"%s\", \"waiter_killed\": %s, \"kicks\": %u, \"ns\": %.1f}\n", by->name,
           waiter_killed ? "true" : "false", BATCHES * KICKS_PER_BATCH, (double)batches[BATCHES / 2] / KICKS_PER_BATCH);
    bell_close(&shared->there);
}

int main(int argc, char **argv)
{
    uint32_t rounds = argc > 2 ? (uint32_t)strtoul(argv[1], NULL, 0) : 0;
    unsigned spins[2] = {0, argc > 2 ? (unsigned)strtoul(argv[2], NULL, 0) : 0};
    int cpus[2] = {argc > 4 ? atoi(argv[3]) : 0, argc > 4 ? atoi(argv[4]) : 0};
    struct shared *shared;

    if (rounds == 0 || (argc != 3 && argc != 5)) {
        fputs("usage: doorbell ROUNDS SPIN_POLLS [CPU CPU]\n", stderr);
        return 2;
    }
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    need(shared != MAP_FAILED, "mmap");
    for (size_t n = 0; n < sizeof mechanisms / sizeof *mechanisms; n++) {
        measure_kick(&mechanisms[n], shared, false);
        measure_kick(&mechanisms[n], shared, true);
        for (int spin = 0; spin < 2; spin++) {
            measure_round_trip(&mechanisms[n], shared, rounds, spins[spin], (const int[2]){cpus[0], cpus[0]});
            if (cpus[0] != cpus[1])
                measure_round_trip(&mechanisms[n], shared, rounds, spins[spin], cpus);
        }
    }
    return 0;
}
