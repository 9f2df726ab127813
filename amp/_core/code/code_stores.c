/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * code_stores.c - what an instruction stores: into a shared window, stores of the port; to a device, what its register
 * does; else private memory, of which only is known what it carries.
 */
#include <errno.h>

#include "code_access.h"

unsigned code_stores_by(struct code_engine *e)
{
    return code_at_site(e, e->now->site) == AMP_AS_BUILT ? e->now->store_by : 0;
}

static int store_piece(struct code_engine *e, const struct code_window *window, uint64_t address, unsigned size,
                       uint64_t value, unsigned how, uint16_t address_set, uint16_t value_set, uint32_t pair)
{
    const struct code_set *where = &e->sets[address_set], *what = &e->sets[value_set];
    uint64_t picks[CODE_WORDS];
    struct amp_origin from = {0};
    bool made[3];
    int error;

    for (unsigned i = 0; i < CODE_WORDS; i++)
        picks[i] = (where->picks[i] & ~where->depends[i]) | (what->picks[i] & ~what->depends[i]);
    from.address = code_time(e, where->depends, &made[0]);
    from.value = code_time(e, what->depends, &made[1]);
    from.picked = code_time(e, picks, &made[2]);
    from.pair = pair ? e->time[pair - 1] : 0;
    code_place(e, CODE_AT_STORES, e->pc, size < sizeof value ? value & ((UINT64_C(1) << 8 * size) - 1) : value);
    do
        error = e->port->ops->store(e->port, window->region + (address - window->start), size, value, how, from);
    while (code_again(e, &error));
    if (made[0])
        e->port->ops->drop(e->port, from.address);
    if (made[1])
        e->port->ops->drop(e->port, from.value);
    if (made[2])
        e->port->ops->drop(e->port, from.picked);
    return error ? error : code_hang(e, address_set);
}

static void queue(struct code_engine *e, struct code_queued entry)
{
    if (e->queued == CODE_QUEUE) {
        code_fail(e, -E2BIG);
        return;
    }
    entry.pc = e->pc;
    e->queue[e->queued++] = entry;
    e->stop = CODE_STOP_QUEUED; /* the emulator goes on to the next instruction: stopped here, it would leave this one half done */
}

int code_make_queued(struct code_engine *e)
{
    uint64_t pc = e->pc;
    int error = 0;

    for (unsigned i = 0; i < e->queued && !error; i++) {
        const struct code_queued *q = &e->queue[i];

        e->pc = q->pc;
        if (q->device)
            error = code_device_store(e, q->device);
        else
            error = store_piece(e, code_window_at(e, q->address), q->address, q->size, q->value, q->how, q->address_set,
                                q->value_set, q->pair);
    }
    e->pc = pc;
    e->queued = 0;
    return error;
}

static void write_shared(struct code_engine *e, const struct code_window *window, uint64_t address, unsigned size,
                         uint64_t value)
{
    const struct code_row *row = e->now;
    unsigned piece = code_piece_of(row, address, size);
    uint64_t number = code_number_at(e, address);
    uint16_t set = number < CODE_DATA ? e->data_set[number] : 0;

    if (row->flags & (CODE_MIXED | CODE_PRIVATE) || address + size > window->start + window->size ||
        (piece != size && row->store_by)) {
        code_refuse(e, address, size);
        return;
    }
    for (unsigned at = 0; at < size && !e->stop; at += piece) {
        int error;

        if (e->looking) {
            /* The others of this instruction come behind it, before the emulator has stopped. */
            for (; at < size; at += piece)
                queue(e, (struct code_queued){.address = address + at,
                                              .value = value >> 8 * at,
                                              .size = (uint8_t)piece,
                                              .how = AMP_TOLD | AMP_BY(code_stores_by(e)),
                                              .address_set = e->address_set,
                                              .value_set = set});
            return;
        }
        error = store_piece(e, window, address + at, piece, value >> 8 * at, AMP_TOLD | AMP_BY(code_stores_by(e)),
                            e->address_set, set, 0);
        if (error)
            code_fail(e, error);
    }
}

/* An atomic that has compared does not store. */
static void stay_away(struct code_engine *e)
{
    const struct code_row *row = e->now;
    int error = e->port->ops->unpair ? e->port->ops->unpair(e->port) : 0;

    if (!error && row->flags & CODE_FENCES)
        error = code_barrier(e, row->store_by, row->site);
    if (error)
        code_fail(e, error);
}

