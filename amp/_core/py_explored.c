/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * py_explored.c - the explorer's door: what a CPU's accesses are, as events of the graph. A CPU that has to wait calls its
 * port's `wait`, which runs another; a run that is over unwinds by an exception that programs do not catch.
 */
#include "py_explored.h"

#include <errno.h>
#include <string.h>

#include "granule.h"

/* Numbers of amp.ordering's primitives. */
enum { SMP_MB = 5, STORE_RELEASE = 15, LOAD_ACQUIRE = 16 };

/* What the program did; together with what it looked into, all that its state can depend on. */
enum { DID_LOAD = 1, DID_STORE, DID_ATOMIC, DID_READ, DID_KICK, DID_WAIT, DID_BARRIER };

static const struct xp_orders nothing;

static uint64_t did(unsigned what, uint64_t address, uint64_t size)
{
    return (uint64_t)what << 56 | size << 40 | address;
}

#define UNWOUND_LIMIT 1000 /* a program that is told so often that its run is over catches what it must let pass */

int py_step_aside(struct port *port, int result)
{
    struct explored *self = &port->cpu.explored;
    struct explorer_object *owner = self->owner;

    if (result != XP_BLOCKED && ++owner->unwound[self->id] > UNWOUND_LIMIT) {
        owner->x->error = -ENOTRECOVERABLE;
        owner->x->over = true;
        result = XP_BLOCKED; /* for good: the exploration ends */
    }
    if (result == XP_BLOCKED) {
        PyObject *nothing_much = PyObject_CallNoArgs(self->wait);

        if (!nothing_much)
            return 0;
        Py_DECREF(nothing_much);
        if (nothing_much == Py_False) {
            py_break_rule(port, "a part waits in a greenlet of its own: a part is one processor");
            return 0;
        }
        if (owner->x->error != -ENOTRECOVERABLE)
            return 1;
    }
    PyErr_SetNone(result == XP_UNLOOK ? owner->unlook : owner->over);
    return 0;
}

int py_break_rule(struct port *port, const char *rule)
{
    struct explored *self = &port->cpu.explored;
    PyObject *nothing_much;

    if (self->owner->x->over) {
        py_step_aside(port, XP_OVER);
        return -ECANCELED;
    }
    self->owner->x->error = -EPERM;
    self->owner->x->over = true;
    nothing_much = PyObject_CallFunction(self->owner->broken, "s", rule); /* it looks where the program stands */
    if (nothing_much)
        py_step_aside(port, XP_OVER);
    Py_XDECREF(nothing_much);
    return -ECANCELED;
}

/* Before any access: a look may only load, and one that is to be undone goes no further, whatever the program catches. */
static int may_go_on(struct port *port, const char *what)
{
    const struct xp_cpu *cpu = &port->cpu.explored.owner->x->cpu[port->cpu.explored.id];

    if (PyThread_get_thread_ident() != port->cpu.explored.owner->thread)
        return py_break_rule(port, "an access is made by another thread than the part's: a part is one processor");
    if (port->cpu.explored.owner->x->over) {
        py_step_aside(port, XP_OVER);
        return -ECANCELED;
    }
    if (cpu->unlooked) {
        py_step_aside(port, XP_UNLOOK);
        return -ECANCELED;
    }
    return what && cpu->in_look ? py_break_rule(port, what) : 0;
}

int py_may_load(struct port *port)
{
    return may_go_on(port, NULL);
}

int py_may_look(struct port *port)
{
    return may_go_on(port, "a look of poll() polls: a look may only load");
}

#define LOOKS_ONLY_LOAD(what) "a look of poll() " what ": it may be made any number of times, and may only load"

/* Until it is done: 0, or -ECANCELED with an exception set. */
#define ASKING(port, call)                              \
    do {                                                \
        int asked = (call);                             \
                                                        \
        if (asked == XP_DONE)                           \
            break;                                      \
        if (!py_step_aside(port, asked))                \
            return -ECANCELED;                          \
    } while (1)

static int split_cell(struct explorer_object *owner, struct granule *granule, uint16_t old, uint8_t mask)
{
    struct xp_graph *g = &owner->x->graph;
    uint16_t fresh = (uint16_t)g->cells;

    if (g->cells == XP_CELLS)
        return -E2BIG;
    g->cells++;
    g->cell[fresh].mask = g->cell[old].mask & mask;
    owner->cell_at[fresh] = owner->cell_at[old];
    g->cell[old].mask &= (uint8_t)~mask;
    for (unsigned i = 0; i < AMP_GRANULE; i++)
        if (granule->cell[i] == old && mask >> i & 1)
            granule->cell[i] = fresh;
    return -EAGAIN;
}

