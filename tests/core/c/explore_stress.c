/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * explore_stress.c - random programs through the explorer's own functions: `explore_stress SEED PROGRAMS`. For the
 * sanitizers, and for what must hold of every run: nothing comes before itself, reads return what was written, promises
 * are kept; and with states merged a violation at whatever end a program may come to is found.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "explore/explore.h"

#define MAILBOXES 3 /* of each CPU the cell of its number */
#define CELLS 4 /* behind them: two halves of one granule, and two granules of their own */
#define OPS 9
#define MOST_RUNS 3000
#define ENDS 64

enum kind { LOAD, STORE, BRANCH, ISSUE, RESOLVE, BARRIER, ADD, KICK, WAIT, LOOK, KINDS };

struct op {
    enum kind kind;
    unsigned place, value, orders;
    bool depends;
};

struct cpu {
    struct op op[OPS];
    unsigned ops, pc;
    bool barrier_made;
    xp_event_id late, half; /* late: issued and not resolved; half: an atomic's load */
    uint64_t value;         /* loaded last */
    struct xp_set origin;   /* of that value */
};

/* How a CPU's program ended: its log, which tells all that it looked into. */
struct end {
    unsigned cpu;
    uint64_t log;
};

static struct end ends[ENDS]; /* of complete executions */
static unsigned n_ends;
static struct cpu cpus[AMP_CPUS];
static uint64_t random_state;

static const struct {
    uint16_t cell[2];
    unsigned cells;
} places[] = {{{3, 4}, 2}, {{3}, 1}, {{4}, 1}, {{5}, 1}, {{6}, 1}};

