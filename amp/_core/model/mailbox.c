/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mailbox.c - a CPU's mailbox: doorbells that ring there, are taken, or acknowledged; and its status, which a load tells.
 *
 * A kick and an acknowledgement are stores to Device memory: pending like any other, and only a barrier keeps them behind
 * memory. A mailbox remembers what came last, so that its status may be loaded as it was a moment ago, as memory may: not
 * before the CPU's floor, and not before what it knows of the mailbox.
 */
#include <errno.h>

#include "bell.h"
#include "schedule.h"

static struct amp_mail *mail_at(struct amp_cpu_state *state, uint32_t number)
{
    return &state->mail[number % AMP_MAILS];
}

void amp_ring_doorbell(struct amp_cpu *cpu, unsigned owner, const struct amp_pending *store)
{
    struct amp_model *m = cpu->model;
    unsigned target = amp_mailbox_of(store->value);
    struct amp_cpu_state *state = &m->cpu[target];
    bool rings = store->value < AMP_CPUS;

    amp_trace(m, (struct amp_event){.kind = rings ? AMP_EV_RUNG : AMP_EV_ACKNOWLEDGED,
                                    .cpu = (uint8_t)owner,
                                    .address = target,
                                    .store = store->store});
    state->mails++;
    *mail_at(state, state->mails) = (struct amp_mail){
        .time = m->now, .store = store->store, .number = store->number, .cpu = (uint8_t)owner, .rings = rings};
    if (!amp_staged(m))
        m->cpu[owner].made = m->now;
    if (rings) {
        state->rung_time = m->now;
        amp_bell_ring(cpu->board, target);
    } else {
        state->mail_known = state->mails;
        amp_bell_take(cpu->board, target);
    }
}

void amp_doorbell_out(struct amp_model *m, unsigned owner, const struct amp_pending *store)
{
    struct amp_cpu_state *state = &m->cpu[amp_mailbox_of(store->value)];

    for (unsigned i = 0; i < AMP_MAILS; i++)
        if (state->mail[i].rings && state->mail[i].cpu == owner && state->mail[i].number == store->number)
            state->mail[i].far = m->now;
}

/* As of mail number `number`: has a doorbell rung that is neither taken nor acknowledged? */
static bool was_rung(struct amp_cpu_state *state, uint32_t number)
{
    return number > state->mail_taken && mail_at(state, number)->rings;
}

/* How many mails the load may pretend not to have seen yet. */
static uint32_t steps_back(struct amp_cpu_state *state, uint64_t floor)
{
    uint32_t steps = 0;

    while (steps + 1 < AMP_MAILS && state->mails - steps > state->mail_known &&
           mail_at(state, state->mails - steps)->time >= floor)
        steps++;
    return steps;
}

/* The goal's source among those steps; -1: it is none of them. */
static int steps_to_source(struct amp_cpu_state *state, const struct amp_goal *goal, uint32_t steps)
{
    for (uint32_t back = 0; back <= steps; back++) {
        const struct amp_mail *mail = mail_at(state, state->mails - back);
        bool first = state->mails == back;

        if (goal->source_cpu == AMP_INITIAL ? first : !first && mail->cpu == goal->source_cpu && mail->number == goal->source)
            return (int)back;
    }
    return -1;
}

static uint32_t choose_back(struct amp_cpu *cpu, uint32_t load, uint32_t steps)
{
    struct amp_cpu_state *state = amp_state(cpu);
    struct amp_goal *goal;
    int back;

    if (!amp_following(cpu->model))
        return steps ? cpu->choose(cpu, steps + 1, AMP_WHICH_WRITE) : 0;
    goal = amp_schedule_read(cpu, (struct amp_part){.load = load});
    if (!goal)
        return 0;
    back = steps_to_source(state, goal, steps);
    amp_schedule_answer(cpu, goal, back < 0 ? AMP_MF_TOO_OLD : 0);
    return back < 0 ? 0 : (uint32_t)back;
}