static bool has_cell(const uint16_t *cells, unsigned n, uint16_t cell)
{
    for (unsigned i = 0; i < n; i++)
        if (cells[i] == cell)
            return true;
    return false;
}

int py_cells(struct explorer_object *owner, uint64_t address, unsigned size, uint16_t cells[XP_SPAN])
{
    struct xp_graph *g = &owner->x->graph;
    struct granule *granule = &owner->granule[(address - owner->start) / AMP_GRANULE];
    unsigned first = address % AMP_GRANULE, n = 0;
    uint8_t mask = amp_byte_mask(first, size), fresh = 0;
    int result = 0;

    for (unsigned i = first; i < first + size; i++) {
        uint16_t cell = granule->cell[i];

        if (cell == NO_CELL)
            fresh |= (uint8_t)(1u << i);
        else if (g->cell[cell].mask & ~mask)
            result = split_cell(owner, granule, cell, mask);
        else if (!has_cell(cells, n, cell)) /* a cell from whose middle another was split lies on both sides of it */
            cells[n++] = cell;
        if (result == -E2BIG)
            return result;
    }
    if (fresh) {
        if (g->cells == XP_CELLS)
            return -E2BIG;
        g->cell[g->cells] = (struct xp_cell){.mask = fresh, .writes = 1};
        owner->x->learned[g->cells] = (struct xp_learned){0};
        owner->cell_at[g->cells] = address - first;
        for (unsigned i = 0; i < AMP_GRANULE; i++)
            if (fresh >> i & 1)
                granule->cell[i] = (uint16_t)g->cells;
        cells[n++] = (uint16_t)g->cells++;
    }
    return result ? result : (int)n;
}

/* The cells of a scalar. Should they have had to be split, or be too many, the run is over. */
static int find_cells(struct port *port, uint64_t address, unsigned size, uint16_t cells[XP_SPAN])
{
    struct explorer_object *owner = port->cpu.explored.owner;
    int n = amp_check_scalar(port->shared_start, port->shared_end, address, size);

    if (n)
        return n;
    n = py_cells(owner, address, size, cells);
    if (n < 0 && !owner->x->over) {
        owner->x->error = n;
        owner->x->over = true;
    }
    if (n < 0) {
        py_step_aside(port, XP_OVER);
        return -ECANCELED;
    }
    return n;
}

void py_perform_open(struct explorer_object *owner, unsigned cpu, const uint16_t *cells, unsigned n)
{
    const struct xp_graph *g = &owner->x->graph;

    for (unsigned e = 1; owner->open[cpu] && e < g->events; e++) {
        const struct xp_event *read = &g->event[e];
        bool touched = n == 0;

        if (read->cpu != cpu || read->kind != XP_READ || owner->at[e] || read->source[0] != XP_UNREAD)
            continue;
        for (unsigned i = 0; i < n; i++)
            for (unsigned j = 0; j < read->cells; j++)
                touched |= cells[i] == read->cell[j];
        if (touched)
            owner->at[e] = ++owner->steps[cpu];
    }
}

static const struct xp_orders *orders_of(const struct port *port, unsigned primitive)
{
    return &port->cpu.explored.owner->orders[port->cpu.explored.id][primitive];
}

static unsigned shift_of(uint64_t address)
{
    return 8 * (unsigned)(address % AMP_GRANULE);
}

static void give_word(const struct port *port, xp_event_id event, uint64_t value, struct amp_word *out)
{
    *out = (struct amp_word){.value = value, .time = py_tag_of(port->cpu.explored.id, event)};
    py_tag_value(out->time, value);
}

static int explored_load(struct port *port, uint64_t address, unsigned size, uint64_t after, int acquire,
                         struct amp_word *out)
{
    struct explorer *x = port->cpu.explored.owner->x;
    unsigned cpu = port->cpu.explored.id;
    uint16_t cells[XP_SPAN];
    int n = may_go_on(port, NULL);
    uint64_t value;
    xp_event_id event;