static uint64_t next_random(void)
{
    uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static unsigned below(unsigned n)
{
    return (unsigned)((next_random() >> 32) * n >> 32);
}

static void fail(const char *what)
{
    printf("%s\n", what);
    exit(1);
}

static struct xp_orders orders_of(const struct op *op)
{
    return (struct xp_orders){{(uint8_t)op->orders, (uint8_t)(op->orders & 0x15)}};
}

static unsigned live(struct explorer *x, struct xp_live *list, unsigned room)
{
    for (unsigned i = 0; i < x->graph.cpus && i < room; i++)
        list[i] = (struct xp_live){cpus[i].value, i, &cpus[i].origin};
    return x->graph.cpus;
}

static int loaded(struct explorer *x, unsigned number, xp_event_id event, uint64_t value)
{
    struct cpu *cpu = &cpus[number];

    cpu->value = value;
    memset(&cpu->origin, 0, sizeof cpu->origin);
    xp_put(&cpu->origin, event);
    (void)x;
    return XP_DONE;
}

static uint64_t in_place(unsigned place, uint64_t value)
{
    uint64_t low = value & 0xff;

    return place == 0 ? low | low << 32 : place == 2 ? low << 32 : low;
}

static int add(struct explorer *x, unsigned number, const struct op *op)
{
    struct cpu *cpu = &cpus[number];
    const uint16_t *cell = places[op->place].cell;
    uint64_t value;
    int result;

    if (!cpu->barrier_made)
        xp_barrier(x, number, orders_of(op));
    cpu->barrier_made = true;
    if (!cpu->half) {
        xp_event_id event;

        result = xp_load(x, number, cell, places[op->place].cells, (struct xp_orders){{0}}, NULL, &value, &event);
        if (result)
            return result;
        cpu->half = event;
        loaded(x, number, event, value);
    }
    result = xp_store(x, XP_WRITE, number, cell, places[op->place].cells, in_place(op->place, cpu->value + 1),
                      (struct xp_orders){{0}}, &cpu->origin, NULL, cpu->half);
    if (result)
        return result;
    xp_log(x, number, cpu->value);
    cpu->half = 0;
    cpu->barrier_made = false;
    xp_barrier(x, number, orders_of(op));
    return XP_DONE;
}

static int look(struct explorer *x, unsigned number, const struct op *op)
{
    uint64_t value;
    xp_event_id event;
    int result;

    xp_look_begin(x, number);
    result = xp_load(x, number, places[op->place].cell, places[op->place].cells, (struct xp_orders){{0}}, NULL, &value,
                     &event);
    if (result == XP_UNLOOK) {
        xp_look_undone(x, number);
        return x->over ? XP_OVER : XP_BLOCKED;
    }
    if (result)
        return result;
    xp_look_end(x, number, value != 0);
    if (!value)
        return x->over ? XP_OVER : XP_BLOCKED;
    return loaded(x, number, event, value);
}

static int late(struct explorer *x, unsigned number, const struct op *op)
{
    struct cpu *cpu = &cpus[number];
    uint64_t value;
    int result;

    if (op->kind == ISSUE && !cpu->late)
        return xp_issue(x, number, places[op->place].cell, places[op->place].cells, NULL, &cpu->late);
    if (!cpu->late)
        return XP_DONE;
    result = xp_resolve(x, number, cpu->late, &value);
    if (result)
        return result;
    loaded(x, number, cpu->late, value);
    xp_log(x, number, value);
    cpu->late = 0;
    return XP_DONE;
}

static int step(struct explorer *x, unsigned number, const struct op *op)
{
    struct cpu *cpu = &cpus[number];
    const uint16_t *cell = places[op->place].cell;
    unsigned n = places[op->place].cells;
    uint16_t mailbox;
    uint64_t value;
    xp_event_id event;
    int result;

    switch (op->kind) {
    case LOAD:
        result = xp_load(x, number, cell, n, orders_of(op), op->depends ? &cpu->origin : NULL, &value, &event);
        return result ? result : loaded(x, number, event, value);
    case STORE:
        return xp_store(x, XP_WRITE, number, cell, n, in_place(op->place, op->depends ? cpu->value : op->value),
                        orders_of(op), op->depends ? &cpu->origin : NULL, NULL, 0);
    case ISSUE:
    case RESOLVE:
        return late(x, number, op);
    case BARRIER:
        xp_barrier(x, number, orders_of(op));
        return x->over ? XP_OVER : XP_DONE;
    case ADD:
        return add(x, number, op);
    case KICK:
        mailbox = (uint16_t)(op->value % x->graph.cpus);
        return xp_store(x, XP_DOORBELL, number, &mailbox, 1, 1, (struct xp_orders){{0}}, NULL, NULL, 0);
    case WAIT:
        return xp_wait(x, number, (uint16_t)number, &event);
    case LOOK:
        return look(x, number, op);
    default: /* the program looks into the value */
        xp_add_control(&x->graph, number, &cpu->origin);
        xp_log(x, number, cpu->value);
        return XP_DONE;
    }
}

static void check_run(const struct explorer *x)
{
    const struct xp_graph *g = &x->graph;

    if (x->promised)
        fail("a complete run with a promise that is not kept");
    for (unsigned node = g->nodes; node < g->events * g->nodes; node++) {
        if (xp_is_before(g, node, node))
            fail("an event comes before itself");
        for (unsigned other = g->nodes; other < g->events * g->nodes; other++)
            for (unsigned i = 0; xp_is_before(g, other, node) && i < g->words; i++)
                if (g->before[other][i] & ~g->before[node][i])
                    fail("what is before an event that is before another is not before that one");
    }
    for (unsigned r = 1; r < g->events; r++)
        for (unsigned i = 0; g->event[r].kind == XP_READ && i < g->event[r].cells; i++)
            if (g->event[r].source[i] == XP_UNREAD && cpus[g->event[r].cpu].late != r)
                fail("a load of a complete run has read nothing");
}

static void note_ends(const struct explorer *x)
{
    for (unsigned i = 0; i < x->graph.cpus; i++) {
        unsigned k = 0;

        while (k < n_ends && (ends[k].cpu != i || ends[k].log != x->cpu[i].log))
            k++;
        if (k == n_ends && n_ends < ENDS)
            ends[n_ends++] = (struct end){i, x->cpu[i].log};
    }
}

/* An end like `wanted`, if there is one, is a violation. */
static void run_once(struct explorer *x, const struct end *wanted)
{
    int number;

    for (unsigned i = 0; i < x->graph.cpus; i++) {
        struct cpu *cpu = &cpus[i];

        cpu->pc = 0;
        cpu->late = cpu->half = 0;
        cpu->barrier_made = false;
        cpu->value = 0;
        memset(&cpu->origin, 0, sizeof cpu->origin);
    }
    xp_begin(x);
    while ((number = xp_next(x)) >= 0) {
        struct cpu *cpu = &cpus[number];
        int result = XP_DONE;

        while (cpu->pc < cpu->ops && (result = step(x, (unsigned)number, &cpu->op[cpu->pc])) == XP_DONE) {
            xp_log(x, (unsigned)number, cpu->pc);
            cpu->pc++;
        }
        if (result == XP_DONE)
            xp_log(x, (unsigned)number, cpu->value);
        if (result == XP_DONE && wanted && wanted->cpu == (unsigned)number && wanted->log == x->cpu[number].log)
            xp_fail(x, (unsigned)number);
        else if (result == XP_DONE)
            xp_end(x, (unsigned)number);
        else if (result != XP_BLOCKED && result != XP_OVER)
            fail("an unknown result");
    }
}

/* Bits: 1 a violation, 2 a stall, 4 a complete execution. -1: too large. */
static int explore(struct explorer *x, bool merging, const struct end *wanted)
{
    int found = 0;

    memset(x->learned, 0, sizeof x->learned);
    x->merging = merging;
    x->live = live;
    xp_restart(x);
    for (unsigned runs = 0; runs < MOST_RUNS; runs++) {
        enum xp_ending ending;

        run_once(x, wanted);
        ending = xp_ending(x);
        if (ending == XP_COMPLETE)
            check_run(x);
        if (ending == XP_COMPLETE && !merging)
            note_ends(x);
        found |= ending == XP_FAILED ? 1 : ending == XP_STALL ? 2 : ending == XP_COMPLETE ? 4 : 0;
        if (xp_advance(x))
            continue;
        if (x->error == 0)
            return found;
        if (x->error == -EPROTO)
            fail("found not to be deterministic");
        if (x->error != -EAGAIN)
            return -1;
        xp_restart(x);
        found = 0;
    }
    return -1;
}

static void make_program(struct explorer *x)
{
    unsigned n = 2 + (below(3) == 0);
    bool copies = below(2); /* of three CPUs: their writes reach the others one by one */

    xp_open(x, n, 1 + (below(4) == 0));
    memset(&x->graph.cell, 0, sizeof x->graph.cell);
    x->graph.cells = MAILBOXES + CELLS;
    for (unsigned i = 0; i < x->graph.cells; i++)
        x->graph.cell[i] = (struct xp_cell){.mask = i == 3 ? 0x0f : i == 4 ? 0xf0 : 0xff, .writes = 1};
    for (unsigned i = 0; i < n; i++) {
        struct cpu *cpu = &cpus[i];
        unsigned implicit = below(3) ? 0 : below(2) ? AMP_RR | AMP_RW | AMP_WW | AMP_WD : 0x1f;

        x->graph.cpu[i] = (struct xp_graph_cpu){
            .domain = (uint8_t)below(2), .copies = copies, .implicit = {(uint8_t)implicit, (uint8_t)implicit}};
        cpu->ops = 1 + below(n == 2 ? OPS : 4);
        for (unsigned k = 0; k < cpu->ops; k++)
            cpu->op[k] = (struct op){.kind = (enum kind)below(below(2) ? ISSUE : below(8) ? KICK : KINDS),
                                     .place = below(below(2) ? 2 : 5),
                                     .value = 1 + below(2),
                                     .orders = below(2) ? below(64) : 0,
                                     .depends = below(3) == 0};
    }
    xp_graph_lay_out(&x->graph);
}

/* With states merged each end is found as it was without. -1: too large; 0: it is not. */
static int compare(struct explorer *x)
{
    int every, merged;

    n_ends = 0;
    every = explore(x, false, NULL);
    if (every < 0 || x->graph.levels > 1) /* states are only told with one level */
        return -1;
    merged = explore(x, true, NULL);
    if (merged != every)
        return merged < 0 ? -1 : 0;
    for (unsigned i = 0; i < n_ends; i++) {
        merged = explore(x, true, &ends[i]);
        if (merged < 0)
            return -1;
        if (!(merged & 1))
            return 0;
    }
    return 1;
}

int main(int argc, char **argv)
{
    struct explorer *x = calloc(1, sizeof *x);
    unsigned compared = 0, sought = 0;
    unsigned long programs;
    int exit_status = 0;

    if (argc != 3 || !x)
        return 2;
    random_state = strtoull(argv[1], NULL, 0);
    programs = strtoul(argv[2], NULL, 0);
    for (unsigned long i = 0; i < programs; i++) {
        int result;

        make_program(x);
        result = compare(x);
        if (result == 0) {
            printf("program %lu: an end is not found with states merged\n", i);
            exit_status = 1;
            break;
        }
        compared += result > 0;
        sought += result > 0 ? n_ends : 0;
    }
    xp_close(x);
    free(x);
    if (!exit_status)
        printf("ok %u compared, %u ends\n", compared, sought);
    return exit_status;
}
