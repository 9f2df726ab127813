/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * room.c - the model's room in the region: how large it is, how it is set up, checked and reset.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "bell.h"
#include "schedule.h"

static uint64_t align_up(uint64_t value, uint64_t to)
{
    return (value + to - 1) / to * to;
}

static int power_of_two(uint64_t n)
{
    return n != 0 && (n & (n - 1)) == 0;
}

static int check_config(const struct amp_model_config *config)
{
    if (config->cpus < 1 || config->cpus > AMP_CPUS || config->mode > AMP_LOCKSTEP)
        return -EINVAL;
    if (config->shared_start % AMP_GRANULE || config->shared_end % AMP_GRANULE ||
        config->shared_start > config->shared_end || config->shared_end > UINT32_MAX)
        return -EINVAL;
    if (config->store_depth < 2 || config->store_depth > AMP_STORES)
        return -EINVAL;
    return power_of_two(config->log_writes) && power_of_two(config->trace_events) ? 0 : -EINVAL;
}

struct plan {
    uint64_t heads, log, sights, trace, schedule, size;
};

static struct plan plan_room(const struct amp_model_config *config)
{
    struct plan plan;

    plan.heads = align_up(sizeof(struct amp_model), 64);
    plan.log = align_up(plan.heads + (config->shared_end - config->shared_start) / AMP_GRANULE * sizeof(uint64_t), 64);
    plan.sights = align_up(plan.log + config->log_writes * sizeof(struct amp_write), 64);
    plan.trace = align_up(plan.sights + config->log_writes * sizeof(struct amp_sights), 64);
    plan.schedule = align_up(plan.trace + config->trace_events * sizeof(struct amp_event), 64);
    plan.size = plan.schedule + AMP_GOALS * sizeof(struct amp_goal); /* whatever the mode: a room serves runs of all */
    return plan;
}

size_t amp_model_room(const struct amp_model_config *config)
{
    return check_config(config) ? 0 : plan_room(config).size;
}

static int init_lock(pthread_mutex_t *lock)
{
    pthread_mutexattr_t attributes;
    int error = pthread_mutexattr_init(&attributes);

    if (error)
        return -error;
    if (!(error = pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED)) &&
        !(error = pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST)))
        error = pthread_mutex_init(lock, &attributes);
    pthread_mutexattr_destroy(&attributes);
    return -error;
}

int amp_model_init(void *room, size_t size, const struct amp_model_config *config)
{
    struct amp_model *m = room;
    struct plan plan;
    int error = check_config(config);

    if (error)
        return error;
    plan = plan_room(config);
    if (size < plan.size || (uintptr_t)room % 64)
        return -EINVAL;
    memset(m, 0, sizeof *m);
    m->config = *config;
    m->heads_offset = plan.heads;
    m->log_offset = plan.log;
    m->sights_offset = plan.sights;
    m->trace_offset = plan.trace;
    m->schedule_offset = plan.schedule;
    m->size = plan.size;
    m->levels = 1;
    memset(amp_heads(m), 0, plan.log - plan.heads);
    error = init_lock(&m->lock);
    if (error)
        return error;
    m->magic = AMP_MAGIC;
    return amp_model_reset(room, size, config->seed);
}

struct amp_model *amp_model_in(const void *room, size_t size)
{
    struct amp_model *m = (struct amp_model *)(uintptr_t)room;
    struct plan plan;

    if (size < sizeof *m || (uintptr_t)room % 64 || m->magic != AMP_MAGIC || check_config(&m->config))
        return NULL;
    plan = plan_room(&m->config);
    if (m->heads_offset != plan.heads || m->log_offset != plan.log ||
        m->sights_offset != plan.sights || m->trace_offset != plan.trace ||
        m->schedule_offset != plan.schedule || m->schedule.goals > AMP_GOALS)
        return NULL;
    return m->size <= size && m->size == plan.size ? m : NULL;
}

int amp_model_set_orders(void *room, size_t size, unsigned cpu, uint8_t implicit, const uint8_t *orders, size_t n)
{
    struct amp_model *m = amp_model_in(room, size);

    if (!m)
        return -EPROTO;
    if (cpu >= m->config.cpus || n > AMP_PRIMITIVES)
        return -EINVAL;
    m->cpu[cpu].implicit = implicit;
    memcpy(m->cpu[cpu].orders, orders, n);
    return 0;
}

int amp_model_set_domains(void *room, size_t size, const uint8_t *domains, size_t n)
{
    struct amp_model *m = amp_model_in(room, size);
    unsigned different = 0, seen = 0;

    if (!m)
        return -EPROTO;
    if (n != m->config.cpus)
        return -EINVAL;
    for (size_t i = 0; i < n; i++) {
        if (domains[i] >= AMP_CPUS)
            return -EINVAL;
        different += !(seen >> domains[i] & 1);
        seen |= 1u << domains[i];
        m->domain[i] = domains[i];
    }
    m->levels = different == 1 || different == n ? 1 : 2;
    return 0;
}

int amp_model_set_near(void *room, size_t size, unsigned cpu, const uint8_t *orders, size_t n)
{
    struct amp_model *m = amp_model_in(room, size);

    if (!m)
        return -EPROTO;
    if (cpu >= m->config.cpus || n > AMP_PRIMITIVES)
        return -EINVAL;
    memcpy(m->cpu[cpu].near, orders, n);
    return 0;
}

