/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * code_access.c - what an instruction's accesses to memory are: of a shared window, accesses of the port; else private
 * ones, of which only is known what they carry. The emulator tells each access before it makes it; what a load of shared
 * memory returns is put where the emulator will read it.
 *
 * An access happens at once as far as the architecture says so: one that is aligned, up to the row's `atom`. Any other is
 * made byte by byte.
 */
#include <errno.h>
#include <string.h>

#include "code.h"

static void fail(struct code_engine *e, int error)
{
    e->error = error;
    code_stop(e, CODE_STOP_ERROR);
}

static void refuse(struct code_engine *e, uint64_t address, unsigned size)
{
    e->fault_address = address;
    e->fault_size = size;
    code_stop(e, CODE_STOP_REFUSED);
}

/* An access that its row wants aligned, and that is not: true, and the part ends with a finding. */
static bool faults(struct code_engine *e, unsigned type, uint64_t address, unsigned size)
{
    const struct code_row *row = e->now;

    if (!(row->flags & CODE_ALIGNED) || !row->atom || address % row->atom == 0)
        return false;
    e->fault = CODE_FAULT_UNALIGNED;
    e->fault_address = address;
    e->fault_size = size;
    e->fault_type = type;
    code_stop(e, CODE_STOP_FAULT);
    return true;
}

/* The call came to an end: is it to be made again? */
bool code_again(const struct code_engine *e, int *error)
{
    struct amp_seat *seat = e->port->seat;

    if (*error != -EINTR)
        return false;
    *error = seat->signalled ? seat->signalled(seat) : 0;
    return *error == 0;
}

void code_place(struct code_engine *e, unsigned kind, uint64_t pc, uint64_t value)
{
    uint32_t before = e->places[0] + e->places[1] + e->places[2], number = e->places[kind]++;

    if (kind != CODE_AT_BARRIERS)
        e->settled.drained = 0; /* an access that no barrier has waited for */
    if (!e->place[kind] || number >= e->places_room)
        return;
    e->place[kind][number] = (struct code_kept){.pc = pc, .value = value, .before = before};
    for (unsigned slot = 0; number < CODE_KEPT_REGISTERS && slot < e->general; slot++)
        e->registers_at[kind][number * e->general + slot] = e->register_id[slot] < 0 ? 0 : code_register(e, slot);
}

/* The load that was placed last: it has this value. */
static void place_value(struct code_engine *e, uint64_t value)
{
    if (e->place[0] && e->places[0] <= e->places_room)
        e->place[0][e->places[0] - 1].value = value;
}

/* By which primitive the instruction's load is ordered; 0: it is a plain one, or has been made one. */
static unsigned loads_by(struct code_engine *e)
{
    return code_at_site(e, e->now->site) == AMP_AS_BUILT ? e->now->load_by : 0;
}

static unsigned stores_by(struct code_engine *e)
{
    return code_at_site(e, e->now->site) == AMP_AS_BUILT ? e->now->store_by : 0;
}

/* Which of the row's registers has the bytes at `address`; CODE_NONE: none is followed. */
static unsigned register_at(const struct code_engine *e, uint64_t address)
{
    const struct code_row *row = e->now;
    uint64_t number = row->element ? (address - e->first) / row->element : 0;

    return number < sizeof row->data ? row->data[number] : CODE_NONE;
}

static unsigned piece_of(const struct code_row *row, uint64_t address, unsigned size)
{
    unsigned piece = row->atom && row->atom < size ? row->atom : size;

    return address % piece || piece > AMP_GRANULE ? 1 : piece;
}

/* Of a load that a store may belong to: so it is, and how that store will be. */
static unsigned paired_by(struct code_engine *e)
{
    const struct code_row *row = e->now;

    if (row->kind != CODE_ATOMIC && row->kind != CODE_EXCLUSIVE_LOAD)
        return 0;
    return AMP_PAIRED | (row->flags & CODE_WHOLE ? AMP_WHOLE_BY(stores_by(e)) : 0);
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
        fail(e, -E2BIG);
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
        fail(e, error);
        return;
    }
    memcpy(window->host + (address - window->start), &word.value, size);
    place_value(e, word.value);
    number = e->loads++;
    e->looked++;
    e->time[number] = word.time;
    e->held[number] = word.time != 0;
    e->holding += e->held[number];
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
    uint64_t value = e->monitor.failed ? ~e->monitor.value : e->monitor.value;

    memcpy(window->host + (address - window->start), &value, size);
}

