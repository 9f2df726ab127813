/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * py_explored.c - how a part of an explored program waits and is unwound in Python: who has to wait calls the port's `wait`,
 * which runs another; a run that is over unwinds by an exception that programs do not catch.
 */
#include "py_explored.h"

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
