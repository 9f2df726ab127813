/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * litmus.c - the threads of a litmus test, instruction by instruction. Registers carry the loads they were computed from.
 */
#include "litmus.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { END, CONST, ALU, LOAD, STORE, RMW, FENCE, ISB, JUMP, JUMP_IF_ZERO, JUMP_IF_NOT_ZERO };
enum { ADD, SUB, AND, OR, XOR, MUL, SHL, SHR, EQ, NE, LT, LE, GT, GE, SEXT32, ZEXT32 };
enum { RMW_XCHG, RMW_ADD, RMW_SUB, RMW_AND, RMW_OR, RMW_XOR, RMW_CMPXCHG };
enum { FULL = 1, SIGNED = 2, ACQUIRE = 4, RELEASE = 8 };

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

static uint64_t modify(unsigned operation, uint64_t old, uint64_t operand)
{
    switch (operation) {
    case RMW_ADD: return old + operand;
    case RMW_SUB: return old - operand;
    case RMW_AND: return old & operand;
    case RMW_OR: return old | operand;
    case RMW_XOR: return old ^ operand;
    default: return operand;
    }
}

static uint64_t narrow(uint64_t value, unsigned bytes, bool is_signed)
{
    unsigned unused = 64 - 8 * bytes;

    if (bytes >= 8)
        return value;
    return is_signed ? (uint64_t)((int64_t)(value << unused) >> unused) : value << unused >> unused;
}

static int location_of(const struct litmus *test, uint64_t address, uint16_t *cell)
{
    uint64_t number = (address - LITMUS_BASE) / LITMUS_STEP;

    if (address < LITMUS_BASE || address % LITMUS_STEP || number >= test->locations)
        return -EFAULT;
    *cell = (uint16_t)number;
    return 0;
}

static void join(struct xp_set *set, const struct xp_set *other)
{
    for (unsigned i = 0; i < XP_WORDS; i++)
        set->bit[i] |= other->bit[i];
}

static int load(struct litmus *test, unsigned number, const struct amp_insn *i)
{
    struct litmus_thread *thread = &test->thread[number];
    uint64_t value;
    xp_event_id event;
    uint16_t cell;
    int result = location_of(test, thread->value[i->a], &cell);

    if (result)
        return result;
    result = xp_load(test->x, number, &cell, 1, test->orders[i->order], &thread->depends[i->a], &value, &event);
    if (result)
        return result;
    thread->value[i->dst] = narrow(value, i->arg, i->flags & SIGNED);
    memset(&thread->depends[i->dst], 0, sizeof thread->depends[0]);
    xp_put(&thread->depends[i->dst], event);
    return 0;
}

static int store(struct litmus *test, unsigned number, const struct amp_insn *i)
{
    struct litmus_thread *thread = &test->thread[number];
    struct xp_set depends = thread->depends[i->b];
    uint16_t cell;
    int result = location_of(test, thread->value[i->a], &cell);

    if (result)
        return result;
    join(&depends, &thread->depends[i->a]);
    return xp_store(test->x, XP_WRITE, number, &cell, 1, narrow(thread->value[i->b], i->arg, false),
                    test->orders[i->order], &depends, &thread->depends[i->a], 0);
}

/* The store of an atomic that has read `old`; a full one is a barrier on both sides of it. */
static int modify_store(struct litmus *test, unsigned number, const struct amp_insn *i, uint16_t cell, uint64_t value)
{
    static const struct xp_orders nothing;
    struct litmus_thread *thread = &test->thread[number];
    const struct xp_orders *orders = &test->orders[i->order];
    struct xp_set depends = thread->depends[i->b];
    int result;

    xp_put(&depends, thread->read);
    join(&depends, &thread->depends[i->a]);
    if (i->flags & FULL) {
        if (xp_order_behind(&test->x->graph, thread->read, *orders)) {
            test->x->over = true;
            return XP_OVER;
        }
        xp_barrier(test->x, number, *orders);
    }
    result = xp_store(test->x, XP_WRITE, number, &cell, 1, value, i->flags & RELEASE ? *orders : nothing, &depends,
                      &thread->depends[i->a], thread->read);
    if (result == XP_DONE && i->flags & FULL)
        xp_barrier(test->x, number, *orders);
    return result;
}

