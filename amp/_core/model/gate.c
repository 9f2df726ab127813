/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gate.c - when an access is made: behind one lock (free.c), or when it is this CPU's turn (turns.c); and what else happens
 * between two accesses: pending stores become visible, deferred loads are performed.
 */
#include "gate.h"

#include <errno.h>

#include "bell.h"
#include "schedule.h"

/* How many stores leave at a time: more, the more there are (a bulk store brings dozens). */
unsigned amp_leaving(const struct amp_cpu_state *state)
{
    return 1 + state->entries / 4;
}

int amp_take(struct amp_cpu *cpu)
{
    struct amp_cpu_state *state = amp_state(cpu);
    int error = amp_bell_take(cpu->board, cpu->id);

    if (error)
        return error;
    amp_mailbox_taken(cpu);
    amp_raise_floor(cpu, state->rung_time);
    state->floor_far = amp_max(state->floor_far, state->rung_time);
    amp_trace(cpu->model, (struct amp_event){.kind = AMP_EV_TAKEN, .cpu = (uint8_t)cpu->id});
    if (amp_following(cpu->model))
        amp_schedule_taken(cpu);
    return 0;
}

int amp_enter(struct amp_cpu *cpu, unsigned needs)
{
    struct amp_model *m = cpu->model;
    bool is_free = m->config.mode == AMP_FREE;
    int error = !is_free ? amp_await_turn(cpu) : cpu->holds_lock ? 0 : amp_free_enter(m);

    if (error)
        return error;
    cpu->holds_turn = cpu->holds_lock = false;
    if (!amp_model_sane(m)) {
        amp_model_broken(m);
        if (is_free)
            pthread_mutex_unlock(&m->lock);
        return -EPROTO;
    }
    return is_free || !m->schedule.set ? 0 : amp_schedule_enter(cpu, needs);
}

/* A part has failed. Do the others get on, or look on? What they look at is not there, and nobody will write it. */
static void watch_onlookers(struct amp_model *m)
{
    if (m->onlooked_at != m->now) {
        m->onlooked_at = m->now;
        m->onlooking = 0;
    } else if (++m->onlooking == AMP_ONLOOKING) {
        amp_lose(m);
    }
}

int amp_leave(struct amp_cpu *cpu)
{
    if (cpu->holds_lock)
        return 0;
    if (cpu->model->failed)
        watch_onlookers(cpu->model);
    if (cpu->model->config.mode == AMP_FREE) {
        amp_free_background(cpu);
        pthread_mutex_unlock(&cpu->model->lock);
        return 0;
    }
    cpu->model->turns++;
    if (cpu->deferred && cpu->choose(cpu, 2, AMP_PERFORM_NOW) == 0)
        amp_perform_one(cpu, cpu->deferred);
    if (!cpu->holds_turn || amp_following(cpu->model))
        amp_pass_turn(cpu);
    if (__atomic_load_n(&cpu->model->lost, __ATOMIC_RELAXED) == AMP_BROKEN)
        return -EPROTO;
    return cpu->model->schedule.misfit ? -EILSEQ : 0;
}

int amp_unpair(struct amp_cpu *cpu)
{
    if (!cpu->holds_lock)
        return 0;
    cpu->holds_lock = false;
    return amp_leave(cpu);
}

int amp_cpu_wait(struct amp_cpu *cpu, int64_t timeout_ns)
{
    int error = amp_unpair(cpu);

    if (error)
        return error;
    return cpu->model->config.mode == AMP_LOCKSTEP ? amp_turns_wait(cpu, timeout_ns >= 0) : amp_free_wait(cpu, timeout_ns);
}

int amp_listen(const struct amp_cpu *cpu, int64_t timeout_ns)
{
    const struct amp_model_config *config = &cpu->model->config;

    if (config->mode != AMP_FREE)
        return -ENOTSUP;
    return amp_bell_sleep(cpu->board, cpu->id, config->cpus, 0, timeout_ns);
}

int amp_interrupt(const struct amp_cpu *cpu)
{
    if (cpu->model->config.mode != AMP_FREE)
        return -ENOTSUP;
    amp_bell_ring(cpu->board, cpu->id);
    return 0;
}

int amp_cpu_retire(struct amp_cpu *cpu)
{
    struct amp_model *m = cpu->model;
    int error;

    if (amp_state(cpu)->status == AMP_RETIRED || __atomic_load_n(&m->lost, __ATOMIC_SEQ_CST) == AMP_MISFIT)
        return 0;
    error = amp_enter(cpu, AMP_LOADS);
    if (error)
        return error;
    amp_state(cpu)->status = AMP_RETIRED;
    m->failed |= cpu->failed;
    amp_trace(m, (struct amp_event){.kind = AMP_EV_RETIRE, .cpu = (uint8_t)cpu->id});
    error = amp_leave(cpu);
    if (m->config.mode == AMP_FREE)
        amp_bell_gone(cpu->board, cpu->id);
    return error;
}
