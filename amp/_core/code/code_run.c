/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * code_run.c - a run of compiled code: from its function's entry, stop by stop, until it returns.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "code.h"

#define NOWHERE UINT64_MAX /* an address that is never reached */

static bool on_invalid(uc_engine *uc, int type, uint64_t address, int size, int64_t value, void *user)
{
    struct code_engine *e = user;

    (void)uc;
    (void)value;
    if (!e->stop) {
        e->stop = CODE_STOP_FAULT;
        e->fault = CODE_FAULT_WILD;
        e->fault_address = address;
        e->fault_size = (unsigned)size;
        e->fault_type = (unsigned)type;
    }
    return false;
}

static void on_interrupt(uc_engine *uc, uint32_t number, void *user)
{
    struct code_engine *e = user;

    (void)uc;
    (void)number;
    e->fault = CODE_FAULT_TRAP;
    code_stop(e, CODE_STOP_FAULT);
}

int code_open(struct code_engine *e)
{
    static const struct {
        int type;
        void *callback;
    } hooks[] = {{UC_HOOK_CODE, (void *)code_on_code},      {UC_HOOK_MEM_READ, (void *)code_on_read},
                 {UC_HOOK_MEM_WRITE, (void *)code_on_write}, {UC_HOOK_MEM_INVALID, (void *)on_invalid},
                 {UC_HOOK_INTR, (void *)on_interrupt}};
    size_t hook;

    e->sets = calloc(CODE_SETS, sizeof *e->sets);
    e->shade = calloc(CODE_SHADES, sizeof *e->shade);
    if (!e->sets || !e->shade)
        return -ENOMEM;
    for (unsigned i = 0; i < sizeof hooks / sizeof hooks[0]; i++)
        if (e->functions.hook_add(e->uc, &hook, hooks[i].type, hooks[i].callback, e, 1, 0))
            return -EINVAL;
    if (e->functions.context_alloc(e->uc, &e->start) || e->functions.context_save(e->uc, e->start) ||
        e->functions.context_alloc(e->uc, &e->aside))
        return -ENOMEM;
    e->ready = true;
    return 0;
}

void code_close(struct code_engine *e)
{
    if (e->start)
        e->functions.context_free(e->start);
    if (e->aside)
        e->functions.context_free(e->aside);
    free(e->sets);
    free(e->shade);
    free(e->row);
    free(e->head);
    for (unsigned i = 0; i < 3; i++) {
        free(e->place[i]);
        free(e->registers_at[i]);
    }
    for (unsigned i = 0; i < e->segments; i++) {
        free(e->segment[i].pristine);
        free(e->segment[i].dirty);
        free(e->segment[i].index);
    }
}

#define THUMB_BIT 0x20u /* DDI 0406C, B1.3.3, "The Current Program Status Register" */

static uint64_t is_thumb(const struct code_engine *e)
{
    return e->thumb == 2 ? (code_register(e, (unsigned)e->flags_slot) & THUMB_BIT) != 0 : e->thumb;
}

void code_emulate(struct code_engine *e)
{
    for (;;) {
        int result;

        e->stop = CODE_RUNNING;
        e->error = 0;
        e->again = true;
        code_set_block(e, code_row_at(e, e->pc));
        result = e->functions.emu_start(e->uc, e->pc | is_thumb(e), NOWHERE, 0, 0);
        if (!e->stop && result == UC_ERR_INSN_INVALID) {
            e->stop = CODE_STOP_FAULT;
            e->fault = CODE_FAULT_UNDEFINED;
        } else if (!e->stop) {
            e->stop = CODE_STOP_FAULT;
            e->fault = CODE_FAULT_TRAP;
        }
        if (e->stop != CODE_STOP_UNKNOWN)
            return;
        e->error = e->compile(e, e->pc);
        if (e->error) {
            e->stop = CODE_STOP_ERROR;
            return;
        }
    }
}

