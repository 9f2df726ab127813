/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * code_loops.c - loops: which of them wait. A look goes once round, from the loop's head. In vain is one that comes back to
 * the head and finds everything as it was: the registers, the private memory, and what they carry. A register that nobody
 * reads any more does not count; nor does memory below the stack pointer, nor such as is written before it is read, ahead of
 * any branch: it is written anew whichever way the next round goes.
 *
 * An attempt in vain may end in a store: an exchange takes a lock that is taken, and leaves there what was there. Such a
 * round counts as never made as well. Every execution that has it is one without it, too: nobody reads another value, the
 * write stands right behind the one that it has read, whose place it leaves to that; and what the attempt orders, it only
 * adds. One without it is one in which the loop came a little later. So behind a look's last access, if that is such a
 * store, it is tried whether nothing else comes of it; where something may, the store is made. A store-exclusive may fail
 * as well: both ways are tried.
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
    if (e->trying && e->pc == e->monitor.pc) {
        code_stop(e, CODE_STOP_RETRIED);
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

static void save(const struct code_engine *e, struct code_saved *saved)
{
    memcpy(saved->set, e->set, sizeof saved->set);
    saved->tainted = e->tainted;
    saved->forgotten = e->forgotten;
    memcpy(saved->controlled, e->controlled, sizeof saved->controlled);
    saved->pc = e->pc;
    saved->before = e->before;
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

static void take_back(struct code_engine *e, const struct code_saved *saved)
{
    memcpy(e->set, saved->set, sizeof e->set);
    e->tainted = saved->tainted;
    e->forgotten = saved->forgotten;
    memcpy(e->controlled, saved->controlled, sizeof e->controlled);
    e->pc = saved->pc;
    e->sets_used = saved->sets_used;
    e->epoch++; /* sets were made anew */
    e->monitor = saved->monitor;
    e->settled = saved->settled;
}

static void restore(struct code_engine *e)
{
    const struct code_saved *saved = &e->saved;

    code_write_registers(e, e->saved.value);
    code_memory_undo(e, 0);
    take_back(e, saved);
    for (uint32_t i = saved->loads; i < e->loads; i++)
        if (e->held[i]) {
            e->port->ops->drop(e->port, e->time[i]);
            e->held[i] = false;
            e->holding--;
        }
    e->loads = saved->loads;
    code_look_in_vain(e, saved->places);
    e->address_set = 0;
    memset(e->data_set, 0, sizeof e->data_set);
    e->queued = 0;
    e->looking = false;
}

/* Is anything in the registers that somebody reads, here at a head, otherwise than it was? */
static bool differ(struct code_engine *e, uint8_t was[CODE_SLOTS][16], const uint16_t set[CODE_SLOTS])
{
    const struct code_mask *dead = &code_row_at(e, e->pc)->dead;
    uint8_t now[CODE_SLOTS][16];

    code_read_registers(e, now);
    for (unsigned slot = 0; slot < e->registers; slot++)
        if (!code_has(dead, slot) && (memcmp(now[slot], was[slot], 16) != 0 || e->set[slot] != set[slot]))
            return true;
    return false;
}

static bool changed(struct code_engine *e)
{
    return differ(e, e->saved.value, e->saved.set) || code_memory_changed(e);
}

/* What is dead at the head may be what a round in vain has left there. That nobody reads it is checked from now on. */
static void forget(struct code_engine *e)
{
    const struct code_mask *dead = &code_row_at(e, e->pc)->dead;

    e->forgotten.bit[0] |= dead->bit[0];
    e->forgotten.bit[1] |= dead->bit[1];
    e->forgotten_at = e->pc;
}

bool code_stores_same(const struct code_engine *e, const struct code_row *row)
{
    uint64_t mask = row->element < 8 ? (UINT64_C(1) << 8 * row->element) - 1 : UINT64_MAX, value;

    if (row->kind != CODE_EXCLUSIVE_STORE || row->flags & CODE_CONDITIONAL || !e->monitor.load || !e->monitor.shared ||
        e->monitor.size != row->element)
        return false;
    value = row->data[0] == CODE_NONE ? 0 : code_register(e, row->data[0]);
    return ((value ^ e->monitor.value) & mask) == 0;
}

/* The store-exclusive at `pc` is behind it: 0 is in its register if it was made, 1 if it has failed. */
static void pass_exclusive(struct code_engine *e, uint64_t status)
{
    const struct code_row *row = code_row_at(e, e->pc);

    for (unsigned slot = 0; slot < e->registers; slot++)
        if (code_has(&row->flow[0].to, slot)) {
            e->functions.reg_write(e->uc, e->register_id[slot], &status);
            code_set_register(e, slot, 0);
        }
    e->forgotten.bit[0] &= ~row->writes.bit[0];
    e->forgotten.bit[1] &= ~row->writes.bit[1];
    e->before = e->pc;
    e->pc += row->length;
}

/* From here on to the loop's head, or to the load-exclusive where the store behind it has failed: does it find everything as
 * it was, and has done nothing that anybody is told? */
static bool comes_back(struct code_engine *e)
{
    e->trying = true;
    code_emulate(e);
    e->trying = false;
    if (e->stop == CODE_STOP_RETRIED)
        return e->undos == e->monitor.undos && !differ(e, e->monitor.before, e->monitor.set);
    return e->stop == CODE_STOP_AROUND && !changed(e);
}

/* A look's last access stores what was there. If nothing comes of it, nothing is left to do but to take the look back. */
static bool leads_nowhere(struct code_engine *e)
{
    bool exclusive = e->stop == CODE_STOP_SAME, straight = e->straight, vain = true;
    unsigned undos = e->undos, seen = e->seen_used;
    uint64_t called_from = e->called_from;
    int error = e->error;
    struct code_saved here;

    save(e, &here);
    e->functions.context_save(e->uc, e->aside);
    for (unsigned status = 0; vain && status < 1u + exclusive; status++) {
        if (exclusive)
            pass_exclusive(e, status);
        vain = comes_back(e);
        if (vain && status == exclusive)
            return true;
        e->functions.context_restore(e->uc, e->aside);
        code_memory_undo(e, undos);
        take_back(e, &here);
        e->before = here.before;
        e->called_from = called_from;
        e->straight = straight;
        e->seen_used = seen;
        e->fault = CODE_FAULT_NONE;
        e->error = error;
    }
    return false;
}

static bool is_in_vain(struct code_engine *e)
{
    if (e->stop == CODE_STOP_AROUND)
        return e->looked && !changed(e);
    return (e->stop == CODE_STOP_SAME || (e->stop == CODE_STOP_QUEUED && e->same)) && leads_nowhere(e);
}

/* Of amp_poll(): one round. */
static int look(void *engine)
{
    struct code_engine *e = engine;

    forget(e);
    code_read_registers(e, e->saved.value);
    save(e, &e->saved);
    e->same = false;
    e->looking = true;
    e->head_at = e->pc;
    e->loop_end = code_row_at(e, e->pc)->loop_end;
    e->called_from = 0;
    e->straight = true;
    e->seen_used = e->looked = e->undos = e->queued = 0;
    e->resumed = true;
    code_emulate(e);
    e->ended = e->stop == CODE_STOP_SAME ? CODE_STOP_LEFT : e->stop;
    if (e->stop == CODE_STOP_ERROR && (e->error == -ENODATA || e->error == -ECANCELED)) {
        restore(e);
        amp_give_up(e->port, e->error, "%s", ""); /* the look was not made: its caller says what comes next */
    }
    if (is_in_vain(e)) {
        int error = e->same && e->port->ops->unpair ? e->port->ops->unpair(e->port) : 0; /* its load has come to nothing */

        restore(e);
        if (error)
            amp_give_up(e->port, error, "%s", "");
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