static void read_shared(struct code_engine *e, const struct code_window *window, uint64_t address, unsigned size)
{
    const struct code_row *row = e->now;
    unsigned piece = piece_of(row, address, size);
    uint16_t carried = 0;
    unsigned slot = row->kind == CODE_ATOMIC ? row->data[1] : register_at(e, address);
    int error;

    if (row->kind == CODE_EXCLUSIVE_STORE) {
        answer_exclusive(e, window, address, size);
        return;
    }
    if (row->flags & (CODE_MIXED | CODE_PRIVATE) || address + size > window->start + window->size ||
        (row->kind != CODE_LOAD && piece != size) || (piece != size && row->load_by)) {
        refuse(e, address, size);
        return;
    }
    for (unsigned at = 0; at < size && !e->stop; at += piece)
        load_piece(e, window, address + at, piece, &carried);
    if (e->stop)
        return;
    error = code_hang(e, e->address_set); /* of a computed address a later store waits */
    if (error)
        fail(e, error);
    if (slot != CODE_NONE)
        code_set_register(e, slot, code_join(e, e->set[slot], carried));
}

static uint32_t mailbox_at(const struct code_engine *e, uint64_t address, bool *is)
{
    for (unsigned i = 0; i < e->mailboxes; i++)
        if (e->mailbox[i].address == address) {
            *is = true;
            return e->mailbox[i].target;
        }
    return 0;
}

void code_on_read(uc_engine *uc, int type, uint64_t address, int bytes, int64_t value, void *user)
{
    struct code_engine *e = user;
    const struct code_row *row = e->now;
    unsigned size = (unsigned)bytes, slot;
    const struct code_window *window;
    bool is_mailbox = false;
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
    if (faults(e, UC_MEM_READ, address, size))
        return;
    window = code_window_at(e, address);
    if (row->kind < CODE_LOAD || row->kind > CODE_EXCLUSIVE_STORE || (!window && code_window_at(e, address + size - 1))) {
        refuse(e, address, size); /* its row knows of no access, or it straddles */
        return;
    }
    if (window) {
        read_shared(e, window, address, size);
        return;
    }
    mailbox_at(e, address, &is_mailbox);
    if (is_mailbox) { /* whether its doorbell has rung nobody could say: no engine has such a load */
        e->fault = CODE_FAULT_STATUS;
        refuse(e, address, size);
        return;
    }
    code_private_read(e, address, size);
    error = code_hang(e, e->address_set);
    if (error)
        fail(e, error);
    if (row->kind == CODE_EXCLUSIVE_LOAD)
        e->monitor.shared = false;
    set = code_join(e, code_shade_of(e, address, size), code_through(e, e->address_set));
    slot = row->kind == CODE_ATOMIC ? row->data[1] : register_at(e, address);
    if (row->kind == CODE_ATOMIC) {
        e->atomic_load = 0;
        e->data_set[1] = set;
    }
    if (set && row->flags & CODE_MIXED)
        refuse(e, address, size);
    else if (set && slot != CODE_NONE)
        code_set_register(e, slot, code_join(e, e->set[slot], set));
}

/* --- stores --------------------------------------------------------------------------------------------------------- */

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

static int kick(struct code_engine *e, uint64_t target)
{
    int error;

    code_place(e, CODE_AT_STORES, e->pc, target);
    do
        error = e->port->ops->kick(e->port, (unsigned)target);
    while (code_again(e, &error));
    return error;
}

static void queue(struct code_engine *e, struct code_queued entry)
{
    if (e->queued == CODE_QUEUE) {
        fail(e, -E2BIG);
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
        if (q->kick)
            error = kick(e, q->value);
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
    unsigned piece = piece_of(row, address, size);
    uint64_t number = row->element ? (address - e->first) / row->element : 0;
    uint16_t set = number < CODE_DATA ? e->data_set[number] : 0;

    if (row->flags & (CODE_MIXED | CODE_PRIVATE) || address + size > window->start + window->size ||
        (piece != size && row->store_by)) {
        refuse(e, address, size);
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
                                              .how = AMP_TOLD | AMP_BY(stores_by(e)),
                                              .address_set = e->address_set,
                                              .value_set = set});
            return;
        }
        error = store_piece(e, window, address + at, piece, value >> 8 * at, AMP_TOLD | AMP_BY(stores_by(e)),
                            e->address_set, set, 0);
        if (error)
            fail(e, error);
    }
}

