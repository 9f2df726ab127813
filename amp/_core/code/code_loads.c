/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * code_loads.c - what an instruction loads: of a shared window, loads of the port; of a mailbox, its status; else private
 * memory, of which only is known what it carries.
 */
#include <errno.h>
#include <string.h>

#include "code_access.h"

/* By which primitive the instruction's load is ordered; 0: it is a plain one, or has been made one. */
static unsigned loads_by(struct code_engine *e)
{
    return code_at_site(e, e->now->site) == AMP_AS_BUILT ? e->now->load_by : 0;
}

/* Which of the row's registers has the bytes at `address`; CODE_NONE: none is followed. */
static unsigned register_at(const struct code_engine *e, uint64_t address)
{
    uint64_t number = code_number_at(e, address);

    return number < CODE_DATA ? e->now->data[number] : CODE_NONE;
}

/* What comes from the loads in `set` is in the row's register of the bytes at `address` now, beside what else is there. */
static void give_loaded(struct code_engine *e, uint64_t address, uint16_t set)
{
    const struct code_row *row = e->now;
    unsigned only = row->kind == CODE_ATOMIC ? row->data[1] : register_at(e, address);
    bool all = row->flags & CODE_SPREADS;

    for (unsigned i = 0; i < (all ? CODE_DATA : 1u); i++) {
        unsigned slot = all ? row->data[i] : only;

        if (slot != CODE_NONE)
            code_set_register(e, slot, code_join(e, e->set[slot], set));
    }
}

/* Of a load that a store may belong to: so it is, and how that store will be. */
static unsigned paired_by(struct code_engine *e)
{
    const struct code_row *row = e->now;

    if (row->kind != CODE_ATOMIC && row->kind != CODE_EXCLUSIVE_LOAD)
        return 0;
    return AMP_PAIRED | (row->flags & CODE_WHOLE ? AMP_WHOLE_BY(code_stores_by(e)) : 0) |
           (row->kind == CODE_EXCLUSIVE_LOAD ? AMP_EXCLUSIVE : 0);
}

/* One access of the port. */
static void load_piece(struct code_engine *e, const struct code_window *window, uint64_t address, unsigned size,
                       uint16_t *carried)
{
    const struct code_row *row = e->now;
    unsigned how = AMP_TOLD | AMP_BY(loads_by(e)) | (row->flags & CODE_UNSEEN ? AMP_UNSEEN : 0) | paired_by(e);
    struct amp_word word = {0};
    uint64_t after;
    uint32_t number;
    bool made;
    int error;

    code_drop_dead(e);
    if (e->loads == CODE_LOADS) {
        code_fail(e, -E2BIG);
        return;
    }
    after = code_time(e, e->sets[e->address_set].depends, &made);
    code_place(e, CODE_AT_LOADS, e->pc, 0);
    e->watched = window->region + (address - window->start);
    do
        error = e->port->ops->load(e->port, window->region + (address - window->start), size, how, after, &word);
    while (code_again(e, &error));
    if (made)
        e->port->ops->drop(e->port, after);
    if (error) {
        code_fail(e, error);
        return;
    }
    memcpy(window->host + (address - window->start), &word.value, size);
    number = code_loaded(e, word);
    *carried = code_join(e, *carried, code_set_of(e, number));
    if (row->kind == CODE_EXCLUSIVE_LOAD) {
        e->monitor.address = address;
        e->monitor.size = size;
        e->monitor.value = word.value;
        e->monitor.load = number + 1;
        e->monitor.shared = true;
    }
    if (row->kind == CODE_ATOMIC) {
        e->atomic_load = number + 1;
        e->atomic_value = word.value;
    }
}

/* A store-exclusive compares what is there with what its load has read: it is told what makes it succeed, or fail. */
static void answer_exclusive(struct code_engine *e, const struct code_window *window, uint64_t address, unsigned size)
{
    uint64_t value;
    bool may = true;
    int error = 0;

    if (e->monitor.load && e->port->ops->may_store)
        do
            error = e->port->ops->may_store(e->port, &may);
        while (code_again(e, &error));
    if (error) {
        code_fail(e, error);
        return;
    }
    e->monitor.failed |= !may;
    value = e->monitor.failed ? ~e->monitor.value : e->monitor.value;
    memcpy(window->host + (address - window->start), &value, size);
}

