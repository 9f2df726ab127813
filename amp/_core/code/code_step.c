/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * code_step.c - before each instruction: what it will compute from what, as its row says; and what it is that is no access:
 * a branch, a barrier, the head of a loop, a function that the engine does itself.
 */
#include <errno.h>
#include <string.h>

#include "code.h"

uint64_t code_register(const struct code_engine *e, unsigned slot)
{
    uint64_t value[2] = {0, 0};

    e->functions.reg_read(e->uc, e->register_id[slot], value);
    return value[0];
}

uint64_t code_return_address(struct code_engine *e)
{
    uint64_t stack, value = 0;
    const struct code_segment *segment;

    if (e->link_slot >= 0)
        return code_register(e, (unsigned)e->link_slot);
    stack = code_register(e, (unsigned)e->stack_slot);
    segment = code_segment_at(e, stack);
    if (segment && stack + sizeof value <= segment->start + segment->size)
        memcpy(&value, segment->host + (stack - segment->start), sizeof value);
    return value;
}

void code_read_registers(const struct code_engine *e, uint8_t value[CODE_SLOTS][16])
{
    memset(value, 0, CODE_SLOTS * 16);
    for (unsigned slot = 0; slot < e->registers; slot++)
        if (e->register_id[slot] >= 0)
            e->functions.reg_read(e->uc, e->register_id[slot], value[slot]);
}

void code_write_registers(const struct code_engine *e, uint8_t value[CODE_SLOTS][16])
{
    for (unsigned slot = 0; slot < e->registers; slot++)
        if (e->register_id[slot] >= 0)
            e->functions.reg_write(e->uc, e->register_id[slot], value[slot]);
}

void code_stop(struct code_engine *e, enum code_stop why)
{
    if (!e->stop)
        e->stop = why;
    e->functions.emu_stop(e->uc);
}

static void fail_on(struct code_engine *e, int error)
{
    if (!error)
        return;
    e->error = error;
    code_stop(e, CODE_STOP_ERROR);
}

static void give(struct code_engine *e, const struct code_mask *to, uint16_t set)
{
    for (unsigned word = 0; word < 2; word++)
        for (uint64_t left = to->bit[word]; left; left &= left - 1)
            code_set_register(e, 64 * word + (unsigned)__builtin_ctzll(left), set);
}

/* Nothing that it reads or writes carries anything. */
static bool is_clean(const struct code_engine *e, const struct code_flow *flow)
{
    return !code_meet(&e->tainted, &flow->from) && !code_meet(&e->tainted, &flow->to);
}

static void flow(struct code_engine *e, const struct code_row *row)
{
    uint16_t first, second;

    if (is_clean(e, &row->flow[0]) && is_clean(e, &row->flow[1]))
        return;
    first = code_gather(e, &row->flow[0].from);
    second = code_gather(e, &row->flow[1].from);
    give(e, &row->flow[0].to, first);
    give(e, &row->flow[1].to, second);
}

static void select_one(struct code_engine *e, const struct code_row *row)
{
    const struct code_flow *taken;
    uint16_t set;

    if (is_clean(e, &row->flow[0]) && is_clean(e, &row->flow[1]) && !code_meet(&e->tainted, &row->picks))
        return;
    taken = &row->flow[e->holds(e, code_register(e, (unsigned)e->flags_slot), row->condition) ? 0 : 1];
    set = code_pick(e, code_gather(e, &taken->from), code_gather(e, &row->picks));
    give(e, &taken->to, set);
}

static void begin_access(struct code_engine *e, const struct code_row *row)
{
    bool clean = !(e->tainted.bit[0] | e->tainted.bit[1]);

    e->accesses = 0;
    e->address_set = clean ? 0 : code_gather(e, &row->address);
    for (unsigned i = 0; i < sizeof row->data; i++)
        e->data_set[i] = row->data[i] != CODE_NONE ? e->set[row->data[i]] : 0;
    if (row->flags & CODE_COMPARES) {
        bool zero = row->expected == CODE_NONE;

        e->expected = zero ? 0 : code_register(e, row->expected);
        e->expected_set = zero ? 0 : e->set[row->expected];
    }
    if (row->kind == CODE_ATOMIC)
        e->atomic_load = 0;
    if (row->kind == CODE_ATOMIC && row->data[1] != CODE_NONE)
        code_set_register(e, row->data[1], 0);
    for (unsigned i = 0; (row->kind == CODE_LOAD || row->kind == CODE_EXCLUSIVE_LOAD) && i < sizeof row->data; i++)
        if (!(row->flags & CODE_KEEPS) && row->data[i] != CODE_NONE)
            code_set_register(e, row->data[i], 0);
    flow(e, row); /* what is written back, and the like */
}