int amp_model_set_copies(void *room, size_t size, uint8_t copied)
{
    struct amp_model *m = amp_model_in(room, size);

    if (!m)
        return -EPROTO;
    if (copied >> m->config.cpus)
        return -EINVAL;
    m->copied = m->config.cpus > 2 ? copied : 0; /* two cannot tell */
    if (!amp_observed(m) || amp_staged(m))
        return 0;
    m->levels = 2; /* all at one distance: siblings */
    m->one_distance = true;
    memset(m->domain, 0, sizeof m->domain);
    for (unsigned i = 0; i < m->config.cpus; i++)
        memcpy(m->cpu[i].near, m->cpu[i].orders, sizeof m->cpu[i].near);
    return 0;
}

int amp_model_reset(void *room, size_t size, uint64_t seed)
{
    struct amp_model *m = amp_model_in(room, size);

    if (!m)
        return -EPROTO;
    m->config.seed = m->random = seed;
    m->epoch = m->now; /* older writes, and what the granules' heads still name, are another run's */
    m->board = m->turn = m->lost = m->stalled = 0;
    m->events = m->digest = m->stalls = m->turns = 0;
    m->failed = 0;
    m->onlooking = m->onlooked_at = 0;
    amp_draw_temper(m, seed);
    amp_schedule_rewind(m);
    memset(m->inner, 0, sizeof m->inner);
    m->inner_top = 0;
    for (unsigned i = 0; i < AMP_CPUS; i++) {
        struct amp_cpu_state *state = &m->cpu[i];

        state->status = state->parked = state->entries = state->held = 0;
        state->limited = state->expired = state->in_vain = 0;
        state->unchanged = m->now;
        state->floor = state->status_floor = state->seen = state->made = state->released = state->rung_time = 0;
        state->stores = state->loads = 0;
        state->mails = state->mail_known = state->mail_taken = 0;
        state->status_seen = 0;
        state->floor_far = state->seen_far = state->made_far = 0;
        state->passed_on = state->passed_near = state->passed_in = 0;
        state->inner = 0;
        state->random = seed ^ (i + 1) * UINT64_C(0xd1b54a32d192ed03);
    }
    return 0;
}

static bool are_inner_sane(const struct amp_model *m)
{
    for (unsigned i = 0; i < AMP_INNERS; i++)
        if (m->inner[i].owner >= AMP_CPUS)
            return false;
    return m->inner_top <= AMP_INNERS;
}

bool amp_model_sane(const struct amp_model *m)
{
    unsigned cpus = m->config.cpus;

    if (m->magic != AMP_MAGIC || cpus > AMP_CPUS || m->schedule.goals > AMP_GOALS || m->schedule.next > m->schedule.goals)
        return false;
    for (const struct amp_cpu_state *state = m->cpu; state < m->cpu + cpus; state++)
        if (state->entries > AMP_STORES || state->status > AMP_RETIRED)
            return false;
    return !amp_staged(m) || are_inner_sane(m);
}

void amp_model_broken(struct amp_model *m)
{
    __atomic_store_n(&m->lost, AMP_BROKEN, __ATOMIC_SEQ_CST);
    amp_bell_lost(&m->board);
    __atomic_store_n(&m->turn, UINT32_MAX, __ATOMIC_SEQ_CST); /* who is about to sleep on it sees it change */
    amp_futex_wake(&m->turn);
}

void amp_lose(struct amp_model *m)
{
    __atomic_store_n(&m->lost, AMP_DIED, __ATOMIC_SEQ_CST);
    amp_bell_lost(&m->board);
    __atomic_store_n(&m->turn, UINT32_MAX, __ATOMIC_SEQ_CST); /* who is about to sleep on it sees it change */
    amp_futex_wake(&m->turn);
}

int amp_model_lost(void *room, size_t size, unsigned cpu)
{
    struct amp_model *m = amp_model_in(room, size);

    if (!m)
        return -EPROTO;
    if (cpu >= m->config.cpus)
        return -EINVAL;
    amp_lose(m);
    return 0;
}

int amp_model_ring(void *room, size_t size, unsigned cpu)
{
    struct amp_model *m = amp_model_in(room, size);

    if (!m)
        return -EPROTO;
    if (cpu >= m->config.cpus || m->config.mode != AMP_FREE)
        return -EINVAL;
    amp_bell_ring(&m->board, cpu); /* not the lock: its holder may be dead, or be stopped */
    return 0;
}

int amp_model_state(const void *room, size_t size, struct amp_model_state *state)
{
    const struct amp_model *m = amp_model_in(room, size);

    if (!m)
        return -EPROTO;
    *state = (struct amp_model_state){.events = m->events,
                                      .digest = m->digest,
                                      .writes = m->now - m->epoch,
                                      .trace_offset = m->trace_offset,
                                      .trace_events = m->config.trace_events,
                                      .stalls = m->stalls,
                                      .turns = m->turns,
                                      .goals = m->schedule.goals,
                                      .reached = m->schedule.misfit ? m->schedule.failed : m->schedule.next};
    return 0;
}

int amp_cpu_open(struct amp_cpu *cpu, void *room, size_t size, uint8_t *memory, unsigned id)
{
    struct amp_model *m = amp_model_in(room, size);

    if (!m)
        return -EPROTO;
    if (id >= m->config.cpus)
        return -EINVAL;
    *cpu = (struct amp_cpu){.model = m,
                            .memory = memory,
                            .board = &m->board,
                            .id = id,
                            .choose = amp_choose_at_random,
                            .spin_ns = AMP_SPIN_NS};
    return 0;
}

int amp_shared_bounds(const struct amp_cpu *cpu, uint64_t *start, uint64_t *end)
{
    *start = cpu->model->config.shared_start;
    *end = cpu->model->config.shared_end;
    return 0;
}