static int read_modify_write(struct litmus *test, unsigned number, const struct amp_insn *i)
{
    static const struct xp_orders nothing;
    struct litmus_thread *thread = &test->thread[number];
    unsigned expected = (unsigned)i->imm & 0xff, width = (unsigned)(i->imm >> 8) & 0xff;
    uint64_t old;
    uint16_t cell;
    int result = location_of(test, thread->value[i->a], &cell);

    if (result)
        return result;
    result = xp_load(test->x, number, &cell, 1, i->flags & ACQUIRE ? test->orders[i->order] : nothing,
                     &thread->depends[i->a], &old, &thread->read);
    if (result)
        return result;
    old = narrow(old, width, false);
    if (i->arg != RMW_CMPXCHG || old == narrow(thread->value[expected], width, false)) {
        uint64_t value = narrow(modify(i->arg, old, thread->value[i->b]), width, false);

        result = modify_store(test, number, i, cell, value);
        if (result)
            return result;
    }
    thread->value[i->dst] = narrow(old, width, i->flags & SIGNED);
    memset(&thread->depends[i->dst], 0, sizeof thread->depends[0]);
    xp_put(&thread->depends[i->dst], thread->read);
    return 0;
}

static int calculate(struct litmus_thread *thread, const struct amp_insn *i)
{
    struct xp_set depends = thread->depends[i->a];

    join(&depends, &thread->depends[i->b]);
    thread->value[i->dst] = compute(i->arg, thread->value[i->a], thread->value[i->b]);
    thread->depends[i->dst] = depends;
    return 0;
}

static int branch(struct litmus *test, unsigned number, const struct amp_insn *i)
{
    struct litmus_thread *thread = &test->thread[number];
    bool zero = thread->value[i->a] == 0;

    xp_add_control(&test->x->graph, number, &thread->depends[i->a]);
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
        memset(&thread->depends[i->dst], 0, sizeof thread->depends[0]);
        return 0;
    case ALU:
        return calculate(thread, i);
    case LOAD:
        return load(test, number, i);
    case STORE:
        return store(test, number, i);
    case RMW:
        return read_modify_write(test, number, i);
    case FENCE:
        xp_barrier(test->x, number, test->orders[i->order]);
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

static int count_outcome(struct litmus *test)
{
    const struct xp_graph *g = &test->x->graph;
    uint64_t value[LITMUS_OBSERVED];
    unsigned n = 0;

    for (; n < test->observed_registers; n++)
        value[n] = test->thread[test->observed[n][0]].value[test->observed[n][1]];
    for (unsigned i = 0; i < test->observed_locations; i++, n++) {
        unsigned number = test->observed[n][0];
        xp_event_id last = g->cell[number].co[g->cell[number].writes - 1];

        value[n] = last == XP_INITIAL ? test->x->initial[number] : g->event[last].value;
    }
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

int litmus_run(struct litmus *test)
{
    int cpu;

    xp_begin(test->x);
    for (unsigned i = 0; i < test->threads; i++) {
        struct litmus_thread *thread = &test->thread[i];

        thread->pc = 0;
        memset(thread->value, 0, sizeof thread->value);
        memset(thread->depends, 0, sizeof thread->depends);
    }
    while ((cpu = xp_next(test->x)) >= 0) {
        int result = run_thread(test, (unsigned)cpu);

        if (result < 0)
            return result;
    }
    if (xp_ending(test->x) != XP_COMPLETE)
        return test->x->error;
    test->x->counts.executions++;
    return count_outcome(test);
}
