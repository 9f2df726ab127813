/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * turns.c - lockstep: one access at a time. Who has the turn makes its access, lets stores become visible as chance, or
 * a schedule, has it, and passes the turn on. The turn is a futex word; handing it over by spinning takes well under a
 * microsecond.
 */
#include <errno.h>

#include "bell.h"
#include "fences.h"
#include "gate.h"
#include "schedule.h"

#define IN_VAIN 1000   /* limits of one wait after the other that change nothing: then all sleep */
#define TURN_SPINS 400 /* the other side's piece of Python between two accesses takes some microseconds */

int amp_await_turn(struct amp_cpu *cpu)
{
    struct amp_model *m = cpu->model;
    struct amp_cpu_state *state = amp_state(cpu);

    for (unsigned spins = 0;; spins++) {
        uint32_t turn = __atomic_load_n(&m->turn, __ATOMIC_SEQ_CST);
        uint32_t lost = __atomic_load_n(&m->lost, __ATOMIC_RELAXED);

        if (lost)
            return amp_lost_error(lost);
        if (turn == cpu->id)
            return 0;
        if (spins < TURN_SPINS) {
            amp_cpu_relax();
            continue;
        }
        /* Parked before the turn is read again; the one who passes it on does it the other way round. */
        __atomic_store_n(&state->parked, 1, __ATOMIC_SEQ_CST);
        turn = __atomic_load_n(&m->turn, __ATOMIC_SEQ_CST);
        if (turn != cpu->id && !__atomic_load_n(&m->lost, __ATOMIC_SEQ_CST)) {
            int error = amp_futex_wait(&m->turn, turn, AMP_LOOK_UP_NS);

            if (error == -EINTR || error == -ETIMEDOUT)
                return -EINTR;
        }
        __atomic_store_n(&state->parked, 0, __ATOMIC_SEQ_CST);
    }
}

static void give_turn(struct amp_cpu *cpu, unsigned next)
{
    struct amp_model *m = cpu->model;

    if (next == cpu->id)
        return;
    __atomic_store_n(&m->turn, next, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&m->cpu[next].parked, __ATOMIC_SEQ_CST))
        amp_futex_wake(&m->turn);
}

static bool can_run(const struct amp_model *m, unsigned cpu)
{
    if (m->cpu[cpu].status == AMP_WAITING)
        return m->stalled || m->cpu[cpu].expired || m->board & AMP_RUNG(cpu);
    return m->cpu[cpu].status == AMP_RUNNING;
}

/* Who may have the turn next: `self` first, if it may keep it. */
static unsigned runnable(const struct amp_model *m, unsigned self, unsigned out[AMP_CPUS])
{
    unsigned n = 0;

    for (unsigned i = 0; i < m->config.cpus; i++) {
        unsigned cpu = (self + i) % m->config.cpus;

        if (can_run(m, cpu))
            out[n++] = cpu;
    }
    return n;
}

static unsigned with_stores(const struct amp_model *m, unsigned out[AMP_CPUS])
{
    unsigned n = 0;

    for (unsigned cpu = 0; cpu < m->config.cpus; cpu++)
        if (amp_may_drain(m, cpu))
            out[n++] = cpu;
    return n;
}

static unsigned waiting(const struct amp_model *m)
{
    unsigned n = 0;

    for (unsigned cpu = 0; cpu < m->config.cpus; cpu++)
        n += m->cpu[cpu].status == AMP_WAITING;
    return n;
}

/* Nobody can go on: the limits of those who wait with one are over. False: nobody does, or it has been in vain for long. */
static bool expire_limits(struct amp_model *m)
{
    bool some = false;

    for (unsigned cpu = 0; cpu < m->config.cpus; cpu++) {
        struct amp_cpu_state *state = &m->cpu[cpu];

        if (state->status != AMP_WAITING || !state->limited)
            continue;
        if (state->unchanged != m->now)
            state->in_vain = 0;
        state->unchanged = m->now;
        state->expired = state->in_vain++ < IN_VAIN;
        some |= state->expired != 0;
    }
    return some;
}

