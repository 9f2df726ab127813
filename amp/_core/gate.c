/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gate.c - when an access is made: behind one lock (free), or when it is this CPU's turn (lockstep); and what else
 * happens between two accesses: pending stores become visible, deferred loads are performed.
 *
 * In free mode every CPU draws from its own generator and the processes' real speed decides the interleaving. In
 * lockstep one generator decides everything, so a seed is a run.
 */
#define _GNU_SOURCE
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "bell.h"
#include "fences.h"
#include "model.h"

#define LOCK_TRIES 200    /* a critical section is some 100 ns: worth spinning for */
#define HELP_ONE_IN 8     /* accesses, free mode */
#define LOOK_UP_AFTER 4096 /* stores that a waiter helped along */
#define TURN_SPINS 400      /* likewise the other side's piece of Python between two accesses: some microseconds */

/* splitmix64 (Steele, Lea, Flood 2014): any seed is a good one. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

uint32_t amp_random(uint64_t *state, uint32_t n)
{
    return (uint32_t)((next_random(state) >> 32) * n >> 32);
}

/*
 * The random chooser. How long stores stay behind and how often loads are stale is drawn once per run: a bug that needs
 * long delays and one that needs short ones are then both met soon (swarm testing: Groce et al., ISSTA 2012). It is only
 * a matter of how soon; every run can show every behaviour.
 */
static uint32_t choose_at_random(struct amp_cpu *cpu, uint32_t n, enum amp_question question)
{
    struct amp_model *m = cpu->model;
    uint64_t *state = m->config.mode == AMP_LOCKSTEP ? &m->random : &m->cpu[cpu->id].random;

    assert(n > 0);
    switch (question) {
    case AMP_WHICH_WRITE:
        return amp_random(state, m->stale_one_in) == 0 ? amp_random(state, n) : 0;
    case AMP_WHICH_STORE:
        return amp_random(state, m->newest_one_in) == 0 ? n - 1 : amp_random(state, n);
    case AMP_DRAIN_NOW:
        return amp_random(state, m->drain_one_in) == 0 ? 0 : n - 1;
    case AMP_PERFORM_NOW:
        return amp_random(state, m->perform_one_in) == 0 ? 0 : n - 1;
    case AMP_WHOSE_TURN:
        return amp_random(state, m->switch_one_in) == 0 ? amp_random(state, n) : 0;
    default:
        return amp_random(state, n);
    }
}

static void draw_temper(struct amp_model *m, uint64_t seed)
{
    uint64_t state = ~seed;

    m->drain_one_in = 2u << amp_random(&state, 3); /* 2, 4, 8 */
    m->newest_one_in = 2u << amp_random(&state, 3);
    m->stale_one_in = 2u << amp_random(&state, 3);
    m->perform_one_in = 2u << 2 * amp_random(&state, 3); /* 2, 8, 32 */
    m->switch_one_in = 1u << 2 * amp_random(&state, 3);  /* 1, 4, 16 */
}

/* --- the room ---------------------------------------------------------------------------------------------------- */

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
    uint64_t heads, log, trace, size;
};

static struct plan plan_room(const struct amp_model_config *config)
{
    struct plan plan;

    plan.heads = align_up(sizeof(struct amp_model), 64);
    plan.log = align_up(plan.heads + (config->shared_end - config->shared_start) / AMP_GRANULE * sizeof(uint64_t), 64);
    plan.trace = align_up(plan.log + config->log_writes * sizeof(struct amp_write), 64);
    plan.size = align_up(plan.trace + config->trace_events * sizeof(struct amp_event), 64);
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
    m->trace_offset = plan.trace;
    m->size = plan.size;
    memset(amp_heads(m), 0, plan.log - plan.heads);
    error = init_lock(&m->lock);
    if (error)
        return error;
    m->magic = AMP_MAGIC;
    return amp_model_reset(room, size, config->seed);
}

/* The room as a model; NULL if it holds none, or does not fit. */
static struct amp_model *model_in(const void *room, size_t size)
{
    struct amp_model *m = (struct amp_model *)(uintptr_t)room;
    struct plan plan;

    if (size < sizeof *m || (uintptr_t)room % 64 || m->magic != AMP_MAGIC || check_config(&m->config))
        return NULL;
    plan = plan_room(&m->config);
    if (m->heads_offset != plan.heads || m->log_offset != plan.log || m->trace_offset != plan.trace)
        return NULL;
    return m->size <= size && m->size == plan.size ? m : NULL;
}

int amp_model_set_orders(void *room, size_t size, unsigned cpu, uint8_t implicit, const uint8_t *orders, size_t n)
{
    struct amp_model *m = model_in(room, size);

    if (!m)
        return -EPROTO;
    if (cpu >= m->config.cpus || n > AMP_PRIMITIVES)
        return -EINVAL;
    m->cpu[cpu].implicit = implicit;
    memcpy(m->cpu[cpu].orders, orders, n);
    return 0;
}

