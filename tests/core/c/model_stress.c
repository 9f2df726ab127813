/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random operations from all CPUs of one machine, in one process: `model_stress SEED STEPS CPUS DEPTH WRITES EVENTS`.
 *
 * Checked: a load returns, byte by byte, only what was written there; a CPU never reads a byte older than it has read
 * or written it (where the trace is large enough to tell the order of visible writes); memory is what the visible
 * writes left. Guards around the shared bytes stay as they are. `model_stress corrupt`: broken rooms are refused.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/model.h"

#define START 64
#define END 192
#define MEMORY 256
#define BYTES (END - START)
#define LAZY 4 /* bulk loads a CPU may leave open */
#define MOST_WRITES 200000
#define CHECK(condition)                                                   \
    do {                                                                   \
        if (!(condition)) {                                                \
            fprintf(stderr, "line %d: %s\n", __LINE__, #condition);        \
            exit(1);                                                       \
        }                                                                  \
    } while (0)

static uint64_t dice;
static uint8_t written[BYTES][256];
static uint8_t history[BYTES][MOST_WRITES]; /* visible values, oldest first */
static uint32_t visible[BYTES];             /* how many */
static uint32_t known[AMP_CPUS][BYTES];     /* the oldest position this CPU may still read */
static uint64_t last_store[AMP_CPUS][BYTES]; /* the number of the CPU's newest store to the byte that is visible */
static uint64_t events_seen;

struct machine {
    struct amp_model_config config;
    uint8_t *memory;
    void *room;
    size_t size;
    struct amp_cpu cpu[AMP_CPUS];
    struct amp_deferred lazy[AMP_CPUS][LAZY];
    uint8_t bytes[AMP_CPUS][LAZY][BYTES];
};

static uint32_t roll(uint32_t n)
{
    return amp_random(&dice, n);
}

/* Follow the writes that became visible since the last look; a trace too small to hold them all cannot be followed. */
static void follow(struct machine *machine)
{
    struct amp_model_state state;
    const struct amp_event *ring;

    if (machine->config.trace_events < 65536)
        return;
    CHECK(amp_model_state(machine->room, machine->size, &state) == 0);
    ring = (const struct amp_event *)((const uint8_t *)machine->room + state.trace_offset);
    CHECK(state.events - events_seen <= state.trace_events);
    for (; events_seen < state.events; events_seen++) {
        const struct amp_event *event = &ring[events_seen % state.trace_events];

        for (unsigned i = 0; event->kind == AMP_EV_VISIBLE && i < AMP_GRANULE; i++) {
            unsigned byte = event->address + i - START;

            if (!(event->size >> i & 1))
                continue;
            CHECK(visible[byte] + 1 < MOST_WRITES);
            CHECK(event->store > last_store[event->cpu][byte]); /* once each, in program order */
            last_store[event->cpu][byte] = event->store;
            history[byte][++visible[byte]] = (uint8_t)(event->value >> 8 * i);
            known[event->cpu][byte] = visible[byte];
        }
    }
}

/* Who reads `value` has read some visible write that is no older than what it knew: take the oldest that fits. */
static void check_byte(struct machine *machine, unsigned cpu, unsigned byte, uint8_t value, int own)
{
    uint32_t at = known[cpu][byte];

    CHECK(written[byte][value]);
    if (machine->config.trace_events < 65536 || own)
        return;
    while (at <= visible[byte] && history[byte][at] != value)
        at++;
    CHECK(at <= visible[byte]);
    known[cpu][byte] = at;
}

/* Does this CPU have a pending store to the byte? */
static int own_pending(struct machine *machine, unsigned cpu, unsigned byte)
{
    const struct amp_cpu_state *state = amp_state(&machine->cpu[cpu]);

    for (unsigned i = 0; i < state->entries; i++)
        if (state->pending[i].kind == AMP_MEMORY && state->pending[i].granule == byte / AMP_GRANULE &&
            state->pending[i].mask >> byte % AMP_GRANULE & 1)
            return 1;
    return 0;
}

static void mark_written(unsigned byte, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        written[byte + i][value >> 8 * i & 0xff] = 1;
}

static void do_load(struct machine *machine, unsigned cpu)
{
    unsigned size = 1u << roll(4), byte = roll(BYTES / size) * size;
    struct amp_word word;
    int own[AMP_GRANULE];

    for (unsigned i = 0; i < size; i++)
        own[i] = own_pending(machine, cpu, byte + i);
    CHECK(amp_load(&machine->cpu[cpu], START + byte, size, 0, roll(4) == 0, &word) == 0);
    for (unsigned i = 0; i < size; i++)
        check_byte(machine, cpu, byte + i, (uint8_t)(word.value >> 8 * i), own[i]);
    follow(machine);
}

static void do_store(struct machine *machine, unsigned cpu)
{
    unsigned size = 1u << roll(4), byte = roll(BYTES / size) * size;
    uint64_t value = (uint64_t)roll(UINT32_MAX) << 32 | roll(UINT32_MAX);

    mark_written(byte, value, size);
    CHECK(amp_store(&machine->cpu[cpu], START + byte, size, value, roll(4) == 0) == 0);
}

static void do_atomic(struct machine *machine, unsigned cpu)
{
    unsigned size = 1u << roll(4), byte = roll(BYTES / size) * size;
    uint64_t newest = 0, operand = roll(UINT32_MAX), bits = size == 8 ? UINT64_MAX : (UINT64_C(1) << 8 * size) - 1;
    enum amp_atomic op = roll(3);
    struct amp_word word;

    CHECK(amp_atomic(&machine->cpu[cpu], START + byte, size, op, operand, roll(256), &word) == 0);
    mark_written(byte, op == AMP_ADD ? word.value + operand : operand, size);
    memcpy(&newest, machine->memory + START + byte, size);
    if (op == AMP_ADD && amp_state(&machine->cpu[cpu])->made == machine->cpu[cpu].model->now)
        CHECK(newest == ((word.value + operand) & bits));
    follow(machine);
}

static void do_store_bulk(struct machine *machine, unsigned cpu)
{
    unsigned byte = roll(BYTES), length = roll(BYTES - byte + 1);
    uint8_t bytes[BYTES];

    for (unsigned i = 0; i < length; i++) {
        bytes[i] = (uint8_t)roll(256);
        written[byte + i][bytes[i]] = 1;
    }
    CHECK(amp_store_bulk(&machine->cpu[cpu], START + byte, bytes, length) == 0);
}

static void use_lazy(struct machine *machine, unsigned cpu, unsigned which)
{
    struct amp_deferred *load = &machine->lazy[cpu][which];

    if (!load->bytes)
        return;
    if (roll(4) == 0) {
        amp_forget(&machine->cpu[cpu], load);
    } else {
        CHECK(amp_perform(&machine->cpu[cpu], load) == 0);
        for (uint64_t i = 0; i < load->length; i++)
            CHECK(written[load->address + i - START][load->bytes[i]]);
    }
    load->bytes = NULL;
}

static void do_load_bulk(struct machine *machine, unsigned cpu)
{
    unsigned which = roll(LAZY), byte = roll(BYTES);

    use_lazy(machine, cpu, which);
    machine->lazy[cpu][which] = (struct amp_deferred){
        .address = START + byte, .length = roll(BYTES - byte + 1), .bytes = machine->bytes[cpu][which]};
    CHECK(amp_load_bulk(&machine->cpu[cpu], &machine->lazy[cpu][which], 0) == 0);
}

static void do_wrong(struct machine *machine, unsigned cpu)
{
    struct amp_cpu *handle = &machine->cpu[cpu];
    struct amp_deferred load = {.address = UINT64_MAX - 8, .length = 64};
    struct amp_word word;
    uint8_t bytes[16] = {0};

    CHECK(amp_load(handle, START + 1, 2, 0, 0, &word) == -EINVAL);
    CHECK(amp_load(handle, START, 3, 0, 0, &word) == -EINVAL);
    CHECK(amp_load(handle, END, 1, 0, 0, &word) == -EFAULT);
    CHECK(amp_store(handle, START - 8, 8, 1, 0) == -EFAULT);
    CHECK(amp_atomic(handle, UINT64_MAX - 7, 8, AMP_ADD, 1, 0, &word) == -EFAULT);
    CHECK(amp_store_bulk(handle, END - 8, bytes, 16) == -EFAULT);
    CHECK(amp_store_bulk(handle, START, bytes, UINT64_MAX) == -EFAULT);
    CHECK(amp_load_bulk(handle, &load, 0) == -EFAULT);
    CHECK(amp_cpu_barrier(handle, AMP_PRIMITIVES, 0) == -EINVAL);
    CHECK(amp_cpu_kick(handle, machine->config.cpus) == -EINVAL);
}

static void do_other(struct machine *machine, unsigned cpu)
{
    struct amp_cpu *handle = &machine->cpu[cpu];
    int error = 0;

    switch (roll(4)) {
    case 0: error = amp_cpu_barrier(handle, roll(AMP_PRIMITIVES), roll(12)); break;
    case 1: error = amp_cpu_kick(handle, roll(machine->config.cpus)); break;
    case 2: error = amp_cpu_wait(handle, 0); break;
    default: error = amp_note(handle, roll(256), roll(9)); break;
    }
    CHECK(error == 0 || error == -ETIMEDOUT || (error == -ESHUTDOWN && machine->config.cpus == 1));
}

static void step(struct machine *machine)
{
    static void (*const operations[])(struct machine *, unsigned) = {
        do_load, do_load, do_load, do_load, do_store, do_store, do_store, do_store_bulk, do_load_bulk, do_other, do_other};
    unsigned cpu = roll(machine->config.cpus);

    if (roll(200) == 0)
        do_atomic(machine, cpu);
    else if (roll(100) == 0)
        do_wrong(machine, cpu);
    else
        operations[roll(sizeof operations / sizeof operations[0])](machine, cpu);
    follow(machine);
}

static void finish(struct machine *machine)
{
    for (unsigned cpu = 0; cpu < machine->config.cpus; cpu++) {
        for (unsigned which = 0; which < LAZY; which++)
            use_lazy(machine, cpu, which);
        while (amp_drain(&machine->cpu[cpu], cpu, AMP_STORES))
            ;
        follow(machine);
        CHECK(amp_cpu_retire(&machine->cpu[cpu]) == 0);
    }
    for (unsigned byte = 0; byte < BYTES; byte++) {
        CHECK(written[byte][machine->memory[START + byte]]);
        if (machine->config.trace_events >= 65536)
            CHECK(machine->memory[START + byte] == history[byte][visible[byte]]);
    }
    for (unsigned i = 0; i < MEMORY; i++)
        CHECK((i >= START && i < END) || machine->memory[i] == 0xa5);
}

static void build(struct machine *machine)
{
    machine->size = amp_model_room(&machine->config);
    CHECK(machine->size > 0);
    machine->memory = aligned_alloc(64, MEMORY);
    machine->room = aligned_alloc(64, machine->size); /* exactly: the sanitizer sees every byte beyond */
    CHECK(machine->memory && machine->room);
    memset(machine->memory, 0xa5, MEMORY);
    memset(machine->memory + START, 0, BYTES);
    memset(machine->room, 0xff, machine->size); /* nothing may be taken to be zero */
    CHECK(amp_model_init(machine->room, machine->size, &machine->config) == 0);
}

static void open_cpus(struct machine *machine)
{
    for (unsigned cpu = 0; cpu < machine->config.cpus; cpu++) {
        uint8_t orders[AMP_PRIMITIVES];

        for (unsigned i = 0; i < AMP_PRIMITIVES; i++)
            orders[i] = (uint8_t)roll(64);
        CHECK(amp_model_set_orders(machine->room, machine->size, cpu, roll(3) ? 0 : (uint8_t)roll(32), orders,
                                   AMP_PRIMITIVES) == 0);
        CHECK(amp_cpu_open(&machine->cpu[cpu], machine->room, machine->size, machine->memory, cpu) == 0);
        machine->cpu[cpu].spin_ns = 0;
    }
}

/* A CPU with a store under way, and a full barrier. */
static struct amp_pending *store_under_way(struct machine *machine, struct amp_cpu *cpu)
{
    static const uint8_t orders[] = {[2] = AMP_RR | AMP_RW | AMP_WR | AMP_WW | AMP_WD};
    struct amp_model *model = machine->room;

    for (uint64_t seed = 0; seed < 100; seed++) {
        CHECK(amp_model_reset(machine->room, machine->size, seed) == 0);
        CHECK(amp_model_set_orders(machine->room, machine->size, 0, 0, orders, sizeof orders) == 0);
        CHECK(amp_cpu_open(cpu, machine->room, machine->size, machine->memory, 0) == 0);
        CHECK(amp_store(cpu, START, 4, 1, 0) == 0);
        if (model->cpu[0].entries)
            return model->cpu[0].pending;
    }
    CHECK(!"a store that stays");
    return NULL;
}

/* What is written into the room while it runs ends the run: no access goes on from it, none is out of bounds. */
static void corrupt_while_running(struct machine *machine)
{
    struct amp_model *model = machine->room;
    struct amp_pending *store;
    struct amp_word word;
    struct amp_cpu cpu;

#define NOTICED(change)                                                   \
    do {                                                                  \
        int error;                                                        \
                                                                          \
        store = store_under_way(machine, &cpu);                           \
        change;                                                           \
        error = amp_cpu_barrier(&cpu, 2, 0);                                  \
        CHECK(error == 0 || error == -EPROTO);                            \
        CHECK(amp_load(&cpu, START, 4, 0, 0, &word) == -EPROTO);          \
        model->magic = AMP_MAGIC;                                         \
        model->schedule.goals = model->schedule.next = 0;                     \
    } while (0)
    NOTICED(model->cpu[0].entries = AMP_STORES + 1);
    NOTICED(model->cpu[1].entries = UINT32_MAX);
    NOTICED(model->cpu[0].status = 7);
    NOTICED(model->magic++);
    NOTICED(model->schedule.next = 1);
    NOTICED(model->schedule.goals = AMP_GOALS + 1);
    NOTICED(store->kind = 0);
    NOTICED(store->granule = UINT32_MAX);
    NOTICED((store->kind = AMP_DOORBELL, store->value = 99));
}

static int corrupt(void)
{
    static struct machine machine = {.config = {.cpus = 2, .shared_start = START, .shared_end = END, .store_depth = 8,
                                                .log_writes = 16, .trace_events = 16}};
    struct amp_model *model, good;
    struct amp_cpu cpu;

    build(&machine);
    model = machine.room;
    good = *model;
#define REFUSED(change)                                                                               \
    do {                                                                                              \
        change;                                                                                       \
        CHECK(amp_cpu_open(&cpu, machine.room, machine.size, machine.memory, 0) == -EPROTO);          \
        *model = good;                                                                                \
        CHECK(amp_cpu_open(&cpu, machine.room, machine.size, machine.memory, 0) == 0);                \
    } while (0)
    REFUSED(model->magic++);
    REFUSED(model->config.cpus = AMP_CPUS + 1);
    REFUSED(model->config.log_writes = 1 << 20);
    REFUSED(model->config.log_writes = 15);
    REFUSED(model->config.trace_events *= 2);
    REFUSED(model->config.store_depth = AMP_STORES + 1);
    REFUSED(model->config.shared_end = UINT32_MAX - 7);
    REFUSED(model->config.shared_start = END + 8);
    REFUSED(model->heads_offset += 64);
    REFUSED(model->log_offset = UINT64_MAX - 63);
    REFUSED(model->trace_offset -= 64);
    REFUSED(model->size += 64);
    REFUSED(model->size = 0);
    CHECK(amp_cpu_open(&cpu, machine.room, machine.size - 1, machine.memory, 0) == -EPROTO);
    CHECK(amp_cpu_open(&cpu, machine.room, 8, machine.memory, 0) == -EPROTO);
    CHECK(amp_cpu_open(&cpu, (uint8_t *)machine.room + 8, machine.size - 8, machine.memory, 0) == -EPROTO);
    CHECK(amp_cpu_open(&cpu, machine.room, machine.size, machine.memory, 2) == -EINVAL);
    corrupt_while_running(&machine);
    free(machine.memory);
    free(machine.room);
    puts("ok");
    return 0;
}

int main(int argc, char **argv)
{
    static struct machine machine;
    unsigned long steps;

    if (argc == 2 && !strcmp(argv[1], "corrupt"))
        return corrupt();
    CHECK(argc == 7);
    dice = strtoull(argv[1], NULL, 0);
    steps = strtoul(argv[2], NULL, 0);
    machine.config = (struct amp_model_config){.cpus = (uint32_t)atoi(argv[3]),
                                               .mode = AMP_FREE,
                                               .shared_start = START,
                                               .shared_end = END,
                                               .store_depth = (uint32_t)atoi(argv[4]),
                                               .log_writes = (uint32_t)atoi(argv[5]),
                                               .trace_events = (uint32_t)atoi(argv[6]),
                                               .seed = dice};
    for (unsigned byte = 0; byte < BYTES; byte++)
        written[byte][0] = 1;
    build(&machine);
    open_cpus(&machine);
    for (unsigned long i = 0; i < steps; i++)
        step(&machine);
    finish(&machine);
    printf("ok %llu writes\n", (unsigned long long)machine.cpu[0].model->now);
    free(machine.memory);
    free(machine.room);
    return 0;
}