static void begin(struct code_engine *e, const struct amp_port *port)
{
    e->port = port;
    e->run++;
    e->functions.context_restore(e->uc, e->start);
    e->pc = 0;
    e->functions.reg_read(e->uc, e->pc_id, &e->pc);
    e->pc &= e->thumb ? ~UINT64_C(1) : UINT64_MAX;
    e->before = 0;
    e->steps = 0;
    e->watched = 0;
    e->resumed = e->looking = false;
    e->now = NULL;
    e->address_set = 0;
    memset(e->data_set, 0, sizeof e->data_set);
    memset(&e->monitor, 0, sizeof e->monitor);
    memset(&e->settled, 0, sizeof e->settled);
    memset(&e->forgotten, 0, sizeof e->forgotten);
    memset(e->places, 0, sizeof e->places);
    e->said_used = 0;
    e->fault = CODE_FAULT_NONE;
    e->fault_size = 0;
    memset(e->held, 0, sizeof e->held);
    code_memory_begin(e);
    code_taint_begin(e);
}

/* A text of the part's own, in its private memory; cut where it ends, or nobody can print it. */
static void read_text(struct code_engine *e, uint64_t address, char text[AMP_TEXT_BYTES])
{
    unsigned n = 0;

    for (; n + 1 < AMP_TEXT_BYTES; n++) {
        const struct code_segment *segment = code_segment_at(e, address + n);
        uint8_t byte = segment ? segment->host[address + n - segment->start] : 0;

        if (byte < ' ' || byte > '~')
            break;
        text[n] = (char)byte;
    }
    text[n] = 0;
}

/* A line for each that is in the text: what cannot be printed is a question mark, what is too long is cut. */
static void print(struct code_engine *e, uint64_t address)
{
    struct code_said *line = NULL;
    unsigned n = 0;

    for (;; address++) {
        const struct code_segment *segment = code_segment_at(e, address);
        char c = segment ? (char)segment->host[address - segment->start] : 0;

        if (!c)
            return;
        if (c == '\n') {
            line = NULL;
            continue;
        }
        if (!line) {
            if (e->said_used == CODE_SAID)
                return;
            line = &e->said[e->said_used++];
            *line = (struct code_said){.at = e->places[0] + e->places[1] + e->places[2]};
            n = 0;
        }
        if (n + 1 < AMP_TEXT_BYTES)
            line->text[n++] = c >= ' ' && c <= '~' ? c : '?';
    }
}

static void go_back(struct code_engine *e, uint64_t result)
{
    uint64_t to = code_return_address(e);

    if (e->link_slot < 0) {
        uint64_t stack = code_register(e, (unsigned)e->stack_slot) + sizeof to;

        e->functions.reg_write(e->uc, e->register_id[e->stack_slot], &stack);
    }
    e->functions.reg_write(e->uc, e->register_id[e->argument_slot], &result);
    code_set_register(e, (unsigned)e->argument_slot, 0);
    if (e->thumb == 2) {
        uint64_t flags = code_register(e, (unsigned)e->flags_slot);

        flags = to & 1 ? flags | THUMB_BIT : flags & ~(uint64_t)THUMB_BIT;
        e->functions.reg_write(e->uc, e->register_id[e->flags_slot], &flags);
    }
    e->before = e->pc;
    e->pc = e->thumb ? to & ~UINT64_C(1) : to;
}

/* true: the part has ended */
static bool serve(struct code_engine *e)
{
    const struct amp_port *port = e->port;
    const struct code_row *row = e->now;
    uint64_t argument = code_register(e, (unsigned)e->argument_slot);
    char text[AMP_TEXT_BYTES];
    unsigned which = 0;

    if (row->kind == CODE_WAIT) {
        code_sleep(e);
        e->before = e->pc;
        e->pc += row->length;
        return false;
    }
    switch (row->detail) {
    case CODE_RETURN:
        return true;
    case CODE_FAIL:
        read_text(e, argument, text);
        amp_fail(port, "%s", text[0] ? text : "amp_fail");
    case CODE_KICK:
        code_place(e, CODE_AT_STORES, e->before, argument); /* the call of it */
        amp_kick(port, argument < AMP_CPUS ? (unsigned)argument : AMP_CPUS);
        go_back(e, 0);
        return false;
    case CODE_PRINT:
        print(e, argument);
        go_back(e, 0);
        return false;
    case CODE_SLEEP:
        amp_wait(port, -1);
        go_back(e, 0);
        return false;
    case CODE_CHOOSE: {
        int error = port->ops->choose ? port->ops->choose(port, (unsigned)argument, &which) : -ENOTSUP;

        if (error)
            amp_give_up(port, error, "amp_choose: %" PRIu64 " ways", argument);
        go_back(e, which);
        return false;
    }
    default:
        amp_give_up(port, -ENOTSUP, "a function that the engine does not know");
    }
}

