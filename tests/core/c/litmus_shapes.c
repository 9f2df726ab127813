/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Shapes whose outcome no rule of the model allows: `litmus_shapes TRIES` prints the names of those it saw all the same.
 * Linked with the core it prints nothing; with a core that has one rule removed, the shapes that hang on that rule.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/model.h"

#define SHARED 256
#define REGISTERS 3
#define STEPS 6

enum { X = 64, Y = 128 };
enum { MB = 2, SMP_MB = 5, SMP_RMB = 6, SMP_WMB = 7, DMA_MB = 8, STORE_RELEASE = 15, LOAD_ACQUIRE = 16 };

enum kind { END, STORE, RELEASE, LOAD, ACQUIRE, AFTER, LAZY, ADD, FENCE, KICK, WAIT, STATUS };

struct step {
    enum kind kind;
    unsigned address; /* FENCE: the primitive */
    unsigned value;   /* LOAD and its like: the register */
};

/* Tables by primitive number; what is not named orders nothing. */
static const uint8_t weak[AMP_PRIMITIVES] = {
    [MB] = 31, [SMP_MB] = 31, [SMP_RMB] = AMP_RR | AMP_RW, [SMP_WMB] = AMP_WW | AMP_WD,
    [DMA_MB] = AMP_WR,
    [STORE_RELEASE] = AMP_RW | AMP_WW, [LOAD_ACQUIRE] = AMP_RR | AMP_RW | AMP_RCSC};
static const uint8_t nothing[AMP_PRIMITIVES] = {[MB] = 31};
enum { TSO = AMP_RR | AMP_RW | AMP_WW | AMP_WD };

struct shape {
    const char *name;
    uint8_t implicit;
    const uint8_t *orders;
    struct step thread[2][STEPS];
    int outcome[REGISTERS]; /* -1: any */
    int final[2];           /* x, y; -1: any */
};

