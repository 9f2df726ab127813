/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * code_memory.c - a part's private memory: where it is, what was written, what its bytes come from, and how a look's
 * writes are undone.
 */
#include <errno.h>
#include <string.h>

#include "code.h"

struct code_segment *code_segment_at(struct code_engine *e, uint64_t address)
{
    struct code_segment *last = &e->segment[e->last_segment];

    if (address - last->start < last->size)
        return last;
    for (unsigned i = 0; i < e->segments; i++)
        if (address - e->segment[i].start < e->segment[i].size) {
            e->last_segment = i;
            return &e->segment[i];
        }
    return NULL;
}

struct code_window *code_window_at(struct code_engine *e, uint64_t address)
{
    for (unsigned i = 0; i < e->windows; i++)
        if (address - e->window[i].start < e->window[i].size)
            return &e->window[i];
    return NULL;
}

const struct code_row *code_row_at(struct code_engine *e, uint64_t address)
{
    const struct code_segment *segment = code_segment_at(e, address);

    if (!segment || !segment->index || address & ((UINT64_C(1) << e->shift) - 1))
        return NULL;
    return &e->row[segment->index[(address - segment->start) >> e->shift]];
}

void code_memory_begin(struct code_engine *e)
{
    for (unsigned i = 0; i < e->segments; i++) {
        struct code_segment *segment = &e->segment[i];

        if (!segment->dirty)
            continue;
        for (uint64_t page = 0; page < segment->size / CODE_PAGE; page++)
            if (segment->dirty[page]) {
                memcpy(segment->host + page * CODE_PAGE, segment->pristine + page * CODE_PAGE, CODE_PAGE);
                segment->dirty[page] = 0;
            }
    }
    for (unsigned i = 0; i < e->shades; i++)
        e->shade[e->shaded[i]].granule = 0;
    e->shades = 0;
    e->undos = e->queued = 0;
}

/* --- what the bytes come from --------------------------------------------------------------------------------------- */

static struct code_shade *shade_at(struct code_engine *e, uint64_t granule, bool make)
{
    uint64_t place = (granule * UINT64_C(0x9e3779b97f4a7c15)) >> 51;

    for (place &= CODE_SHADES - 1; e->shade[place].granule; place = (place + 1) & (CODE_SHADES - 1))
        if (e->shade[place].granule == granule + 1)
            return &e->shade[place];
    if (!make || e->shades == CODE_SHADES / 2)
        return NULL;
    e->shaded[e->shades++] = (uint16_t)place;
    e->shade[place].granule = granule + 1;
    memset(e->shade[place].set, 0, sizeof e->shade[place].set);
    return &e->shade[place];
}

static uint16_t byte_shade(struct code_engine *e, uint64_t address)
{
    const struct code_shade *shade = e->shades ? shade_at(e, address / 8, false) : NULL;

    return shade ? shade->set[address % 8] : 0;
}

uint16_t code_shade_of(struct code_engine *e, uint64_t address, unsigned size)
{
    uint16_t set = 0;

    for (unsigned i = 0; e->shades && i < size; i++)
        set = code_join(e, set, byte_shade(e, address + i));
    return set;
}

static int put_shade(struct code_engine *e, uint64_t address, unsigned size, uint16_t set)
{
    for (unsigned i = 0; i < size; i++) {
        struct code_shade *shade = shade_at(e, (address + i) / 8, set != 0);

        if (!shade && set)
            return -E2BIG;
        if (shade)
            shade->set[(address + i) % 8] = set;
    }
    return 0;
}

/* --- writes --------------------------------------------------------------------------------------------------------- */

static bool was_read(const struct code_engine *e, uint64_t address, unsigned size)
{
    for (unsigned i = 0; i < e->seen_used; i++)
        if (address < e->seen[i].address + e->seen[i].size && e->seen[i].address < address + size)
            return true;
    return false;
}

static int keep(struct code_engine *e, const struct code_segment *segment, uint64_t address, unsigned size)
{
    struct code_undo *undo = &e->undo[e->undos];

    if (e->undos == CODE_UNDO)
        return -E2BIG;
    e->undos++;
    *undo = (struct code_undo){.address = address, .size = (uint8_t)size};
    memcpy(undo->old, segment->host + (address - segment->start), size);
    for (unsigned i = 0; i < size; i++)
        undo->old_set[i] = byte_shade(e, address + i);
    undo->fresh = e->straight && e->seen_used < 32 && !e->address_set && !was_read(e, address, size);
    return 0;
}

