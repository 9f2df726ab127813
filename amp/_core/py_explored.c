/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * py_explored.c - the explorer's door. A part that has to wait calls its port's `wait`, which runs another; a run that is
 * over unwinds by an exception that programs do not catch.
 */
#include "py_explored.h"

static struct xp_part *part_of(struct port *port)
{
    return &port->cpu.explored.part;
}

/* struct explored begins with its part. */
static struct explored *explored_of(struct xp_part *part)
{
    return (struct explored *)part;
}

static int run_others(struct xp_part *part)
{
    PyObject *went = PyObject_CallNoArgs(explored_of(part)->wait);

    if (!went)
        return -ECANCELED;
    Py_DECREF(went);
    return went == Py_False ? xp_break_rule(part, "a part waits in a greenlet of its own: a part is one processor") : 0;
}

static int take_down(struct xp_part *part, const char *rule)
{
    PyObject *nothing_much = PyObject_CallFunction(explored_of(part)->owner->broken, "s", rule);

    Py_XDECREF(nothing_much);
    return nothing_much ? 0 : -ECANCELED;
}

void py_explorer_seat(PyObject *explorer, struct explored *explored, unsigned id, PyObject *wait)
{
    struct explorer_object *owner = (struct explorer_object *)explorer;

    owner->program.wait = run_others;
    owner->program.broken = take_down;
    *explored = (struct explored){.part = {.program = &owner->program, .id = id},
                                  .owner = (struct explorer_object *)Py_NewRef(explorer),
                                  .wait = Py_NewRef(wait)};
}

PyObject *py_unwind(const struct explored *explored, int error)
{
    if (!PyErr_Occurred()) /* else what `wait` or `broken` raised */
        PyErr_SetNone(error == -ENODATA ? explored->owner->unlook : explored->owner->over);
    return NULL;
}

static int explored_load(struct port *port, uint64_t address, unsigned size, uint64_t after, int acquire,
                         struct amp_word *out)
{
    return xp_part_load(part_of(port), address, size, after, acquire, out);
}

static int explored_store(struct port *port, uint64_t address, unsigned size, uint64_t value, int release,
                          struct amp_origin from)
{
    return xp_part_store(part_of(port), address, size, value, release, from);
}

static int explored_atomic(struct port *port, uint64_t address, unsigned size, enum amp_atomic op, uint64_t operand,
                           uint64_t expected, struct amp_origin from, struct amp_word *out)
{
    return xp_part_atomic(part_of(port), address, size, op, operand, expected, from, out);
}

static int explored_write(struct port *port, uint64_t address, const uint8_t *bytes, uint64_t length,
                          struct amp_origin from)
{
    return xp_part_write(part_of(port), address, bytes, length, from);
}

static int explored_barrier(struct port *port, unsigned primitive, unsigned site)
{
    return xp_part_barrier(part_of(port), primitive, site);
}

static int explored_kick(struct port *port, unsigned target)
{
    return xp_part_kick(part_of(port), target);
}

static int explored_wait(struct port *port, int64_t timeout_ns)
{
    return xp_part_wait(part_of(port), timeout_ns);
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
