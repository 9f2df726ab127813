/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * code_access.c - what an instruction's loads and stores have in common. Of a shared window they are accesses of the port;
 * else private ones, of which only is known what they carry. The emulator tells each access before it makes it; what a load
 * of shared memory returns is put where the emulator will read it.
 *
 * An access happens at once as far as the architecture says so: one that is aligned, up to the row's `atom`. Any other is
 * made byte by byte.
 */
#include <errno.h>
#include <string.h>

#include "code_access.h"

void code_fail(struct code_engine *e, int error)
{
    e->error = error;
    code_stop(e, CODE_STOP_ERROR);
}

void code_refuse(struct code_engine *e, uint64_t address, unsigned size)
{
    e->fault_address = address;
    e->fault_size = size;
    if (e->stop == CODE_STOP_QUEUED)
        e->stop = CODE_RUNNING; /* an earlier store of the instruction was to end a look: this counts for more */
    code_stop(e, CODE_STOP_REFUSED);
}

bool code_faults(struct code_engine *e, unsigned type, uint64_t address, unsigned size)
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

uint64_t code_number_at(const struct code_engine *e, uint64_t address)
{
    return e->now->element ? (address - e->first) / e->now->element : 0;
}

unsigned code_piece_of(const struct code_row *row, uint64_t address, unsigned size)
{
    unsigned piece = row->atom && row->atom < size ? row->atom : size;

    return address % piece || piece > AMP_GRANULE ? 1 : piece;
}

uint32_t code_loaded(struct code_engine *e, struct amp_word word)
{
    uint32_t number = e->loads++;

    if (e->place[0] && e->places[0] <= e->places_room)
        e->place[0][e->places[0] - 1].value = word.value;
    e->looked++;
    e->time[number] = word.time;
    e->held[number] = word.time != 0 && e->port->ops->choose; /* else nobody keeps anything of it */
    e->holding += e->held[number];
    return number;
}
