/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * code_loops.c - loops: which of them wait. A look goes once round, from the loop's head. In vain is one that comes back to
 * the head and finds everything as it was: the registers, the private memory, and what they carry. A register that nobody
 * reads any more does not count; nor does memory below the stack pointer, nor such as is written before it is read, ahead of
 * any branch: it is written anew whichever way the next round goes.
 */
#include <errno.h>
#include <string.h>

#include "code.h"

#define ALWAYS_LOOKED 4 /* rounds of a loop; of the later ones those whose number is a power of two */

static bool is_due(uint32_t round)
{
    return round < ALWAYS_LOOKED || (round & (round - 1)) == 0;
}

bool code_at_head(struct code_engine *e, const struct code_row *row)
{
    struct code_head *head = &e->head[row->loop];
    bool around = e->before > e->pc && e->before <= row->loop_end && head->run == e->run;

    if (e->looking && e->pc == e->head_at) {
        code_stop(e, CODE_STOP_AROUND);
        return true;
    }
    head->rounds = around ? head->rounds + 1 : 0;
    head->run = e->run;
    if (head->rounds > e->max_loop && !e->port->seat->endless) {
        code_stop(e, CODE_STOP_LOOP);
        return true;
    }
    if (e->looking && head->spins) { /* a loop that waits, inside of another: it gets looks of its own */
        code_stop(e, CODE_STOP_LEFT);
        return true;
    }
    if (e->looking || !(row->flags & CODE_LOOKS) || !is_due(head->rounds))
        return false;
    code_stop(e, CODE_STOP_HEAD);
    return true;
}

static void save(struct code_engine *e)
{
    struct code_saved *saved = &e->saved;

    code_read_registers(e, saved->value);
    memcpy(saved->set, e->set, sizeof saved->set);
    saved->tainted = e->tainted;
    saved->forgotten = e->forgotten;
    memcpy(saved->controlled, e->controlled, sizeof saved->controlled);
    saved->pc = e->pc;
    saved->loads = e->loads;
    saved->sets_used = e->sets_used;
    saved->monitor = e->monitor;
    saved->settled = e->settled;
    memcpy(saved->places, e->places, sizeof saved->places);
}

/* An exploration undoes them; the running machine counts them as it does all. */
void code_look_in_vain(struct code_engine *e, const uint32_t places[3])
{
    if (e->port->ops->choose)
        memcpy(e->places, places, sizeof e->places);
}

static void restore(struct code_engine *e)
{
    const struct code_saved *saved = &e->saved;

    code_write_registers(e, e->saved.value);
    code_memory_undo(e);
    memcpy(e->set, saved->set, sizeof e->set);
    e->tainted = saved->tainted;
    e->forgotten = saved->forgotten;
    memcpy(e->controlled, saved->controlled, sizeof e->controlled);
    e->pc = saved->pc;
    for (uint32_t i = saved->loads; i < e->loads; i++)
        if (e->held[i]) {
            e->port->ops->drop(e->port, e->time[i]);
            e->held[i] = false;
            e->holding--;
        }
    e->loads = saved->loads;
    e->sets_used = saved->sets_used;
    e->epoch++; /* sets were made anew */
    e->monitor = saved->monitor;
    e->settled = saved->settled;
    code_look_in_vain(e, saved->places);
    e->address_set = 0;
    memset(e->data_set, 0, sizeof e->data_set);
    e->queued = 0;
    e->looking = false;
}

static bool changed(const struct code_engine *e)
{
    const struct code_mask *dead = &code_row_at((struct code_engine *)e, e->head_at)->dead;
    uint8_t now[CODE_SLOTS][16];

    code_read_registers(e, now);
    for (unsigned slot = 0; slot < e->registers; slot++)
        if (!code_has(dead, slot) &&
            (memcmp(now[slot], e->saved.value[slot], 16) != 0 || e->set[slot] != e->saved.set[slot]))
            return true;
    return code_memory_changed(e);
}

/* What is dead at the head may be what a round in vain has left there. That nobody reads it is checked from now on. */
static void forget(struct code_engine *e)
{
    const struct code_mask *dead = &code_row_at(e, e->pc)->dead;

    e->forgotten.bit[0] |= dead->bit[0];
    e->forgotten.bit[1] |= dead->bit[1];
    e->forgotten_at = e->pc;
}

/* Of amp_poll(): one round. */
static int look(void *engine)
{
    struct code_engine *e = engine;

    forget(e);
    save(e);
    e->looking = true;
    e->head_at = e->pc;
    e->loop_end = code_row_at(e, e->pc)->loop_end;
    e->called_from = 0;
    e->straight = true;
    e->seen_used = e->looked = e->undos = e->queued = 0;
    e->resumed = true;
    code_emulate(e);
    e->ended = e->stop;
    if (e->stop == CODE_STOP_ERROR && (e->error == -ENODATA || e->error == -ECANCELED)) {
        restore(e);
        amp_give_up(e->port, e->error, "%s", ""); /* the look was not made: its caller says what comes next */
    }
    if (e->stop == CODE_STOP_AROUND && e->looked && !changed(e)) {
        restore(e);
        return 0;
    }
    e->looking = false;
    return 1;
}

int code_look_at_loop(struct code_engine *e)
{
    int found = 0, error;

    error = e->port->ops->poll(e->port, look, e, 0, &found);
    e->looking = false;
    return error;
}