#define ANY -1
static const struct shape shapes[] = {
    {"MP", 0, weak, {{{STORE, X, 1}, {FENCE, SMP_WMB, 0}, {STORE, Y, 1}}, {{LOAD, Y, 0}, {FENCE, SMP_RMB, 0}, {LOAD, X, 1}}},
     {1, 0, ANY}, {ANY, ANY}},
    {"MP-tso", TSO, nothing, {{{STORE, X, 1}, {STORE, Y, 1}}, {{LOAD, Y, 0}, {LOAD, X, 1}}}, {1, 0, ANY}, {ANY, ANY}},
    {"MP-addr", 0, weak, {{{STORE, X, 1}, {FENCE, SMP_WMB, 0}, {STORE, Y, 1}}, {{LOAD, Y, 0}, {AFTER, X, 1}}},
     {1, 0, ANY}, {ANY, ANY}},
    {"MP-rel-acq", 0, weak, {{{STORE, X, 1}, {RELEASE, Y, 1}}, {{ACQUIRE, Y, 0}, {LOAD, X, 1}}}, {1, 0, ANY}, {ANY, ANY}},
    {"MP-irq", 0, weak, {{{STORE, X, 1}, {FENCE, SMP_WMB, 0}, {KICK, 1, 0}}, {{WAIT, 0, 0}, {LOAD, X, 1}}},
     {1, 0, ANY}, {ANY, ANY}},
    {"SB", 0, weak, {{{STORE, X, 1}, {FENCE, SMP_MB, 0}, {LOAD, Y, 0}}, {{STORE, Y, 1}, {FENCE, SMP_MB, 0}, {LOAD, X, 1}}},
     {0, 0, ANY}, {ANY, ANY}},
    {"SB-sc", 31, nothing, {{{STORE, X, 1}, {LOAD, Y, 0}}, {{STORE, Y, 1}, {LOAD, X, 1}}}, {0, 0, ANY}, {ANY, ANY}},
    {"SB-rel-acq", 0, weak, {{{RELEASE, X, 1}, {ACQUIRE, Y, 0}}, {{RELEASE, Y, 1}, {ACQUIRE, X, 1}}},
     {0, 0, ANY}, {ANY, ANY}},
    {"LB", 0, weak, {{{LAZY, X, 0}, {FENCE, SMP_MB, 0}, {STORE, Y, 1}}, {{LAZY, Y, 1}, {FENCE, SMP_MB, 0}, {STORE, X, 1}}},
     {1, 1, ANY}, {ANY, ANY}},
    {"LB-rel", 0, weak, {{{LAZY, X, 0}, {RELEASE, Y, 1}}, {{LAZY, Y, 1}, {RELEASE, X, 1}}}, {1, 1, ANY}, {ANY, ANY}},
    {"LB-tso", TSO, nothing, {{{LAZY, X, 0}, {STORE, Y, 1}}, {{LAZY, Y, 1}, {STORE, X, 1}}}, {1, 1, ANY}, {ANY, ANY}},
    {"CoRR", 0, weak, {{{STORE, X, 1}}, {{LOAD, X, 0}, {LOAD, X, 1}}}, {1, 0, ANY}, {ANY, ANY}},
    {"CoWW", 0, weak, {{{STORE, X, 1}, {STORE, X, 2}}, {{END, 0, 0}}}, {ANY, ANY, ANY}, {1, ANY}},
    {"CoWR", 0, weak, {{{STORE, X, 1}, {LOAD, X, 0}}, {{STORE, X, 2}}}, {0, ANY, ANY}, {ANY, ANY}},
    {"CoRW", 0, weak, {{{LAZY, X, 0}, {STORE, X, 1}}, {{END, 0, 0}}}, {1, ANY, ANY}, {ANY, ANY}},
    {"MP-status", 0, weak, {{{LOAD, X, 0}, {FENCE, SMP_RMB, 0}, {STATUS, 0, 1}}, {{KICK, 0, 0}, {FENCE, MB, 0}, {STORE, X, 1}}},
     {1, 0, ANY}, {ANY, ANY}},
    {"MP-status-acq", 0, weak, {{{ACQUIRE, X, 0}, {STATUS, 0, 1}}, {{KICK, 0, 0}, {FENCE, MB, 0}, {STORE, X, 1}}},
     {1, 0, ANY}, {ANY, ANY}},
    {"SB-status", 0, weak, {{{STORE, X, 1}, {FENCE, DMA_MB, 0}, {STATUS, 0, 0}}, {{KICK, 0, 0}, {FENCE, MB, 0}, {LOAD, X, 1}}},
     {0, 0, ANY}, {ANY, ANY}},
    {"add", 0, weak, {{{ADD, X, 0}}, {{ADD, X, 1}}}, {ANY, ANY, ANY}, {1, ANY}},
    {"add-own", 0, nothing, {{{STORE, X, 1}, {ADD, X, 0}}, {{END, 0, 0}}}, {ANY, ANY, ANY}, {1, ANY}},
};

static uint64_t turns = 1;

struct machine {
    uint8_t *memory;
    void *room;
    size_t size;
    struct amp_cpu cpu[2];
    struct amp_deferred lazy[2];
    uint8_t bytes[2][8];
    struct amp_word seen[REGISTERS];
};

static void must(int error)
{
    if (error) {
        fprintf(stderr, "error %d\n", error);
        exit(1);
    }
}