static void write_paired(struct code_engine *e, const struct code_window *window, uint64_t address, unsigned size,
                         uint64_t value)
{
    const struct code_row *row = e->now;
    bool built = code_at_site(e, row->site) == AMP_AS_BUILT; /* else it orders nothing any more */
    unsigned how = AMP_TOLD | AMP_PAIRED | AMP_BY(code_stores_by(e)) | (built && row->flags & CODE_WHOLE ? AMP_WHOLE : 0) |
                   (built && row->flags & CODE_BEHIND ? AMP_BEHIND : 0);
    uint32_t pair = row->kind == CODE_ATOMIC ? e->atomic_load : e->monitor.load;
    uint16_t set = e->data_set[0], loaded = pair && row->kind == CODE_ATOMIC ? code_set_of(e, pair - 1) : 0;
    uint64_t mask = size < 8 ? (UINT64_C(1) << 8 * size) - 1 : UINT64_MAX;
    int error = 0;

    if (!pair || address % size || address + size > window->start + window->size) {
        code_refuse(e, address, size);
        return;
    }
    if (row->flags & CODE_COMPARES && (e->atomic_value & mask) != (e->expected & mask)) {
        stay_away(e); /* the emulator writes back what was there */
        return;
    }
    if (row->kind == CODE_EXCLUSIVE_STORE && e->monitor.failed)
        return;
    if (row->flags & CODE_READ_STORED)
        set = code_join(e, set, loaded);
    else if (row->flags & CODE_COMPARES)
        set = code_pick(e, code_pick(e, set, loaded), e->expected_set);
    if (e->looking) { /* its load stands, and is the last of the look */
        queue(e, (struct code_queued){.address = address,
                                      .value = value,
                                      .size = (uint8_t)size,
                                      .how = how,
                                      .pair = pair,
                                      .address_set = e->address_set,
                                      .value_set = set});
        e->same = row->kind == CODE_ATOMIC && !row->block && ((value ^ e->atomic_value) & mask) == 0;
    } else {
        error = store_piece(e, window, address, size, value, how, e->address_set, set, pair);
    }
    if (error)
        code_fail(e, error);
    if (row->flags & CODE_COMPARES && row->data[1] != CODE_NONE) /* the same value, and not from memory */
        code_set_register(e, row->data[1], code_pick(e, e->expected_set, loaded));
}

static bool is_device(const struct code_engine *e, uint64_t address)
{
    return code_device_at(e, address, CODE_DOORBELL) || code_device_at(e, address, CODE_ACKNOWLEDGE) ||
           code_device_at(e, address, CODE_DRAIN);
}

static bool may_write(const struct code_row *row)
{
    return row->kind == CODE_STORE || row->kind == CODE_ATOMIC || row->kind == CODE_EXCLUSIVE_STORE;
}

void code_on_write(uc_engine *uc, int type, uint64_t address, int bytes, int64_t value, void *user)
{
    struct code_engine *e = user;
    const struct code_row *row = e->now;
    unsigned size = (unsigned)bytes;
    uint64_t number;
    struct code_window *window;
    const struct code_device *device;
    uint16_t set;
    int error = 0;

    (void)uc;
    (void)type;
    code_forget_block(e);
    if (e->stop && e->stop != CODE_STOP_QUEUED) {
        code_private_write(e, address, size, 0); /* its page is to be restored */
        return;
    }
    if (e->accesses++ == 0)
        e->first = address;
    if (code_faults(e, UC_MEM_WRITE, address, size))
        return;
    window = code_window_at(e, address);
    if (!may_write(row) || (!window && code_window_at(e, address + size - 1))) {
        code_refuse(e, address, size);
        return;
    }
    if (e->trying && (window || is_device(e, address))) {
        code_stop(e, CODE_STOP_LEFT);
        return;
    }
    if (window) {
        if (row->kind == CODE_STORE)
            write_shared(e, window, address, size, (uint64_t)value);
        else
            write_paired(e, window, address, size, (uint64_t)value);
        return;
    }
    if (code_cuts_register(e, address, size))
        return;
    number = code_number_at(e, address);
    set = number < CODE_DATA ? e->data_set[number] : 0;
    if (row->flags & CODE_MIXED) /* behind what is written back, if that is */
        set = code_gather(e, &row->flow[row->flow[1].from.bit[0] | row->flow[1].from.bit[1] ? 1 : 0].from);
    if (row->kind == CODE_ATOMIC)
        set = code_join(e, set, e->data_set[1]);
    if (row->kind == CODE_ATOMIC && row->flags & CODE_FENCES)
        error = code_barrier(e, row->store_by, row->site);
    if (set && row->flags & CODE_MIXED)
        code_refuse(e, address, size);
    device = code_device_at(e, address, CODE_DOORBELL);
    if (!device)
        device = code_device_at(e, address, CODE_ACKNOWLEDGE);
    if (device && e->looking)
        queue(e, (struct code_queued){.device = device});
    else if (device && !error)
        error = code_device_store(e, device);
    else if (!error && code_device_at(e, address, CODE_DRAIN))
        error = code_drain(e);
    else if (!error)
        error = code_hang(e, e->address_set);
    if (!error)
        error = code_private_write(e, address, size, code_join(e, set, e->address_set));
    if (error)
        code_fail(e, error);
}