static void write_paired(struct code_engine *e, const struct code_window *window, uint64_t address, unsigned size,
                         uint64_t value)
{
    const struct code_row *row = e->now;
    bool built = code_at_site(e, row->site) == AMP_AS_BUILT; /* else it orders nothing any more */
    unsigned how = AMP_TOLD | AMP_PAIRED | AMP_BY(stores_by(e)) | (built && row->flags & CODE_WHOLE ? AMP_WHOLE : 0) |
                   (built && row->flags & CODE_BEHIND ? AMP_BEHIND : 0);
    uint32_t pair = row->kind == CODE_ATOMIC ? e->atomic_load : e->monitor.load;
    uint16_t set = e->data_set[0], loaded = pair && row->kind == CODE_ATOMIC ? code_set_of(e, pair - 1) : 0;
    uint64_t mask = size < 8 ? (UINT64_C(1) << 8 * size) - 1 : UINT64_MAX;
    int error = 0;

    if (!pair || address % size || address + size > window->start + window->size) {
        refuse(e, address, size);
        return;
    }
    if (row->flags & CODE_COMPARES && (e->atomic_value & mask) != (e->expected & mask))
        goto fence; /* it does not store; the emulator writes back what was there */
    if (row->kind == CODE_EXCLUSIVE_STORE && e->monitor.failed)
        return;
    if (row->flags & CODE_READ_STORED)
        set = code_join(e, set, loaded);
    else if (row->flags & CODE_COMPARES)
        set = code_pick(e, code_pick(e, set, loaded), e->expected_set);
    if (e->looking) /* its load stands, and is the last of the look */
        queue(e, (struct code_queued){.address = address,
                                      .value = value,
                                      .size = (uint8_t)size,
                                      .how = how,
                                      .pair = pair,
                                      .address_set = e->address_set,
                                      .value_set = set});
    else
        error = store_piece(e, window, address, size, value, how, e->address_set, set, pair);
    if (error)
        fail(e, error);
    if (row->flags & CODE_COMPARES && row->data[1] != CODE_NONE) /* the same value, and not from memory */
        code_set_register(e, row->data[1], code_pick(e, e->expected_set, loaded));
    return;
fence:
    error = row->flags & CODE_FENCES ? code_barrier(e, row->store_by, row->site) : 0;
    if (error)
        fail(e, error);
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
    bool is_mailbox = false;
    uint32_t target;
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
    if (faults(e, UC_MEM_WRITE, address, size))
        return;
    window = code_window_at(e, address);
    if (!may_write(row) || (!window && code_window_at(e, address + size - 1))) {
        refuse(e, address, size);
        return;
    }
    if (window) {
        if (row->kind == CODE_STORE)
            write_shared(e, window, address, size, (uint64_t)value);
        else
            write_paired(e, window, address, size, (uint64_t)value);
        return;
    }
    number = row->element ? (address - e->first) / row->element : 0;
    set = number < CODE_DATA ? e->data_set[number] : 0;
    if (row->kind == CODE_ATOMIC)
        set = code_join(e, set, e->data_set[1]);
    if (row->kind == CODE_ATOMIC && row->flags & CODE_FENCES)
        error = code_barrier(e, row->store_by, row->site);
    if (set && row->flags & CODE_MIXED)
        refuse(e, address, size);
    target = mailbox_at(e, address, &is_mailbox);
    if (is_mailbox && e->looking)
        queue(e, (struct code_queued){.value = target, .kick = true});
    else if (is_mailbox && !error)
        error = kick(e, target);
    else if (!error && code_is_drain(e, address))
        error = code_drain(e);
    else if (!error)
        error = code_hang(e, e->address_set);
    if (!error)
        error = code_private_write(e, address, size, code_join(e, set, e->address_set));
    if (error)
        fail(e, error);
}