    if (!n)
        n = find_cells(port, address, size, cells);
    if (n < 0)
        return n;
    xp_log(x, cpu, did(DID_LOAD, address, size));
    py_perform_open(port->cpu.explored.owner, cpu, cells, (unsigned)n);
    ASKING(port, xp_load(x, cpu, cells, (unsigned)n, acquire ? *orders_of(port, LOAD_ACQUIRE) : nothing,
                         py_tag_depends(after), &value, &event));
    py_number_event(port->cpu.explored.owner, event, port->cpu.explored.owner->loads[cpu]++, 0);
    give_word(port, event, amp_narrow(value >> shift_of(address), size), out);
    return 0;
}

static void join(struct xp_set *set, const struct xp_set *other)
{
    if (other)
        xp_unite(set, other, XP_WORDS);
}

/* What address and data of a store come from, together. */
static const struct xp_set *origins(struct origin from, struct xp_set *room)
{
    memset(room, 0, sizeof *room);
    join(room, py_tag_depends(from.address));
    join(room, py_tag_depends(from.value));
    join(room, py_tag_depends(from.expected));
    return room;
}

/* The store just made is the `part`-th event of the present store of its CPU. */
static void number_store(const struct port *port, unsigned part)
{
    struct explorer_object *owner = port->cpu.explored.owner;

    py_number_event(owner, (xp_event_id)(owner->x->graph.events - 1), owner->stores[port->cpu.explored.id], part);
}

static int explored_store(struct port *port, uint64_t address, unsigned size, uint64_t value, int release,
                          struct origin from)
{
    struct explorer *x = port->cpu.explored.owner->x;
    unsigned cpu = port->cpu.explored.id;
    uint16_t cells[XP_SPAN];
    struct xp_set depends;
    int n = may_go_on(port, LOOKS_ONLY_LOAD("stores"));

    if (!n)
        n = find_cells(port, address, size, cells);
    if (n < 0)
        return n;
    xp_log(x, cpu, did(DID_STORE, address, size));
    py_perform_open(port->cpu.explored.owner, cpu, cells, (unsigned)n);
    ASKING(port, xp_store(x, XP_WRITE, cpu, cells, (unsigned)n, amp_narrow(value, size) << shift_of(address),
                          release ? *orders_of(port, STORE_RELEASE) : nothing, origins(from, &depends),
                          py_tag_depends(from.address), 0));
    number_store(port, 0);
    port->cpu.explored.owner->stores[cpu]++;
    return 0;
}

/* Fully ordered, as Linux's value-returning atomics are: smp_mb() on both sides. */
static int explored_atomic(struct port *port, uint64_t address, unsigned size, enum amp_atomic op, uint64_t operand,
                           uint64_t expected, struct origin from, struct amp_word *out)
{
    struct explorer *x = port->cpu.explored.owner->x;
    unsigned cpu = port->cpu.explored.id;
    uint16_t cells[XP_SPAN];
    struct xp_set depends;
    int n = may_go_on(port, LOOKS_ONLY_LOAD("makes an atomic access"));
    uint64_t value, old;
    xp_event_id event;

    if (!n)
        n = find_cells(port, address, size, cells);
    if (n < 0)
        return n;
    xp_log(x, cpu, did(DID_ATOMIC, address, size));
    py_perform_open(port->cpu.explored.owner, cpu, cells, (unsigned)n);
    if (orders_of(port, SMP_MB)->level[0] & (AMP_RR | AMP_RW))
        py_perform_open(port->cpu.explored.owner, cpu, NULL, 0);
    xp_barrier(x, cpu, *orders_of(port, SMP_MB));
    ASKING(port, xp_load(x, cpu, cells, (unsigned)n, nothing, py_tag_depends(from.address), &value, &event));
    py_number_event(port->cpu.explored.owner, event, port->cpu.explored.owner->loads[cpu]++, 0);
    old = amp_narrow(value >> shift_of(address), size);
    if (op != AMP_CMPXCHG || old == amp_narrow(expected, size)) {
        value = amp_narrow(op == AMP_ADD ? old + operand : operand, size) << shift_of(address);
        origins(from, &depends);
        if (op == AMP_ADD)
            xp_put(&depends, event);
        ASKING(port, xp_store(x, XP_WRITE, cpu, cells, (unsigned)n, value, nothing, &depends,
                              py_tag_depends(from.address), event));
        number_store(port, 0);
        port->cpu.explored.owner->stores[cpu]++;
    }
    xp_barrier(x, cpu, *orders_of(port, SMP_MB));
    give_word(port, event, old, out);
    return 0;
}

