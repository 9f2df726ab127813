/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * free.c - free mode: every process goes at its own speed, and one robust lock guards the model. Its holder's death is
 * noticed by the next to take it.
 */
#define _GNU_SOURCE
#include <errno.h>

#include "bell.h"
#include "fences.h"
#include "gate.h"

#define LOCK_TRIES 40      /* a critical section is some 100 ns: worth spinning for */
#define LOCK_PAUSES 8      /* between two tries, each of which takes the line from who is inside */
#define HELP_ONE_IN 8      /* accesses */
#define LOOK_UP_AFTER 4096 /* stores that a waiter helped along */
#define PAUSES 16          /* between two of them, for the others to look at memory as it is now */

int amp_free_enter(struct amp_model *m)
{
    int error = EBUSY;
    uint32_t lost = __atomic_load_n(&m->lost, __ATOMIC_RELAXED);

    if (lost)
        return amp_lost_error(lost);
    for (unsigned i = 0; i < LOCK_TRIES && error == EBUSY; i++) {
        error = pthread_mutex_trylock(&m->lock);
        for (unsigned pause = 0; error == EBUSY && pause < LOCK_PAUSES; pause++)
            amp_cpu_relax();
    }
    if (error == EBUSY)
        error = pthread_mutex_lock(&m->lock);
    if (error == EOWNERDEAD) { /* died inside: the state may be half changed, nobody may build on it */
        __atomic_store_n(&m->lost, AMP_DIED, __ATOMIC_SEQ_CST);
        pthread_mutex_consistent(&m->lock);
        pthread_mutex_unlock(&m->lock);
        amp_bell_lost(&m->board);
        return -EPIPE;
    }
    return -error;
}

/* Time passes, whoever is at work: one pending store of any CPU becomes visible. */
static bool help_along(struct amp_cpu *cpu)
{
    struct amp_model *m = cpu->model;
    unsigned first = cpu->choose(cpu, m->config.cpus, AMP_WHOSE_STORES);

    for (unsigned i = 0; i < m->config.cpus; i++)
        if (amp_drain(cpu, (first + i) % m->config.cpus, 1))
            return true;
    return false;
}

/*
 * Some of this CPU's stores go on their way: more of them, the more there are (a bulk store brings dozens). Now and then
 * another's: who polls must in the end see the last store of a CPU that makes no more accesses.
 */
void amp_free_background(struct amp_cpu *cpu)
{
    struct amp_cpu_state *state = amp_state(cpu);

    if (cpu->deferred && cpu->choose(cpu, 2, AMP_PERFORM_NOW) == 0)
        amp_perform_one(cpu, cpu->deferred);
    if ((state->entries || state->inner) && cpu->choose(cpu, 2, AMP_DRAIN_NOW) == 0)
        amp_drain(cpu, cpu->id, amp_leaving(state));
    if (cpu->choose(cpu, HELP_ONE_IN, AMP_HELP_NOW) == 0)
        help_along(cpu);
}

int amp_free_wait(struct amp_cpu *cpu, int64_t timeout_ns)
{
    struct amp_model *m = cpu->model;
    uint64_t start = timeout_ns < 0 ? 0 : amp_now_ns();
    unsigned helped = 0;
    int error;

    for (;;) {
        bool moved;

        error = amp_free_enter(m);
        if (error)
            return error;
        __atomic_fetch_and(cpu->board, ~AMP_LOOK(cpu->id), __ATOMIC_SEQ_CST);
        amp_settle_before_load(cpu); /* taking the interrupt is one */
        amp_settle_mailbox(cpu);
        error = amp_take(cpu);
        moved = error && help_along(cpu);
        pthread_mutex_unlock(&m->lock);
        if (!error)
            return 0;
        if (moved) { /* let the others look at memory as it is now */
            for (unsigned i = 0; i < PAUSES; i++)
                amp_cpu_relax();
            if (timeout_ns >= 0 && (int64_t)(amp_now_ns() - start) > timeout_ns)
                return -ETIMEDOUT;
            if (++helped % LOOK_UP_AFTER == 0)
                return -EINTR; /* a peer that never pauses must not keep the caller from its signals */
            continue;
        }
        if (timeout_ns >= 0) {
            int64_t left = timeout_ns - (int64_t)(amp_now_ns() - start);

            error = amp_bell_sleep(cpu->board, cpu->id, m->config.cpus, cpu->spin_ns, left > 0 ? left : 0);
        } else {
            error = amp_bell_sleep(cpu->board, cpu->id, m->config.cpus, cpu->spin_ns, -1);
        }
        if (error)
            return error;
    }
}