/* Its own acknowledgements arrive before whatever else it does at its mailbox. */
void amp_settle_mailbox(struct amp_cpu *cpu)
{
    const struct amp_cpu_state *state = amp_state(cpu);
    bool pending;

    do {
        pending = false;
        for (unsigned i = 0; i < state->entries; i++)
            pending |= state->pending[i].kind == AMP_DOORBELL && state->pending[i].value >= AMP_CPUS;
    } while (pending && (amp_staged(cpu->model) ? (int)amp_push_on(cpu) : (int)amp_drain(cpu, cpu->id, 1)));
}

int amp_cpu_status(struct amp_cpu *cpu, uint64_t after, struct amp_word *out)
{
    struct amp_model *m = cpu->model;
    struct amp_cpu_state *state = amp_state(cpu);
    uint64_t floor, time;
    uint32_t load, back, number;
    bool rung;
    int error = amp_enter(cpu, AMP_LOADS);

    if (error)
        return error;
    load = state->loads++;
    amp_settle_before_status(cpu);
    amp_settle_mailbox(cpu);
    floor = amp_max(amp_staged(m) ? amp_max(state->floor, state->floor_far) : state->status_floor, after);
    back = choose_back(cpu, load, steps_back(state, floor));
    number = state->mails - back;
    rung = back ? was_rung(state, number) : (m->board & AMP_RUNG(cpu->id)) != 0; /* rung from outside it is no mail */
    time = number ? mail_at(state, number)->time : 0;
    state->mail_known = number > state->mail_known ? number : state->mail_known;
    state->status_seen = amp_max(state->status_seen, time);
    if (number && mail_at(state, number)->rings)
        amp_stage_heard(cpu, mail_at(state, number));
    if (state->implicit & AMP_RR) {
        amp_raise_floor(cpu, time);
        state->floor_far = amp_max(state->floor_far, time);
    }
    amp_trace(m, (struct amp_event){.kind = AMP_EV_STATUS,
                                    .cpu = (uint8_t)cpu->id,
                                    .flags = back ? AMP_FL_STALE : 0,
                                    .primitive = (uint8_t)back,
                                    .load = (uint16_t)load,
                                    .value = rung,
                                    .store = number ? mail_at(state, number)->store : 0,
                                    .newest = state->mails ? mail_at(state, state->mails)->store : 0});
    *out = (struct amp_word){.value = rung, .time = time};
    return amp_leave(cpu);
}

void amp_mailbox_taken(struct amp_cpu *cpu)
{
    struct amp_cpu_state *state = amp_state(cpu);

    if (was_rung(state, state->mails)) /* else it was rung from outside */
        amp_stage_heard(cpu, mail_at(state, state->mails));
    state->mail_taken = state->mail_known = state->mails;
}

/* The doorbell is a store to Device memory, and so is the acknowledgement: only a barrier keeps it behind the ring. */
static int store_mail(struct amp_cpu *cpu, enum amp_event_kind kind, unsigned target, uint64_t value)
{
    struct amp_model *m = cpu->model;
    int error = amp_enter(cpu, 0);
    uint64_t number;

    if (error)
        return error;
    number = m->events + 1;
    amp_trace(m, (struct amp_event){.kind = (uint8_t)kind, .cpu = (uint8_t)cpu->id, .address = target, .store = number});
    amp_push_store(cpu, (struct amp_pending){.store = number, .kind = AMP_DOORBELL, .value = value});
    amp_state(cpu)->stores++;
    return amp_leave(cpu);
}

int amp_cpu_kick(struct amp_cpu *cpu, unsigned target)
{
    int error = target < cpu->model->config.cpus ? store_mail(cpu, AMP_EV_KICK, target, target) : -EINVAL;

    if (error)
        return error;
    if (cpu->model->config.mode == AMP_FREE)
        amp_bell_look(cpu->board, target); /* who sleeps helps the doorbell along, should we be busy elsewhere */
    return 0;
}

int amp_cpu_acknowledge(struct amp_cpu *cpu)
{
    return store_mail(cpu, AMP_EV_ACKNOWLEDGE, cpu->id, AMP_CPUS + cpu->id);
}