static _Noreturn void end_with_fault(struct code_engine *e)
{
    static const char *const way[] = {"load", "store", "fetch", "load", "store", "fetch", "store", "load", "fetch"};
    unsigned type = e->fault_type - UC_MEM_READ;
    uint64_t stack = code_register(e, (unsigned)e->stack_slot);

    switch (e->fault) {
    case CODE_FAULT_WILD:
        amp_fail(e->port, "%s: %s of %u bytes at 0x%" PRIx64,
                 e->fault_address - stack + CODE_PAGE < 2 * CODE_PAGE ? "stack overflow" : "wild access",
                 way[type < sizeof way / sizeof way[0] ? type : 0], e->fault_size, e->fault_address);
    case CODE_FAULT_UNALIGNED:
        amp_fail(e->port, "unaligned access: %s of %u bytes at 0x%" PRIx64 ", which has to be aligned", way[type],
                 e->fault_size, e->fault_address);
    case CODE_FAULT_UNDEFINED:
        amp_fail(e->port, "undefined instruction");
    default: /* some accesses the emulator itself wants aligned, and does not say where they are */
        amp_fail(e->port, e->now && e->now->flags & CODE_ALIGNED ? "unaligned access, which has to be aligned" : "trap");
    }
}

static _Noreturn void end_refused(struct code_engine *e)
{
    if (e->fault == CODE_FAULT_MODIFIED)
        amp_give_up(e->port, -ENOTSUP, "code that has been executed is written over, at 0x%" PRIx64, e->fault_address);
    if (e->fault == CODE_FAULT_STATUS)
        amp_give_up(e->port, -ENOTSUP, "it loads a register of the mailbox, 0x%" PRIx64 ", that is no --status", e->fault_address);
    if (e->fault == CODE_FAULT_REGISTER)
        amp_give_up(e->port, -ENOTSUP,
                    "its access of %u bytes at 0x%" PRIx64 " has part of the register at 0x%" PRIx64
                    ", and does not begin there",
                    e->fault_size, e->fault_address, e->fault_register);
    if (e->fault == CODE_FAULT_BELOW)
        amp_give_up(e->port, -ENOTSUP, "it reads 0x%" PRIx64 ", below the stack pointer, where nothing is kept", e->fault_address);
    if (e->fault == CODE_FAULT_FORGOTTEN)
        amp_give_up(e->port, -ENOTSUP,
                    "it reads a register that the loop at 0x%" PRIx64 " was taken to leave to nobody: the way here is not known",
                    e->forgotten_at);
    if (e->fault_size)
        amp_give_up(e->port, -ENOTSUP, "its access of %u bytes at 0x%" PRIx64 " is of a kind that is not modelled",
                    e->fault_size, e->fault_address);
    amp_give_up(e->port, -ENOTSUP, "it is not understood");
}

/* What stopped it. true: the part has ended. */
static bool handle(struct code_engine *e, enum code_stop stop)
{
    int error;

    switch (stop) {
    case CODE_STOP_HEAD:
        error = code_look_at_loop(e);
        if (error)
            amp_give_up(e->port, error, "%s", "");
        if (e->ended == CODE_STOP_AROUND)
            return false;
        e->resumed = e->ended == CODE_STOP_LEFT && e->pc == e->head_at;
        return e->ended != CODE_STOP_LEFT && handle(e, e->ended);
    case CODE_STOP_QUEUED:
        error = code_make_queued(e);
        if (error)
            amp_give_up(e->port, error, "%s", "");
        return false;
    case CODE_STOP_SERVICE:
        return serve(e);
    case CODE_STOP_LOOP:
        amp_give_up(e->port, -ELOOP, "%" PRIu64 " rounds of a loop", e->max_loop);
    case CODE_STOP_STEPS:
        amp_give_up(e->port, -ELOOP, "%" PRIu64 " instructions", e->max_steps);
    case CODE_STOP_FAULT:
        end_with_fault(e);
    case CODE_STOP_REFUSED:
        end_refused(e);
    case CODE_STOP_ERROR:
        amp_give_up(e->port, e->error, "%s", "");
    default:
        return false;
    }
}

void code_part(const struct amp_port *port, void *engine)
{
    struct code_engine *e = engine;

    begin(e, port);
    do
        code_emulate(e);
    while (!handle(e, e->stop));
}
