/* SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE
#include "bell.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "fences.h"

#define NS_PER_S INT64_C(1000000000)
#define SPINS_PER_CLOCK 64 /* look at the clock only so often */

uint64_t amp_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Not FUTEX_PRIVATE: the word is shared between processes. A changed word (EAGAIN) is as good as a wake-up. */
int amp_futex_wait(uint32_t *word, uint32_t seen, int64_t timeout_ns)
{
    struct timespec limit = {.tv_sec = timeout_ns / NS_PER_S, .tv_nsec = timeout_ns % NS_PER_S};

    if (syscall(SYS_futex, word, FUTEX_WAIT, seen, timeout_ns < 0 ? NULL : &limit, NULL, 0) == 0 || errno == EAGAIN)
        return 0;
    return -errno;
}

void amp_futex_wake(uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static uint32_t board_read(const uint32_t *board)
{
    return __atomic_load_n(board, __ATOMIC_SEQ_CST);
}

/*
 * The board is set before the sleeper's bit is looked at; the sleeper does it the other way round. Nobody falls asleep who
 * is rung or told to look: if the target was already, it has been woken, and is only not yet awake.
 */
static void set_and_wake(uint32_t *board, uint32_t bit, unsigned target)
{
    uint32_t seen = __atomic_fetch_or(board, bit, __ATOMIC_SEQ_CST);

    if (seen & AMP_ASLEEP(target) && !(seen & (AMP_RUNG(target) | AMP_LOOK(target))))
        amp_futex_wake(board);
}

static void set_and_wake_all(uint32_t *board, uint32_t bit)
{
    __atomic_fetch_or(board, bit, __ATOMIC_SEQ_CST);
    amp_futex_wake(board);
}

void amp_bell_ring(uint32_t *board, unsigned target)
{
    set_and_wake(board, AMP_RUNG(target), target);
}

void amp_bell_look(uint32_t *board, unsigned target)
{
    set_and_wake(board, AMP_LOOK(target), target);
}

void amp_bell_gone(uint32_t *board, unsigned cpu)
{
    set_and_wake_all(board, AMP_GONE(cpu));
}

void amp_bell_lost(uint32_t *board)
{
    set_and_wake_all(board, AMP_LOST);
}

int amp_bell_take(uint32_t *board, unsigned cpu)
{
    return __atomic_fetch_and(board, ~AMP_RUNG(cpu), __ATOMIC_SEQ_CST) & AMP_RUNG(cpu) ? 0 : -EAGAIN;
}

static bool nobody_can_ring(uint32_t seen, unsigned cpus)
{
    for (unsigned cpu = 0; cpu < cpus; cpu++) {
        if (seen & AMP_GONE(cpu))
            continue;
        if (!(seen & AMP_ASLEEP(cpu)) || seen & (AMP_RUNG(cpu) | AMP_LOOK(cpu) | AMP_TIMED(cpu)))
            return false;
    }
    return true;
}

static bool all_others_gone(uint32_t seen, unsigned self, unsigned cpus)
{
    for (unsigned cpu = 0; cpu < cpus; cpu++)
        if (cpu != self && !(seen & AMP_GONE(cpu)))
            return false;
    return true;
}

/* What the board says to a CPU that would sleep: 1 keep waiting, 0 something came, or why it is of no use to wait. */
static int verdict(uint32_t seen, unsigned cpu, unsigned cpus)
{
    if (seen & AMP_LOST)
        return -EPIPE;
    if (seen & (AMP_RUNG(cpu) | AMP_LOOK(cpu)))
        return 0;
    if (seen & AMP_STALLED) /* also if who found it has retired since: it is everybody's stall */
        return -EDEADLK;
    return all_others_gone(seen, cpu, cpus) ? -ESHUTDOWN : 1;
}

static int spin(const uint32_t *board, unsigned cpu, unsigned cpus, uint64_t spin_ns)
{
    uint64_t start = spin_ns ? amp_now_ns() : 0;
    int answer = verdict(board_read(board), cpu, cpus);

    for (unsigned n = 1; spin_ns && answer == 1; n++) {
        amp_cpu_relax();
        answer = verdict(board_read(board), cpu, cpus);
        if (n % SPINS_PER_CLOCK == 0 && amp_now_ns() - start > spin_ns)
            break;
    }
    return answer;
}

/* Marks this CPU asleep, unless there is a reason not to. The last one to fall asleep is the one who finds the stall. */
static int fall_asleep(uint32_t *board, unsigned cpu, unsigned cpus, bool timed, uint32_t *marked)
{
    uint32_t seen = board_read(board);
    uint32_t mine = AMP_ASLEEP(cpu) | (timed ? AMP_TIMED(cpu) : 0);

    for (;;) {
        int answer = verdict(seen, cpu, cpus);
        uint32_t want = seen | mine;

        if (answer != 1)
            return answer;
        if (nobody_can_ring(want, cpus))
            want |= AMP_STALLED;
        if (__atomic_compare_exchange_n(board, &seen, want, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
            *marked = want;
            return 1;
        }
    }
}

int amp_bell_sleep(uint32_t *board, unsigned cpu, unsigned cpus, uint64_t spin_ns, int64_t timeout_ns)
{
    int answer = spin(board, cpu, cpus, spin_ns);
    uint64_t start = timeout_ns >= 0 ? amp_now_ns() : 0;

    while (answer == 1) {
        int64_t left = AMP_LOOK_UP_NS;
        bool last = false;
        uint32_t marked;

        answer = fall_asleep(board, cpu, cpus, timeout_ns >= 0, &marked);
        if (answer != 1)
            break;
        if (marked & AMP_STALLED) {
            amp_futex_wake(board);
            answer = -EDEADLK;
            break;
        }
        if (timeout_ns >= 0) {
            int64_t rest = timeout_ns - (int64_t)(amp_now_ns() - start);

            last = rest <= left;
            if (last)
                left = rest > 0 ? rest : 0;
        }
        answer = amp_futex_wait(board, marked, left);
        if (answer == -ETIMEDOUT && !last)
            answer = -EINTR;
        if (answer == 0 || answer == -EAGAIN)
            answer = verdict(board_read(board), cpu, cpus);
        else if (verdict(board_read(board), cpu, cpus) == 0)
            answer = 0; /* it came together with the signal or the timeout */
    }
    __atomic_fetch_and(board, ~(AMP_ASLEEP(cpu) | AMP_TIMED(cpu)), __ATOMIC_SEQ_CST);
    return answer;
}

int amp_bell_wait(uint32_t *board, unsigned cpu, unsigned cpus, uint64_t spin_ns, int64_t timeout_ns)
{
    int answer;

    do {
        if (amp_bell_take(board, cpu) == 0)
            return 0;
        answer = amp_bell_sleep(board, cpu, cpus, spin_ns, timeout_ns);
    } while (answer == 0);
    return answer;
}