/* A load-exclusive again where the last attempt was made to fail: has anything come of that? If not, it need not fail once
 * more. */
static void begin_exclusive(struct code_engine *e)
{
    uint8_t now[CODE_SLOTS][16];

    code_read_registers(e, now);
    e->monitor.may_fail =
        !(e->monitor.failed && e->monitor.pc == e->pc && memcmp(now, e->monitor.before, sizeof now) == 0);
    memcpy(e->monitor.before, now, sizeof now);
    memcpy(e->monitor.set, e->set, sizeof e->set);
    e->monitor.undos = e->undos;
    e->monitor.pc = e->pc;
    e->monitor.load = 0;
    e->monitor.failed = false;
}

/* A store-exclusive may fail for no reason: both are tried. */
static void end_exclusive(struct code_engine *e)
{
    unsigned which = 0;

    if (e->monitor.load && e->monitor.shared && e->monitor.may_fail && e->port->ops->choose)
        fail_on(e, e->port->ops->choose(e->port, 2, &which));
    e->monitor.failed = which == 1;
}

/* Has it left the loop that the look is at? A function that the loop calls is part of it. */
static bool leaves_loop(struct code_engine *e)
{
    const struct code_row *from;

    if (e->pc == e->called_from)
        e->called_from = 0;
    if (e->called_from || (e->pc >= e->head_at && e->pc <= e->loop_end))
        return false;
    from = code_row_at(e, e->before);
    if (!from || from->kind == CODE_SERVICE || from->kind == CODE_TRAP || from->detail != 1)
        return true;
    e->called_from = e->before + from->length;
    return false;
}

/* Is a look over before this instruction? In the middle of an IT block the emulator does not stop in time. */
static bool leaves_look(struct code_engine *e, const struct code_row *row)
{
    if (row->block)
        return false;
    if (row->flags & CODE_LEAVES && e->holds(e, code_register(e, (unsigned)e->flags_slot), row->condition))
        return true;
    if (e->trying && (row->kind == CODE_ATOMIC || row->kind == CODE_EXCLUSIVE_LOAD))
        return true;
    return leaves_loop(e) || row->kind == CODE_EXCLUSIVE_STORE || row->kind == CODE_WAIT || row->kind == CODE_SERVICE || row->kind == CODE_TRAP || row->kind == CODE_REFUSED ||
           e->looked >= CODE_LOOK_LOADS - 8 || e->undos >= CODE_UNDO - 16;
}

/* A barrier's function is entered: whoever called it, or jumped there, says which barrier it is, and stands there. */
static void named_barrier(struct code_engine *e)
{
    const struct code_row *from = code_row_at(e, e->before);
    uint64_t here = e->pc;

    if (!from || !from->load_by) {
        e->fault_size = 0;
        code_stop(e, CODE_STOP_REFUSED);
        return;
    }
    e->pc = e->before;
    fail_on(e, code_barrier(e, from->load_by, from->site));
    e->pc = here;
}

/* Does it read what a wait was taken to leave to nobody? Then control has come here on a way that is not known. */
static bool reads_forgotten(struct code_engine *e, const struct code_row *row)
{
    if (row->kind == CODE_SERVICE || !code_meet(&e->forgotten, &row->reads))
        return false;
    e->fault = CODE_FAULT_FORGOTTEN;
    code_stop(e, CODE_STOP_REFUSED);
    return true;
}

