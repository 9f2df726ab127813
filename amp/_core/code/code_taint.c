/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * code_taint.c - which loads a value comes from: sets of loads, each with a number, made once.
 */
#include <errno.h>
#include <string.h>

#include "code.h"

void code_taint_begin(struct code_engine *e)
{
    e->epoch++;
    e->sets_used = 1; /* number 0 is empty, and stays so */
    memset(e->set, 0, sizeof e->set);
    memset(&e->tainted, 0, sizeof e->tainted);
    memset(e->controlled, 0, sizeof e->controlled);
    e->loads = e->holding = 0;
    e->monitor.load = 0;
    e->atomic_load = 0;
}

/* A new set, empty; NULL: there are too many, and the part ends. */
static struct code_set *new_set(struct code_engine *e, uint16_t *number)
{
    struct code_set *set;

    if (e->sets_used == CODE_SETS) {
        e->error = -E2BIG;
        code_stop(e, CODE_STOP_ERROR);
        *number = 0;
        return NULL;
    }
    *number = (uint16_t)e->sets_used++;
    set = &e->sets[*number];
    memset(set, 0, sizeof *set);
    return set;
}

/* `how` tells what is computed of the two apart. */
static uint16_t combine(struct code_engine *e, uint16_t a, uint16_t b, unsigned how)
{
    unsigned place = (a * 31u + b * 7u + how * 1031u) & 4095;
    struct code_set *set;
    uint16_t number;

    if (e->joined[place].run == (e->epoch << 2 | how) && e->joined[place].a == a && e->joined[place].b == b)
        return e->joined[place].joined;
    set = new_set(e, &number);
    if (!set)
        return 0;
    for (unsigned i = 0; i < CODE_WORDS; i++) {
        set->depends[i] = how == 2 ? e->sets[b].depends[i] : e->sets[a].depends[i];
        if (how == 0)
            set->depends[i] |= e->sets[b].depends[i];
        set->picks[i] = how == 2 ? e->sets[b].depends[i] : e->sets[a].picks[i] | e->sets[b].picks[i];
    }
    e->joined[place].run = e->epoch << 2 | how;
    e->joined[place].a = a;
    e->joined[place].b = b;
    e->joined[place].joined = number;
    return number;
}

uint16_t code_join(struct code_engine *e, uint16_t a, uint16_t b)
{
    if (!a || !b || a == b)
        return a ? a : b;
    return a < b ? combine(e, a, b, 0) : combine(e, b, a, 0);
}

uint16_t code_pick(struct code_engine *e, uint16_t value, uint16_t decider)
{
    return !decider || value == decider ? value : combine(e, value, decider, 1);
}

/* What an address was computed from is before the access, and so before what is computed of what it reads; what only
 * picked the address is not. */
uint16_t code_through(struct code_engine *e, uint16_t address)
{
    return address ? combine(e, 0, address, 2) : 0;
}

uint16_t code_set_of(struct code_engine *e, uint32_t load)
{
    uint16_t number;
    struct code_set *set = new_set(e, &number);

    if (set) {
        set->depends[load >> 6] |= UINT64_C(1) << (load & 63);
        set->picks[load >> 6] |= UINT64_C(1) << (load & 63);
    }
    return number;
}

void code_set_register(struct code_engine *e, unsigned slot, uint16_t set)
{
    e->set[slot] = set;
    if (set)
        code_put(&e->tainted, slot);
    else
        e->tainted.bit[slot >> 6] &= ~(UINT64_C(1) << (slot & 63));
}

uint16_t code_gather(struct code_engine *e, const struct code_mask *mask)
{
    uint16_t set = 0;

    for (unsigned word = 0; word < 2; word++)
        for (uint64_t left = mask->bit[word] & e->tainted.bit[word]; left; left &= left - 1)
            set = code_join(e, set, e->set[64 * word + (unsigned)__builtin_ctzll(left)]);
    return set;
}

uint64_t code_time(struct code_engine *e, const uint64_t *loads, bool *made)
{
    const struct amp_port *port = e->port;
    uint64_t time = 0;

    *made = false;
    for (unsigned word = 0; word < (e->loads + 63) / 64; word++)
        for (uint64_t left = loads[word]; left; left &= left - 1) {
            uint64_t one = e->time[64 * word + (unsigned)__builtin_ctzll(left)], both;

            if (!time || !one) {
                time = time ? time : one;
                continue;
            }
            both = port->ops->join(port, time, one);
            if (*made)
                port->ops->drop(port, time);
            *made = true;
            time = both;
        }
    return time;
}

