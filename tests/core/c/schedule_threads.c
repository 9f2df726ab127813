/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lockstep by schedules, three CPUs as three threads of one process: `schedule_threads SEED RUNS`.
 *
 * A run by chance gives a trace, the trace a schedule, and the schedule is followed twice: as it is, or with some goals
 * changed at random. Checked: nobody hangs; the two runs are the same, event for event; every goal is reached or one is
 * refused, and then every CPU that goes on is told; an unchanged schedule of scalar accesses fits, and reads the same.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/model.h"

#define CPUS 3
#define SHARED 128
#define STEPS 12
#define EVENTS 4096
#define CHECK(condition)                                            \
    do {                                                            \
        if (!(condition)) {                                         \
            fprintf(stderr, "line %d: %s\n", __LINE__, #condition); \
            exit(1);                                                \
        }                                                           \
    } while (0)

enum { MB = 2, WMB = 4, SMP_MB = 5, SMP_RMB = 6, SMP_WMB = 7, STORE_RELEASE = 15, LOAD_ACQUIRE = 16 };
enum kind { STORE, RELEASE, LOAD, ACQUIRE, ADD, FENCE, KICK, WAIT, BULK_STORE, BULK_LOAD, USE, KINDS };
#define SCALARS BULK_STORE /* kinds below it access one granule, or none */

struct step {
    enum kind kind;
    unsigned address, value; /* FENCE: address is the primitive */
};

struct side {
    struct amp_cpu cpu;
    struct step program[STEPS];
    uint64_t read[STEPS];
    int ended; /* what ended the program: 0, or an errno */
};

static uint64_t dice;
static _Alignas(64) uint8_t memory[SHARED];
static struct side sides[CPUS];
static void *room;
static size_t room_size;

static const uint8_t orders[AMP_PRIMITIVES] = {
    [MB] = 31, [WMB] = AMP_WW | AMP_WR | AMP_WD,
    [SMP_MB] = 31, [SMP_RMB] = AMP_RR | AMP_RW, [SMP_WMB] = AMP_WW | AMP_WD,
    [STORE_RELEASE] = AMP_RW | AMP_WW, [LOAD_ACQUIRE] = AMP_RR | AMP_RW | AMP_RCSC};

static uint32_t roll(uint32_t n)
{
    return amp_random(&dice, n);
}

#define RETRYING(call) \
    do                 \
        error = (call); \
    while (error == -EINTR)

static int make_step(struct side *side, const struct step *step, uint64_t *read, struct amp_deferred *lazy,
                     uint8_t *bytes)
{
    struct amp_cpu *cpu = &side->cpu;
    struct amp_word word = {0};
    int error = 0;

    switch (step->kind) {
    case STORE: RETRYING(amp_store(cpu, step->address, 4, step->value, 0)); break;
    case RELEASE: RETRYING(amp_store(cpu, step->address, 4, step->value, 1)); break;
    case LOAD: RETRYING(amp_load(cpu, step->address, 4, 0, 0, &word)); break;
    case ACQUIRE: RETRYING(amp_load(cpu, step->address, 4, 0, 1, &word)); break;
    case ADD: RETRYING(amp_atomic(cpu, step->address, 4, AMP_ADD, step->value, 0, &word)); break;
    case FENCE: RETRYING(amp_cpu_barrier(cpu, step->address, 0)); break;
    case KICK: RETRYING(amp_cpu_kick(cpu, step->value % CPUS)); break;
    case WAIT: RETRYING(amp_cpu_wait(cpu, -1)); break;
    case BULK_STORE: RETRYING(amp_store_bulk(cpu, step->address, bytes, step->value % (SHARED - step->address))); break;
    case BULK_LOAD:
        if (lazy->bytes)
            amp_forget(cpu, lazy);
        *lazy = (struct amp_deferred){
            .address = step->address, .length = step->value % (SHARED - step->address), .bytes = bytes};
        RETRYING(amp_load_bulk(cpu, lazy, 0));
        if (error)
            lazy->bytes = NULL;
        break;
    case USE:
        if (lazy->bytes)
            RETRYING(amp_perform(cpu, lazy));
        break;
    default: break;
    }
    *read = word.value;
    return error;
}

static void *play(void *argument)
{
    struct side *side = argument;
    struct amp_deferred lazy = {0};
    uint8_t bytes[SHARED] = {1, 2, 3};
    int error = 0;

    for (unsigned i = 0; i < STEPS && !error; i++)
        error = make_step(side, &side->program[i], &side->read[i], &lazy, bytes);
    if (lazy.bytes)
        amp_forget(&side->cpu, &lazy);
    side->ended = error;
    if (error && error != -EDEADLK && error != -ESHUTDOWN)
        CHECK(error == -EILSEQ);
    RETRYING(amp_cpu_retire(&side->cpu));
    if (error)
        CHECK(error == -EILSEQ);
    return NULL;
}

static struct amp_model_state run(void)
{
    struct amp_model_state state;
    pthread_t threads[CPUS];

    memset(memory, 0, sizeof memory);
    for (unsigned i = 0; i < CPUS; i++) {
        memset(sides[i].read, 0, sizeof sides[i].read);
        CHECK(amp_cpu_open(&sides[i].cpu, room, room_size, memory, i) == 0);
        CHECK(pthread_create(&threads[i], NULL, play, &sides[i]) == 0);
    }
    for (unsigned i = 0; i < CPUS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(amp_model_state(room, room_size, &state) == 0);
    CHECK(state.events <= EVENTS);
    return state;
}

/* The goals of the trace that lies in the room. Of bulk loads none: they read by default. */
static size_t schedule_of(const struct amp_model_state *state, struct amp_goal goals[EVENTS])
{
    const struct amp_event *events = (const struct amp_event *)((const uint8_t *)room + state->trace_offset);
    static struct { uint32_t number, granule; } stores[EVENTS + 1];
    uint32_t issued[CPUS] = {0};
    size_t n = 0;

    for (uint64_t i = 0; i < state->events; i++) {
        const struct amp_event *event = &events[i];
        struct amp_goal goal = {.cpu = event->cpu};

        if (event->kind == AMP_EV_STORE || event->kind == AMP_EV_KICK) {
            stores[i + 1].number = issued[event->cpu]++;
            stores[i + 1].granule = event->address / AMP_GRANULE;
        } else if (event->kind == AMP_EV_VISIBLE || event->kind == AMP_EV_RUNG) {
            goal.kind = AMP_GOAL_VISIBLE;
            goal.access = stores[event->store].number;
            goal.part = event->kind == AMP_EV_RUNG ? 0 : event->address / AMP_GRANULE - stores[event->store].granule;
        } else if (event->kind == AMP_EV_LOAD && event->size == 4 &&
                   !(event->flags & (AMP_FL_PART | AMP_FL_DEFERRED))) {
            goal.kind = AMP_GOAL_READ;
            goal.access = event->load;
            goal.source_cpu = event->store ? events[event->store - 1].cpu : AMP_INITIAL;
            goal.source = event->store ? stores[event->store].number : 0;
        } else if (event->kind == AMP_EV_TAKEN) {
            goal.kind = AMP_GOAL_TAKEN;
        }
        if (goal.kind)
            goals[n++] = goal;
    }
    return n;
}

static void change(struct amp_goal *goals, size_t n)
{
    struct amp_goal *goal = &goals[roll((uint32_t)n)], *other = &goals[roll((uint32_t)n)], kept = *goal;

    switch (roll(5)) {
    case 0: goal->cpu = (uint8_t)roll(CPUS); break;
    case 1: goal->access = roll(6); break;
    case 2: goal->part = roll(3); break;
    case 3: goal->source = roll(4); break;
    default: *goal = *other; *other = kept; break;
    }
}

static void draw_programs(int scalar)
{
    static const unsigned fences[] = {MB, WMB, SMP_MB, SMP_RMB, SMP_WMB};

    for (unsigned i = 0; i < CPUS; i++)
        for (unsigned s = 0; s < STEPS; s++) {
            struct step *step = &sides[i].program[s];

            step->kind = roll(scalar ? SCALARS : KINDS);
            if ((step->kind == WAIT || step->kind == KICK) && roll(3))
                step->kind = LOAD;
            /* a granule of its own for each scalar: what a load took from where is then one store */
            step->address = step->kind == FENCE ? fences[roll(5)] : step->kind >= SCALARS ? roll(SHARED) : 8 * roll(4);
            step->value = 1 + roll(1000);
        }
}

static void check_told(const struct amp_model_state *state)
{
    char text[320] = "";
    uint64_t goal = 0;
    int misfit = amp_model_misfit(room, room_size, &goal, text, sizeof text);

    CHECK(misfit == 0 || misfit == 1);
    CHECK(misfit ? goal == state->reached + 1 && strlen(text) > 40 : state->reached == state->goals);
    for (unsigned i = 0; i < CPUS; i++)
        CHECK(misfit || sides[i].ended != -EILSEQ);
}

static void prepare(uint64_t seed)
{
    struct amp_model_config config = {.cpus = CPUS, .mode = AMP_LOCKSTEP, .shared_end = SHARED, .store_depth = 8,
                                      .log_writes = 1024, .trace_events = EVENTS, .seed = seed};

    if (!room) {
        room_size = amp_model_room(&config);
        room = aligned_alloc(64, room_size);
    }
    CHECK(room && amp_model_init(room, room_size, &config) == 0);
    for (unsigned i = 0; i < CPUS; i++)
        CHECK(amp_model_set_orders(room, room_size, i, 0, orders, AMP_PRIMITIVES) == 0);
}

static void one_run(uint64_t seed, unsigned long *fitted)
{
    static struct amp_goal goals[EVENTS];
    struct amp_model_state state, again;
    uint64_t read[CPUS][STEPS];
    int scalar = roll(2), changed = roll(2);
    size_t n;

    draw_programs(scalar);
    prepare(seed);
    state = run();
    for (unsigned round = 0; round < 2; round++) { /* first the run by chance, then the one by schedule */
        n = schedule_of(&state, goals);
        if (changed && n && round)
            change(goals, n);
        for (unsigned i = 0; i < CPUS; i++)
            memcpy(read[i], sides[i].read, sizeof read[i]);
        CHECK(amp_model_set_schedule(room, room_size, goals, n) == 0);
        CHECK(amp_model_reset(room, room_size, seed) == 0);
        state = run();
        check_told(&state);
        CHECK(amp_model_reset(room, room_size, ~seed) == 0);
        again = run();
        CHECK(again.digest == state.digest && again.events == state.events && again.reached == state.reached);
        if (scalar && !(changed && round)) {
            CHECK(state.reached == state.goals);
            for (unsigned i = 0; i < CPUS; i++)
                CHECK(memcmp(read[i], sides[i].read, sizeof read[i]) == 0);
        }
        *fitted += state.reached == state.goals;
        if (state.reached < state.goals)
            break;
    }
}

int main(int argc, char **argv)
{
    unsigned long runs = argc > 2 ? strtoul(argv[2], NULL, 0) : 100, fitted = 0;

    dice = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
    for (unsigned long i = 0; i < runs; i++)
        one_run(i, &fitted);
    printf("ok %lu fitted\n", fitted);
    free(room);
    return 0;
}