static void step(struct code_engine *e, const struct code_row *row)
{
    if (reads_forgotten(e, row))
        return;
    if (row->flags & CODE_NAMED)
        named_barrier(e);
    if (row->flags & CODE_CONDITIONAL && !e->holds(e, code_register(e, (unsigned)e->flags_slot), row->condition))
        return;
    e->forgotten.bit[0] &= ~row->writes.bit[0];
    e->forgotten.bit[1] &= ~row->writes.bit[1];
    if (row->ahead)
        fail_on(e, code_barrier(e, 0, row->ahead));
    switch (row->kind) {
    case CODE_PLAIN:
        flow(e, row);
        break;
    case CODE_SELECT:
        select_one(e, row);
        break;
    case CODE_BRANCH:
        fail_on(e, code_meet(&e->tainted, &row->flow[1].from) ? code_hang(e, code_gather(e, &row->flow[1].from)) : 0);
        give(e, &row->flow[0].to, 0);
        break;
    case CODE_EXCLUSIVE_LOAD:
        begin_exclusive(e);
        begin_access(e, row);
        break;
    case CODE_EXCLUSIVE_STORE:
        begin_access(e, row);
        end_exclusive(e);
        break;
    case CODE_LOAD:
    case CODE_STORE:
    case CODE_ATOMIC:
        begin_access(e, row);
        break;
    case CODE_BARRIER:
        flow(e, row);
        fail_on(e, code_barrier_of(e, row));
        break;
    case CODE_ISB:
        fail_on(e, e->port->ops->isb && !e->trying ? e->port->ops->isb(e->port) : 0);
        break;
    case CODE_WAIT:
        if (code_has_device(e, CODE_DOORBELL) || code_has_device(e, CODE_STATUS))
            code_stop(e, CODE_STOP_SERVICE);
        break;
    case CODE_SERVICE:
        code_stop(e, CODE_STOP_SERVICE);
        break;
    case CODE_TRAP:
        e->fault = row->detail ? CODE_FAULT_UNDEFINED : CODE_FAULT_TRAP;
        code_stop(e, CODE_STOP_FAULT);
        break;
    default:
        e->fault_size = 0;
        code_stop(e, CODE_STOP_REFUSED);
    }
}

/* It has made more instructions than an exploration would let it. */
static bool goes_on(struct code_engine *e)
{
    struct amp_seat *seat = e->port->seat;

    if (!seat->endless) {
        code_stop(e, CODE_STOP_STEPS);
        return false;
    }
    if (e->steps % CODE_SIGNALS == 0 && seat->signalled)
        fail_on(e, seat->signalled(seat));
    return !e->stop;
}

void code_on_code(uc_engine *uc, uint64_t address, uint32_t size, void *user)
{
    struct code_engine *e = user;
    const struct code_row *row;

    (void)uc;
    (void)size;
    if (e->stop) {
        if (e->stop == CODE_STOP_QUEUED) {
            e->before = e->pc;
            e->pc = address;
            row = code_row_at(e, address);
            if (row && row->block) { /* the block's end comes first: it only computes */
                e->now = row;
                step(e, row);
                return;
            }
        }
        e->functions.emu_stop(e->uc);
        return;
    }
    if (!e->again)
        e->before = e->pc;
    e->again = false;
    e->pc = address;
    row = e->now = code_row_at(e, address);
    if (!row || row->kind == CODE_UNKNOWN) {
        code_stop(e, CODE_STOP_UNKNOWN);
        return;
    }
    if (++e->steps > e->max_steps && !goes_on(e))
        return;
    if (e->loads > CODE_LOADS - 2 * CODE_LOOK_LOADS || e->sets_used > CODE_SETS / 2)
        code_forget_loads(e);
    if (row->flags & CODE_HEAD && !e->resumed && code_at_head(e, row))
        return;
    e->resumed = false;
    if (e->looking) {
        if (leaves_look(e, row)) {
            code_stop(e, code_stores_same(e, row) ? CODE_STOP_SAME : CODE_STOP_LEFT);
            return;
        }
        e->straight &= row->kind != CODE_SELECT && row->kind != CODE_BRANCH && !(row->flags & CODE_CONDITIONAL) &&
                       !(row->kind == CODE_LOAD && row->detail == CODE_JUMPS);
    }
    step(e, row);
}