int amp_model_reset(void *room, size_t size, uint64_t seed)
{
    struct amp_model *m = model_in(room, size);

    if (!m)
        return -EPROTO;
    m->config.seed = m->random = seed;
    m->epoch = m->now; /* older writes, and what the granules' heads still name, are another run's */
    m->board = m->turn = m->lost = m->stalled = 0;
    m->events = m->digest = m->stalls = m->turns = 0;
    draw_temper(m, seed);
    for (unsigned i = 0; i < AMP_CPUS; i++) {
        struct amp_cpu_state *state = &m->cpu[i];

        state->status = state->parked = state->entries = 0;
        state->floor = state->seen = state->made = state->released = state->rung_time = 0;
        state->random = seed ^ (i + 1) * UINT64_C(0xd1b54a32d192ed03);
    }
    return 0;
}

int amp_model_lost(void *room, size_t size, unsigned cpu)
{
    struct amp_model *m = model_in(room, size);

    if (!m)
        return -EPROTO;
    if (cpu >= m->config.cpus)
        return -EINVAL;
    __atomic_store_n(&m->lost, 1, __ATOMIC_SEQ_CST);
    amp_bell_lost(&m->board);
    __atomic_store_n(&m->turn, UINT32_MAX, __ATOMIC_SEQ_CST); /* who is about to sleep on it sees it change */
    amp_futex_wake(&m->turn);
    return 0;
}

int amp_model_state(const void *room, size_t size, struct amp_model_state *state)
{
    const struct amp_model *m = model_in(room, size);

    if (!m)
        return -EPROTO;
    *state = (struct amp_model_state){.events = m->events,
                                      .digest = m->digest,
                                      .writes = m->now - m->epoch,
                                      .trace_offset = m->trace_offset,
                                      .trace_events = m->config.trace_events,
                                      .stalls = m->stalls,
                                      .turns = m->turns};
    return 0;
}

int amp_cpu_open(struct amp_cpu *cpu, void *room, size_t size, uint8_t *memory, unsigned id)
{
    struct amp_model *m = model_in(room, size);

    if (!m)
        return -EPROTO;
    if (id >= m->config.cpus)
        return -EINVAL;
    *cpu = (struct amp_cpu){.model = m,
                            .memory = memory,
                            .board = &m->board,
                            .id = id,
                            .choose = choose_at_random,
                            .spin_ns = AMP_SPIN_NS};
    return 0;
}

int amp_shared_bounds(const struct amp_cpu *cpu, uint64_t *start, uint64_t *end)
{
    *start = cpu->model->config.shared_start;
    *end = cpu->model->config.shared_end;
    return 0;
}

/* How many stores leave at a time: more, the more there are (a bulk store brings dozens). */
static unsigned leaving(const struct amp_cpu_state *state)
{
    return 1 + state->entries / 4;
}

/* --- free: one lock ---------------------------------------------------------------------------------------------- */