int code_private_write(struct code_engine *e, uint64_t address, unsigned size, uint16_t set)
{
    while (size) {
        struct code_segment *segment = code_segment_at(e, address);
        unsigned part = size > 8 ? 8 : size;
        int error;

        if (!segment || !segment->dirty)
            return 0; /* the emulator finds that out */
        if (address + part > segment->start + segment->size)
            part = (unsigned)(segment->start + segment->size - address);
        error = e->looking ? keep(e, segment, address, part) : 0;
        for (uint64_t at = address; !error && segment->index && at < address + part; at++) {
            uint64_t unit = (at - segment->start) >> e->shift;

            if (segment->index[unit]) { /* code that has been executed is written over */
                e->fault = CODE_FAULT_MODIFIED;
                e->fault_address = address;
                code_stop(e, CODE_STOP_REFUSED);
            }
        }
        segment->dirty[(address - segment->start) / CODE_PAGE] = 1;
        segment->dirty[(address + part - 1 - segment->start) / CODE_PAGE] = 1;
        if (!error && (set || e->shades))
            error = put_shade(e, address, part, set);
        if (error)
            return error;
        address += part;
        size -= part;
    }
    return 0;
}

/* Below the stack pointer are the frames of functions that have returned. A stack of the code's own may be anywhere. */
static bool is_dead(const struct code_engine *e, uint64_t address, uint64_t stack)
{
    return stack - e->stack_start <= e->stack_size && address >= e->stack_start && address + e->red_zone < stack;
}

void code_private_read(struct code_engine *e, uint64_t address, unsigned size)
{
    if (address - e->stack_start < e->stack_size && is_dead(e, address, code_register(e, (unsigned)e->stack_slot))) {
        e->fault = CODE_FAULT_BELOW; /* a look in vain may have left something there */
        e->fault_address = address;
        code_stop(e, CODE_STOP_REFUSED);
    }
    if (e->address_set)
        e->straight = false; /* in the next round it may read another place, even one written in this */
    if (!e->looking || !e->straight)
        return;
    for (unsigned i = 0; i < e->undos; i++) /* of what this look has written itself nothing comes from before it */
        if (e->undo[i].fresh && e->undo[i].address <= address &&
            address + size <= e->undo[i].address + e->undo[i].size)
            return;
    if (e->seen_used < 32) {
        e->seen[e->seen_used].address = address;
        e->seen[e->seen_used++].size = size;
    }
}

/* Is the byte part of an earlier write of this look? What was there before that one counts. */
static bool is_again(const struct code_engine *e, unsigned number, uint64_t address)
{
    for (unsigned i = 0; i < number; i++)
        if (address - e->undo[i].address < e->undo[i].size)
            return true;
    return false;
}

bool code_memory_changed(const struct code_engine *engine)
{
    struct code_engine *e = (struct code_engine *)engine; /* finding a segment remembers it */
    uint64_t stack = code_register(e, (unsigned)e->stack_slot);

    for (unsigned i = 0; i < e->undos; i++) {
        const struct code_undo *undo = &e->undo[i];
        const struct code_segment *segment = code_segment_at(e, undo->address);

        for (unsigned byte = 0; !undo->fresh && byte < undo->size; byte++) {
            uint64_t at = undo->address + byte;

            if (is_dead(e, at, stack) || is_again(e, i, at))
                continue;
            if (segment->host[at - segment->start] != undo->old[byte] || byte_shade(e, at) != undo->old_set[byte])
                return true;
        }
    }
    return false;
}

void code_memory_undo(struct code_engine *e, unsigned from)
{
    while (e->undos > from) {
        const struct code_undo *undo = &e->undo[--e->undos];
        const struct code_segment *segment = code_segment_at(e, undo->address);

        memcpy(segment->host + (undo->address - segment->start), undo->old, undo->size);
        for (unsigned i = 0; i < undo->size; i++)
            put_shade(e, undo->address + i, 1, undo->old_set[i]);
    }
}