/* No goal is left, and no chance is taken: all stores of all CPUs become visible, each CPU's oldest first. */
static void drain_everybody(struct amp_cpu *cpu)
{
    unsigned done;

    do { /* with siblings, what another domain has written may stand in a store's way */
        done = 0;
        for (unsigned owner = 0; owner < cpu->model->config.cpus; owner++)
            while (amp_drain(cpu, owner, AMP_STORES))
                done++;
    } while (done && amp_staged(cpu->model));
}

/* The run is over: who waits for the turn, or asks for it, is told. */
static void end_misfit(struct amp_model *m)
{
    __atomic_store_n(&m->lost, AMP_MISFIT, __ATOMIC_SEQ_CST);
    __atomic_store_n(&m->turn, UINT32_MAX, __ATOMIC_SEQ_CST); /* who is about to sleep on it sees it change */
    amp_futex_wake(&m->turn);
}

/* Between two accesses, by the schedule. False: no goal is left. */
static bool pass_scheduled(struct amp_cpu *cpu)
{
    int next = amp_schedule_turn(cpu);

    cpu->kept_turn = next == (int)cpu->id;
    if (cpu->model->schedule.misfit)
        end_misfit(cpu->model);
    else if (next >= 0)
        give_turn(cpu, (unsigned)next);
    else
        drain_everybody(cpu);
    return cpu->model->schedule.misfit || next >= 0;
}

/* Between two accesses: stores become visible; then somebody has the turn. All wait and nothing moves: a stall. */
void amp_pass_turn(struct amp_cpu *cpu)
{
    struct amp_model *m = cpu->model;
    unsigned ready[AMP_CPUS], storing[AMP_CPUS], n_ready, n_storing;

    if (m->schedule.set && pass_scheduled(cpu))
        return;
    for (;;) {
        n_ready = runnable(m, cpu->id, ready);
        n_storing = with_stores(m, storing);
        if (n_storing && (n_ready == 0 || cpu->choose(cpu, 2, AMP_DRAIN_NOW) == 0)) {
            unsigned owner = storing[n_storing == 1 ? 0 : cpu->choose(cpu, n_storing, AMP_WHOSE_STORES)];

            amp_drain(cpu, owner, amp_leaving(&m->cpu[owner]));
            if (n_ready == 0)
                continue;
            n_ready = runnable(m, cpu->id, ready); /* a doorbell may have become visible */
        }
        if (n_ready || m->stalled)
            break;
        if (waiting(m) > 1 && expire_limits(m))
            continue;
        m->stalled = 1;
        m->stalls += waiting(m) > 1; /* one that waits for retired ones is no stall, but the end */
    }
    if (n_ready) /* all retired: the turn stays where it is */
        give_turn(cpu, ready[n_ready == 1 ? 0 : cpu->choose(cpu, n_ready, AMP_WHOSE_TURN)]);
}

int amp_turns_wait(struct amp_cpu *cpu, bool limited)
{
    struct amp_model *m = cpu->model;
    struct amp_cpu_state *state = amp_state(cpu);
    int error = state->status == AMP_RUNNING ? amp_enter(cpu, AMP_LOADS) : amp_await_turn(cpu), left;

    if (error)
        return error;
    if (state->status == AMP_RUNNING) {
        amp_settle_before_load(cpu); /* taking the interrupt is one */
        amp_settle_mailbox(cpu);
        amp_trace(m, (struct amp_event){.kind = AMP_EV_WAIT, .cpu = (uint8_t)cpu->id});
        state->status = AMP_WAITING;
        state->limited = limited;
        state->expired = 0;
        amp_pass_turn(cpu);
        error = amp_await_turn(cpu);
        if (error)
            return error; /* -EINTR: still waiting; the next call goes on from here */
    }
    state->status = AMP_RUNNING;
    m->turns++;
    error = amp_take(cpu);
    if (error && state->expired && !m->stalled) {
        error = -ETIMEDOUT;
    } else if (error && m->stalls) { /* a stall is told to everyone who waited then, whoever has retired since */
        amp_trace(m, (struct amp_event){.kind = AMP_EV_STALL, .cpu = (uint8_t)cpu->id});
        error = -EDEADLK;
    } else if (error) {
        error = -ESHUTDOWN;
    }
    state->expired = 0;
    left = amp_leave(cpu);
    return left ? left : error;
}