static void read_shared(struct code_engine *e, const struct code_window *window, uint64_t address, unsigned size)
{
    const struct code_row *row = e->now;
    unsigned piece = code_piece_of(row, address, size);
    int error;

    if (e->trying) {
        code_stop(e, CODE_STOP_LEFT);
        return;
    }
    if (row->kind == CODE_EXCLUSIVE_STORE) {
        answer_exclusive(e, window, address, size);
        return;
    }
    if (row->flags & (CODE_MIXED | CODE_PRIVATE) || address + size > window->start + window->size ||
        (row->kind != CODE_LOAD && piece != size) || (piece != size && row->load_by)) {
        code_refuse(e, address, size);
        return;
    }
    for (unsigned at = 0; at < size && !e->stop; at += piece) {
        uint16_t carried = 0;

        load_piece(e, window, address + at, piece, &carried);
        if (!e->stop)
            give_loaded(e, address + at, carried);
    }
    if (e->stop)
        return;
    error = code_hang(e, e->address_set); /* of a computed address a later store waits */
    if (error)
        code_fail(e, error);
}

/* A register of the mailbox. */
static void read_device(struct code_engine *e, const struct code_device *status, uint64_t address, unsigned size)
{
    int error;

    if (e->trying) {
        code_stop(e, CODE_STOP_LEFT);
        return;
    }
    if (!status)
        e->fault = CODE_FAULT_STATUS; /* it is only written */
    if (!status || e->now->kind != CODE_LOAD || e->now->flags & (CODE_MIXED | CODE_PRIVATE) ||
        size > AMP_GRANULE || address % size) {
        code_refuse(e, address, size);
        return;
    }
    error = code_device_load(e, status, size);
    if (!error)
        error = code_hang(e, e->address_set);
    if (error)
        code_fail(e, error);
    else
        give_loaded(e, address, code_set_of(e, e->loads - 1));
}

void code_on_read(uc_engine *uc, int type, uint64_t address, int bytes, int64_t value, void *user)
{
    struct code_engine *e = user;
    const struct code_row *row = e->now;
    unsigned size = (unsigned)bytes;
    const struct code_window *window;
    const struct code_device *status;
    uint16_t set;
    int error;

    (void)uc;
    (void)type;
    (void)value;
    code_forget_block(e);
    if (e->stop)
        return;
    if (e->accesses++ == 0)
        e->first = address;
    if (code_faults(e, UC_MEM_READ, address, size))
        return;
    window = code_window_at(e, address);
    if (row->kind < CODE_LOAD || row->kind > CODE_EXCLUSIVE_STORE || (!window && code_window_at(e, address + size - 1))) {
        code_refuse(e, address, size); /* its row knows of no access, or it straddles */
        return;
    }
    if (window) {
        read_shared(e, window, address, size);
        return;
    }
    if (code_cuts_register(e, address, size))
        return;
    status = code_device_at(e, address, CODE_STATUS);
    if (status || code_device_at(e, address, CODE_DOORBELL) || code_device_at(e, address, CODE_ACKNOWLEDGE)) {
        read_device(e, status, address, size);
        return;
    }
    code_private_read(e, address, size);
    error = code_hang(e, e->address_set);
    if (error)
        code_fail(e, error);
    if (row->kind == CODE_EXCLUSIVE_LOAD)
        e->monitor.shared = false;
    set = code_join(e, code_shade_of(e, address, size), code_through(e, e->address_set));
    if (row->kind == CODE_ATOMIC) {
        e->atomic_load = 0;
        e->data_set[1] = set;
    }
    if (set && row->flags & CODE_MIXED)
        code_refuse(e, address, size);
    else if (set)
        give_loaded(e, address, set);
}
