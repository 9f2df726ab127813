/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * litmus.c - the threads of a litmus test, instruction by instruction. Registers carry the loads they were computed from.
 */
#include "litmus.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { ADD, SUB, AND, OR, XOR, MUL, SHL, SHR, EQ, NE, LT, LE, GT, GE, SEXT32, ZEXT32, LITMUS_ALUS };

/* How many registers an operation reads: what it does not read is no operand, whatever its field says. */
static const uint8_t operands[LITMUS_ALUS] = {
    [ADD] = 2, [SUB] = 2, [AND] = 2, [OR] = 2, [XOR] = 2, [MUL] = 2, [SHL] = 2, [SHR] = 2,
    [EQ] = 2,  [NE] = 2,  [LT] = 2,  [LE] = 2, [GT] = 2,  [GE] = 2,  [SEXT32] = 1, [ZEXT32] = 1,
};

static uint64_t compute(unsigned operation, uint64_t a, uint64_t b)
{
    int64_t x = (int64_t)a, y = (int64_t)b;

    switch (operation) {
    case ADD: return a + b;
    case SUB: return a - b;
    case AND: return a & b;
    case OR: return a | b;
    case XOR: return a ^ b;
    case MUL: return a * b;
    case SHL: return b < 64 ? a << b : 0;
    case SHR: return b < 64 ? a >> b : 0;
    case EQ: return a == b;
    case NE: return a != b;
    case LT: return x < y;
    case LE: return x <= y;
    case GT: return x > y;
    case GE: return x >= y;
    case SEXT32: return (uint64_t)(int64_t)(int32_t)a;
    default: return a & UINT32_MAX;
    }
}

static int calculate(struct litmus *test, struct litmus_thread *thread, const struct amp_insn *i)
{
    struct litmus_taint taint = thread->taint[i->a];

    if (i->arg >= LITMUS_ALUS)
        return -EINVAL;
    if (operands[i->arg] == 2 || test->faults & LITMUS_UNUSED_OPERAND)
        litmus_join_taint(&taint, &thread->taint[i->b]);
    thread->value[i->dst] = compute(i->arg, thread->value[i->a], thread->value[i->b]);
    thread->taint[i->dst] = taint;
    return 0;
}

static int branch(struct litmus *test, unsigned number, const struct amp_insn *i)
{
    struct litmus_thread *thread = &test->thread[number];
    bool zero = thread->value[i->a] == 0;

    xp_add_control(&test->x->graph, number, &thread->taint[i->a].picks);
    if (zero == (i->op == JUMP_IF_ZERO))
        thread->pc = (uint32_t)i->imm;
    return 0;
}

static int step(struct litmus *test, unsigned number, const struct amp_insn *i)
{
    struct litmus_thread *thread = &test->thread[number];

    switch (i->op) {
    case CONST:
        thread->value[i->dst] = (uint64_t)i->imm;
        memset(&thread->taint[i->dst], 0, sizeof thread->taint[0]);
        return 0;
    case ALU:
        return calculate(test, thread, i);
    case LOAD:
        return litmus_load(test, number, i);
    case STORE:
        return litmus_store(test, number, i);
    case RMW:
        return litmus_read_modify_write(test, number, i);
    case FENCE:
        litmus_fence(test, number, &test->orders[i->order]);
        return 0;
    case ISB:
        xp_add_isb(&test->x->graph, number);
        return 0;
    case JUMP:
        thread->pc = (uint32_t)i->imm;
        return 0;
    case JUMP_IF_ZERO:
    case JUMP_IF_NOT_ZERO:
        return branch(test, number, i);
    default:
        return -EINVAL;
    }
}

/* Until it waits or ends: an xp_result or a negative errno. */
static int run_thread(struct litmus *test, unsigned number)
{
    struct litmus_thread *thread = &test->thread[number];

    for (uint32_t steps = 0; steps < test->max_steps; steps++) {
        const struct amp_insn *i = &thread->code[thread->pc];
        int result;

        if (thread->pc >= thread->length || i->op == END) {
            xp_end(test->x, number);
            return 0;
        }
        thread->pc++;
        result = step(test, number, i);
        if (result == XP_BLOCKED)
            thread->pc--;
        if (result)
            return result;
    }
    return -ELOOP;
}

/* The whole location, of whose bytes each has a last write of its own. */
static uint64_t last_value(const struct litmus *test, unsigned location)
{
    const struct xp_graph *g = &test->x->graph;
    uint64_t value = 0;

    for (unsigned cell = test->first_cell[location]; cell < test->first_cell[location + 1]; cell++) {
        xp_event_id last = g->cell[cell].co[g->cell[cell].writes - 1];

        value |= (last == XP_INITIAL ? test->initial[location] : g->event[last].value) & amp_bits(g->cell[cell].mask);
    }
    return value;
}

static int count_outcome(struct litmus *test)
{
    uint64_t value[LITMUS_OBSERVED];
    unsigned n = 0;

    for (; n < test->observed_registers; n++)
        value[n] = test->thread[test->observed[n][0]].value[test->observed[n][1]];
    for (unsigned i = 0; i < test->observed_locations; i++, n++)
        value[n] = last_value(test, test->observed[n][0]);
    for (uint32_t i = 0; i < test->outcomes; i++)
        if (memcmp(test->outcome[i].value, value, n * sizeof value[0]) == 0) {
            test->outcome[i].count++;
            return 0;
        }
    if (test->outcomes == test->room) {
        uint32_t room = test->room ? 2 * test->room : 16;
        struct litmus_outcome *more = realloc(test->outcome, room * sizeof *more);

        if (!more)
            return -ENOMEM;
        test->outcome = more;
        test->room = room;
    }
    test->outcome[test->outcomes].count = 1;
    memcpy(test->outcome[test->outcomes++].value, value, n * sizeof value[0]);
    return 0;
}

void litmus_lay_out(struct litmus *test)
{
    struct explorer *x = test->x;
    unsigned cells = 0;

    for (unsigned i = 0; i < test->locations; i++) {
        test->first_cell[i] = (uint16_t)cells;
        for (unsigned byte = 0; byte < AMP_GRANULE; byte++) {
            if (byte == 0 || test->cuts[i] >> byte & 1) {
                x->initial[cells] = test->initial[i];
                x->graph.cell[cells++].mask = 0;
            }
            x->graph.cell[cells - 1].mask |= (uint8_t)(1u << byte);
        }
    }
    test->first_cell[test->locations] = (uint16_t)cells;
    x->graph.cells = cells;
    x->graph.hazards = !(test->faults & LITMUS_NO_HAZARD);
    memset(x->learned, 0, sizeof x->learned);
    xp_restart(x);
    test->outcomes = 0;
}

int litmus_run(struct litmus *test)
{
    int cpu;

    xp_begin(test->x);
    for (unsigned i = 0; i < test->threads; i++) {
        struct litmus_thread *thread = &test->thread[i];

        thread->pc = 0;
        memset(thread->value, 0, sizeof thread->value);
        memset(thread->taint, 0, sizeof thread->taint);
        memset(&thread->unwanted, 0, sizeof thread->unwanted);
    }
    while ((cpu = xp_next(test->x)) >= 0) {
        int result = run_thread(test, (unsigned)cpu);

        if (result < 0)
            return result;
    }
    xp_expect_of_compares(test->x);
    if (xp_ending(test->x) != XP_COMPLETE)
        return test->x->error;
    test->x->counts.executions++;
    return count_outcome(test);
}