static int explored_write(struct port *port, uint64_t address, const uint8_t *bytes, uint64_t length,
                          struct origin from)
{
    struct explorer *x = port->cpu.explored.owner->x;
    unsigned cpu = port->cpu.explored.id;
    const struct xp_set *depends = py_tag_depends(from.address);
    int error = may_go_on(port, LOOKS_ONLY_LOAD("writes"));

    if (error)
        return error;
    if (amp_check_range(port->shared_start, port->shared_end, address, length))
        return -EFAULT;
    xp_log(x, cpu, did(DID_STORE, address, length));
    for (uint64_t done = 0, part, number = 0; done < length; done += part) {
        uint64_t at = address + done, value = 0;
        uint16_t cells[XP_SPAN];
        int n;

        part = AMP_GRANULE - at % AMP_GRANULE < length - done ? AMP_GRANULE - at % AMP_GRANULE : length - done;
        for (uint64_t i = 0; i < part; i++)
            value |= (uint64_t)bytes[done + i] << 8 * i;
        n = py_cells(port->cpu.explored.owner, at, (unsigned)part, cells);
        if (n < 0) {
            x->error = n;
            x->over = true;
        } else {
            py_perform_open(port->cpu.explored.owner, cpu, cells, (unsigned)n);
        }
        ASKING(port, xp_store(x, XP_WRITE, cpu, cells, (unsigned)n, value << shift_of(at), nothing, depends, depends,
                              0));
        number_store(port, (unsigned)number++);
    }
    port->cpu.explored.owner->stores[cpu]++;
    return 0;
}

static int explored_barrier(struct port *port, unsigned primitive, unsigned site)
{
    struct explorer *x = port->cpu.explored.owner->x;
    int error = may_go_on(port, NULL);

    if (error)
        return error;
    if (primitive >= AMP_PRIMITIVES)
        return -EINVAL;
    xp_log(x, port->cpu.explored.id, did(DID_BARRIER, primitive, site));
    if (orders_of(port, primitive)->level[0] & (AMP_RR | AMP_RW))
        py_perform_open(port->cpu.explored.owner, port->cpu.explored.id, NULL, 0);
    xp_barrier(x, port->cpu.explored.id, *orders_of(port, primitive));
    return 0;
}

/* The mailbox of a CPU is the cell of its number. */
static int explored_kick(struct port *port, unsigned target)
{
    struct explorer *x = port->cpu.explored.owner->x;
    uint16_t cell = (uint16_t)target;
    int error = may_go_on(port, LOOKS_ONLY_LOAD("rings a doorbell"));

    if (error)
        return error;
    if (target >= x->graph.cpus)
        return -EINVAL;
    xp_log(x, port->cpu.explored.id, did(DID_KICK, target, 0));
    ASKING(port, xp_store(x, XP_DOORBELL, port->cpu.explored.id, &cell, 1, 1, nothing, NULL, NULL, 0));
    number_store(port, 0);
    port->cpu.explored.owner->stores[port->cpu.explored.id]++;
    return 0;
}

static int explored_wait(struct port *port, int64_t timeout_ns)
{
    struct explorer *x = port->cpu.explored.owner->x;
    unsigned cpu = port->cpu.explored.id;

    xp_event_id event;
    int error = may_go_on(port, LOOKS_ONLY_LOAD("waits"));

    if (!error && timeout_ns >= 0)
        error = py_break_rule(port, "wait() with a limit: an exploration has no clock, and the time may be up or not");
    if (error)
        return error;
    xp_log(x, cpu, did(DID_WAIT, 0, 0));
    ASKING(port, xp_wait(x, cpu, (uint16_t)cpu, &event));
    py_number_event(port->cpu.explored.owner, event, 0, 0);
    return 0;
}

static int explored_note(struct port *port, unsigned code, uint64_t value)
{
    (void)port;
    (void)code;
    (void)value;
    return 0;
}

static int explored_retire(struct port *port)
{
    (void)port;
    return 0;
}

/* Neither `listen` nor `interrupt`: the explored port has no such methods. */
const struct door py_explored_door = {
    .load = explored_load,
    .store = explored_store,
    .atomic = explored_atomic,
    .write = explored_write,
    .barrier = explored_barrier,
    .kick = explored_kick,
    .wait = explored_wait,
    .note = explored_note,
    .retire = explored_retire,
    .read = py_explored_read,
};