static int free_enter(struct amp_model *m)
{
    int error = EBUSY;

    if (__atomic_load_n(&m->lost, __ATOMIC_RELAXED))
        return -EPIPE;
    for (unsigned i = 0; i < LOCK_TRIES && error == EBUSY; i++) {
        error = pthread_mutex_trylock(&m->lock);
        if (error == EBUSY)
            amp_cpu_relax();
    }
    if (error == EBUSY)
        error = pthread_mutex_lock(&m->lock);
    if (error == EOWNERDEAD) { /* died inside: the state may be half changed, nobody may build on it */
        __atomic_store_n(&m->lost, 1, __ATOMIC_SEQ_CST);
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
static void free_background(struct amp_cpu *cpu)
{
    struct amp_cpu_state *state = amp_state(cpu);

    if (cpu->deferred && cpu->choose(cpu, 2, AMP_PERFORM_NOW) == 0)
        amp_perform_one(cpu, cpu->deferred);
    if (state->entries && cpu->choose(cpu, 2, AMP_DRAIN_NOW) == 0)
        amp_drain(cpu, cpu->id, leaving(state));
    if (cpu->choose(cpu, HELP_ONE_IN, AMP_HELP_NOW) == 0)
        help_along(cpu);
}

static int free_take(struct amp_cpu *cpu)
{
    struct amp_cpu_state *state = amp_state(cpu);
    int error = amp_bell_take(cpu->board, cpu->id);

    if (error)
        return error;
    amp_raise_floor(cpu, state->rung_time);
    amp_trace(cpu->model, (struct amp_event){.kind = AMP_EV_TAKEN, .cpu = (uint8_t)cpu->id});
    return 0;
}

static int free_wait(struct amp_cpu *cpu, int64_t timeout_ns)
{
    struct amp_model *m = cpu->model;
    uint64_t start = timeout_ns < 0 ? 0 : amp_now_ns();
    unsigned helped = 0;
    int error;

    for (;;) {
        bool moved;

        error = free_enter(m);
        if (error)
            return error;
        __atomic_fetch_and(cpu->board, ~AMP_LOOK(cpu->id), __ATOMIC_SEQ_CST);
        error = free_take(cpu);
        moved = error && help_along(cpu);
        pthread_mutex_unlock(&m->lock);
        if (!error)
            return 0;
        if (moved) { /* let the others look at memory as it is now */
            for (unsigned i = 0; i < 16; i++)
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

/* --- lockstep: turns --------------------------------------------------------------------------------------------- */

static int await_turn(struct amp_cpu *cpu)
{
    struct amp_model *m = cpu->model;
    struct amp_cpu_state *state = amp_state(cpu);

    for (unsigned spins = 0;; spins++) {
        uint32_t turn = __atomic_load_n(&m->turn, __ATOMIC_SEQ_CST);

        if (__atomic_load_n(&m->lost, __ATOMIC_RELAXED))
            return -EPIPE;
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
        return m->stalled || m->board & AMP_RUNG(cpu);
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
        if (m->cpu[cpu].entries)
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

/* Between two accesses: stores become visible; then somebody has the turn. All wait and nothing moves: a stall. */
static void pass_turn(struct amp_cpu *cpu)
{
    struct amp_model *m = cpu->model;
    unsigned ready[AMP_CPUS], storing[AMP_CPUS], n_ready, n_storing;

    for (;;) {
        n_ready = runnable(m, cpu->id, ready);
        n_storing = with_stores(m, storing);
        if (n_storing && (n_ready == 0 || cpu->choose(cpu, 2, AMP_DRAIN_NOW) == 0)) {
            unsigned owner = storing[n_storing == 1 ? 0 : cpu->choose(cpu, n_storing, AMP_WHOSE_STORES)];

            amp_drain(cpu, owner, leaving(&m->cpu[owner]));
            if (n_ready == 0)
                continue;
            n_ready = runnable(m, cpu->id, ready); /* a doorbell may have become visible */
        }
        if (n_ready || m->stalled)
            break;
        m->stalled = 1;
        m->stalls += waiting(m) > 1; /* one that waits for retired ones is no stall, but the end */
    }
    if (n_ready) /* all retired: the turn stays where it is */
        give_turn(cpu, ready[n_ready == 1 ? 0 : cpu->choose(cpu, n_ready, AMP_WHOSE_TURN)]);
}

static int lockstep_wait(struct amp_cpu *cpu)
{
    struct amp_model *m = cpu->model;
    struct amp_cpu_state *state = amp_state(cpu);
    int error = await_turn(cpu);

    if (error)
        return error;
    if (state->status == AMP_RUNNING) {
        amp_trace(m, (struct amp_event){.kind = AMP_EV_WAIT, .cpu = (uint8_t)cpu->id});
        state->status = AMP_WAITING;
        pass_turn(cpu);
        error = await_turn(cpu);
        if (error)
            return error; /* -EINTR: still waiting; the next call goes on from here */
    }
    state->status = AMP_RUNNING;
    m->turns++;
    error = free_take(cpu);
    if (error && m->stalls) { /* a stall is told to everyone who waited then, whoever has retired since */
        amp_trace(m, (struct amp_event){.kind = AMP_EV_STALL, .cpu = (uint8_t)cpu->id});
        error = -EDEADLK;
    } else if (error) {
        error = -ESHUTDOWN;
    }
    amp_leave(cpu);
    return error;
}

/* --- both -------------------------------------------------------------------------------------------------------- */

int amp_enter(struct amp_cpu *cpu)
{
    return cpu->model->config.mode == AMP_LOCKSTEP ? await_turn(cpu) : free_enter(cpu->model);
}

void amp_leave(struct amp_cpu *cpu)
{
    if (cpu->model->config.mode == AMP_FREE) {
        free_background(cpu);
        pthread_mutex_unlock(&cpu->model->lock);
        return;
    }
    cpu->model->turns++;
    if (cpu->deferred && cpu->choose(cpu, 2, AMP_PERFORM_NOW) == 0)
        amp_perform_one(cpu, cpu->deferred);
    pass_turn(cpu);
}

int amp_wait(struct amp_cpu *cpu, int64_t timeout_ns)
{
    return cpu->model->config.mode == AMP_LOCKSTEP ? lockstep_wait(cpu) : free_wait(cpu, timeout_ns);
}

int amp_cpu_retire(struct amp_cpu *cpu)
{
    struct amp_model *m = cpu->model;
    int error;

    if (amp_state(cpu)->status == AMP_RETIRED)
        return 0;
    error = amp_enter(cpu);
    if (error)
        return error;
    amp_state(cpu)->status = AMP_RETIRED;
    amp_trace(m, (struct amp_event){.kind = AMP_EV_RETIRE, .cpu = (uint8_t)cpu->id});
    amp_leave(cpu);
    if (m->config.mode == AMP_FREE)
        amp_bell_gone(cpu->board, cpu->id);
    return 0;
}
