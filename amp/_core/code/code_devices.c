/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * code_devices.c - registers of devices that the code knows by their addresses: a doorbell that it rings, the status of its
 * own mailbox, where it acknowledges what has rung there, and an outer cache's that is drained (code_barrier.c).
 */
#include <errno.h>
#include <string.h>

#include "code_access.h"

const struct code_device *code_device_at(const struct code_engine *e, uint64_t address, enum code_device_kind kind)
{
    for (unsigned i = 0; i < e->devices; i++)
        if (e->device[i].address == address && e->device[i].kind == kind)
            return &e->device[i];
    return NULL;
}

/* Bytes of a register, if the access that begins there is no wider: wider than a word only where its value is. */
static unsigned width_of(const struct code_device *device)
{
    return device->kind == CODE_STATUS && device->value >> 32 ? 8 : 4;
}

/* Registers may lie closer together than they are wide: what begins at one of them is an access of that one. */
bool code_cuts_register(struct code_engine *e, uint64_t address, unsigned size)
{
    const struct code_device *cut = NULL;

    for (unsigned i = 0; i < e->devices; i++) {
        const struct code_device *device = &e->device[i];

        if (device->address > address && device->address - address < size) {
            cut = device;
            break;
        }
        if (device->address < address && address - device->address < width_of(device))
            cut = device;
    }
    if (!cut)
        return false;
    for (unsigned i = 0; i < e->devices && cut->address < address; i++)
        if (e->device[i].address == address)
            return false;
    e->fault = CODE_FAULT_REGISTER;
    e->fault_register = cut->address;
    code_refuse(e, address, size);
    return true;
}

bool code_has_device(const struct code_engine *e, enum code_device_kind kind)
{
    for (unsigned i = 0; i < e->devices; i++)
        if (e->device[i].kind == kind)
            return true;
    return false;
}

static int load_status(struct code_engine *e, struct amp_word *word)
{
    bool made;
    uint64_t after;
    int error;

    code_drop_dead(e);
    if (e->loads == CODE_LOADS)
        return -E2BIG;
    after = code_time(e, e->sets[e->address_set].depends, &made);
    code_place(e, CODE_AT_LOADS, e->pc, 0);
    do
        error = e->port->ops->status(e->port, AMP_TOLD, after, word);
    while (code_again(e, &error));
    if (made)
        e->port->ops->drop(e->port, after);
    return error;
}

int code_device_load(struct code_engine *e, const struct code_device *status, unsigned size)
{
    struct code_segment *segment = code_segment_at(e, status->address);
    struct amp_word word = {0};
    int error = load_status(e, &word);

    if (error)
        return error;
    word.value = word.value ? status->value : 0;
    memcpy(segment->host + (status->address - segment->start), &word.value, size);
    if (segment->dirty)
        segment->dirty[(status->address - segment->start) / CODE_PAGE] = 1; /* the next run begins without it */
    code_loaded(e, word);
    return 0;
}

int code_device_store(struct code_engine *e, const struct code_device *device)
{
    int error;

    code_place(e, CODE_AT_STORES, e->pc, device->value);
    do
        error = device->kind == CODE_DOORBELL ? e->port->ops->kick(e->port, (unsigned)device->value)
                                              : e->port->ops->acknowledge(e->port);
    while (code_again(e, &error));
    return error;
}

/* Of amp_poll(): has the doorbell rung? It stays there. */
static int is_rung(void *engine)
{
    struct code_engine *e = engine;
    uint32_t places[3];
    struct amp_word word = {0};
    int error;

    memcpy(places, e->places, sizeof places);
    error = load_status(e, &word);
    if (error) {
        memcpy(e->places, places, sizeof places);
        amp_give_up(e->port, error, "%s", "");
    }
    if (word.time)
        e->port->ops->drop(e->port, word.time); /* nothing comes of it but that the code goes on */
    if (!word.value)
        code_look_in_vain(e, places);
    return word.value != 0;
}

void code_sleep(struct code_engine *e)
{
    if (code_has_device(e, CODE_STATUS))
        amp_poll(e->port, is_rung, e, 0);
    else
        amp_wait(e->port, -1);
}