int code_hang(struct code_engine *e, uint16_t set)
{
    uint64_t more[CODE_WORDS] = {0}, any = 0, time;
    bool made;
    int error;

    for (unsigned i = 0; set && !e->trying && i < CODE_WORDS; i++) {
        more[i] = e->sets[set].picks[i] & ~e->controlled[i];
        any |= more[i];
        e->controlled[i] |= more[i];
    }
    if (!any)
        return 0;
    time = code_time(e, more, &made);
    error = time ? e->port->ops->branch(e->port, time) : 0;
    if (made)
        e->port->ops->drop(e->port, time);
    return error;
}

static void add(const struct code_engine *e, uint64_t *alive, uint16_t set)
{
    for (unsigned i = 0; set && i < (e->loads + 63) / 64; i++)
        alive[i] |= e->sets[set].picks[i] | e->sets[set].depends[i];
}

/* Of loads that nothing comes from any more, nothing will be said. Those of before a look may be needed after it. */
void code_drop_dead(struct code_engine *e)
{
    uint64_t alive[CODE_WORDS] = {0};
    uint32_t from = e->looking ? e->saved.loads : 0;

    if (!e->holding)
        return;
    for (unsigned word = 0; word < 2; word++)
        for (uint64_t left = e->tainted.bit[word]; left; left &= left - 1)
            add(e, alive, e->set[64 * word + (unsigned)__builtin_ctzll(left)]);
    for (unsigned i = 0; i < e->shades; i++)
        for (unsigned byte = 0; byte < 8; byte++)
            add(e, alive, e->shade[e->shaded[i]].set[byte]);
    for (unsigned i = 0; i < CODE_DATA; i++)
        add(e, alive, e->data_set[i]);
    add(e, alive, e->address_set);
    for (unsigned i = 0; i < e->queued; i++) {
        add(e, alive, e->queue[i].address_set);
        add(e, alive, e->queue[i].value_set);
    }
    if (e->monitor.load)
        alive[(e->monitor.load - 1) >> 6] |= UINT64_C(1) << ((e->monitor.load - 1) & 63);
    if (e->atomic_load)
        alive[(e->atomic_load - 1) >> 6] |= UINT64_C(1) << ((e->atomic_load - 1) & 63);
    for (uint32_t i = from; i < e->loads; i++)
        if (e->held[i] && !(alive[i >> 6] >> (i & 63) & 1)) {
            e->port->ops->drop(e->port, e->time[i]);
            e->held[i] = false;
            e->holding--;
        }
}

/* --- long runs ------------------------------------------------------------------------------------------------------ */

/* By set: the latest of its loads' times, 0 of none. */
static void find_latest(const struct code_engine *e, uint64_t latest[CODE_SETS])
{
    for (uint32_t set = 0; set < e->sets_used; set++) {
        latest[set] = 0;
        for (unsigned word = 0; word < (e->loads + 63) / 64; word++)
            for (uint64_t left = e->sets[set].depends[word]; left; left &= left - 1) {
                uint64_t one = e->time[64 * word + (unsigned)__builtin_ctzll(left)];

                latest[set] = one > latest[set] ? one : latest[set];
            }
    }
}

/* The set of one load of that time: its number. */
static uint16_t set_of_time(struct code_engine *e, uint64_t time)
{
    uint32_t load = 0;

    if (!time)
        return 0;
    while (load < e->loads && e->time[load] != time)
        load++;
    if (load < e->loads)
        return (uint16_t)(load + 1);
    if (e->loads == CODE_LOADS / 2) {
        e->error = -E2BIG;
        code_stop(e, CODE_STOP_ERROR);
        return 0;
    }
    e->time[e->loads] = time;
    return code_set_of(e, e->loads++);
}

void code_forget_loads(struct code_engine *e)
{
    uint64_t latest[CODE_SETS], paired = e->monitor.load ? e->time[e->monitor.load - 1] : 0;

    if (e->looking || e->port->ops->choose)
        return;
    find_latest(e, latest);
    e->loads = e->holding = 0;
    e->sets_used = 1;
    e->epoch++;
    memset(e->held, 0, sizeof e->held);
    memset(e->controlled, 0, sizeof e->controlled);
    if (e->monitor.load) { /* of a pair whose store is still to come: it has a number, whatever its time */
        e->time[e->loads] = paired;
        code_set_of(e, e->loads++);
        e->monitor.load = e->loads;
    }
    for (unsigned slot = 0; slot < e->registers; slot++)
        code_set_register(e, slot, set_of_time(e, latest[e->set[slot]]));
    for (unsigned i = 0; i < e->shades; i++)
        for (unsigned byte = 0; byte < 8; byte++) {
            uint16_t *set = &e->shade[e->shaded[i]].set[byte];

            *set = set_of_time(e, latest[*set]);
        }
}