/* Returns 0 if the thread ends here: no interrupt came. */
static int make_step(struct machine *machine, unsigned id, const struct step *step)
{
    struct amp_cpu *cpu = &machine->cpu[id];
    struct amp_word *out = &machine->seen[step->value % REGISTERS];
    int error;

    switch (step->kind) {
    case END: break;
    case STORE: must(amp_store(cpu, step->address, 4, step->value, 0)); break;
    case RELEASE: must(amp_store(cpu, step->address, 4, step->value, 1)); break;
    case LOAD: must(amp_load(cpu, step->address, 4, 0, 0, out)); break;
    case ACQUIRE: must(amp_load(cpu, step->address, 4, 0, 1, out)); break;
    case AFTER: must(amp_load(cpu, step->address, 4, machine->seen[0].time, 0, out)); break;
    case ADD: must(amp_atomic(cpu, step->address, 4, AMP_ADD, 1, 0, out)); break;
    case STATUS: must(amp_cpu_status(cpu, 0, out)); break;
    case FENCE: must(amp_cpu_barrier(cpu, step->address, 0)); break;
    case KICK: must(amp_cpu_kick(cpu, step->address)); break;
    case LAZY:
        machine->lazy[id] = (struct amp_deferred){.address = step->address, .length = 4, .bytes = machine->bytes[id]};
        must(amp_load_bulk(cpu, &machine->lazy[id], 0));
        break;
    case WAIT:
        error = amp_cpu_wait(cpu, 0);
        out->value = error == 0;
        return error == 0;
    }
    return 1;
}

static unsigned length_of(const struct step thread[STEPS])
{
    unsigned n = 0;

    while (n < STEPS && thread[n].kind != END)
        n++;
    return n;
}

static void use_lazy(struct machine *machine, const struct shape *shape, unsigned id)
{
    for (unsigned i = 0; i < STEPS; i++)
        if (shape->thread[id][i].kind == LAZY) {
            must(amp_perform(&machine->cpu[id], &machine->lazy[id]));
            machine->seen[shape->thread[id][i].value].value = machine->bytes[id][0];
        }
}

static int matches(const struct machine *machine, const struct shape *shape)
{
    for (unsigned i = 0; i < REGISTERS; i++)
        if (shape->outcome[i] != ANY && machine->seen[i].value != (uint64_t)shape->outcome[i])
            return 0;
    for (unsigned i = 0; i < 2; i++)
        if (shape->final[i] != ANY && machine->memory[i ? Y : X] != shape->final[i])
            return 0;
    return 1;
}

static int try_once(struct machine *machine, const struct shape *shape, uint64_t seed)
{
    unsigned at[2] = {0, 0}, end[2] = {length_of(shape->thread[0]), length_of(shape->thread[1])};

    memset(machine->memory, 0, SHARED);
    memset(machine->seen, 0, sizeof machine->seen);
    must(amp_model_reset(machine->room, machine->size, seed));
    while (at[0] < end[0] || at[1] < end[1]) {
        unsigned id = amp_random(&turns, 2);

        if (at[id] == end[id])
            continue;
        if (amp_random(&turns, 3) == 0)
            must(amp_note(&machine->cpu[id], 0, 0));
        else if (make_step(machine, id, &shape->thread[id][at[id]]))
            at[id]++;
        else
            at[id] = end[id];
    }
    for (unsigned id = 0; id < 2; id++) {
        use_lazy(machine, shape, id);
        while (amp_drain(&machine->cpu[id], id, AMP_STORES))
            ;
    }
    return matches(machine, shape);
}

int main(int argc, char **argv)
{
    struct amp_model_config config = {.cpus = 2, .mode = AMP_FREE, .shared_end = SHARED, .store_depth = 16,
                                      .log_writes = 64, .trace_events = 64};
    unsigned long tries = argc > 1 ? strtoul(argv[1], NULL, 0) : 1000;
    struct machine machine = {.size = amp_model_room(&config)};

    machine.memory = aligned_alloc(64, SHARED);
    machine.room = aligned_alloc(64, machine.size);
    must(!machine.memory || !machine.room);
    must(amp_model_init(machine.room, machine.size, &config));
    for (unsigned s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        for (unsigned id = 0; id < 2; id++) {
            must(amp_model_set_orders(machine.room, machine.size, id, shapes[s].implicit, shapes[s].orders,
                                      AMP_PRIMITIVES));
            must(amp_cpu_open(&machine.cpu[id], machine.room, machine.size, machine.memory, id));
            machine.cpu[id].spin_ns = 0;
        }
        for (unsigned long i = 0; i < tries; i++)
            if (try_once(&machine, &shapes[s], i)) {
                puts(shapes[s].name);
                break;
            }
    }
    free(machine.memory);
    free(machine.room);
    return 0;
}
