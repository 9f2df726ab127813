/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * py_explored.c - how a part of an explored program waits, looks and is unwound in Python: who has to wait calls the port's
 * `wait`, which runs another; a run that is over unwinds by an exception that programs do not catch.
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

/* --- a port's looks ----------------------------------------------------------------------------------------------- */

static struct xp_part *part_of(PyObject *port)
{
    return &((struct port *)port)->cpu.explored.part;
}

/* look_begin(); look_end(found) -> False: it is to be made again; look_undone() */
PyObject *py_look_begin(PyObject *port, PyObject *Py_UNUSED(ignored))
{
    int error = xp_part_begin_look(part_of(port));

    if (error)
        return py_fail(port, "poll", error);
    Py_RETURN_NONE;
}

PyObject *py_look_end(PyObject *port, PyObject *found)
{
    int is_found = PyObject_IsTrue(found), result;

    if (is_found < 0)
        return NULL;
    result = xp_part_end_look(part_of(port), is_found);
    return result < 0 ? py_fail(port, "poll", result) : PyBool_FromLong(result);
}

PyObject *py_look_undone(PyObject *port, PyObject *Py_UNUSED(ignored))
{
    int error = xp_part_undo_look(part_of(port));

    return error ? py_fail(port, "poll", error) : PyBool_FromLong(0);
}

PyObject *py_look_place(PyObject *port, PyObject *Py_UNUSED(ignored))
{
    const struct xp_part *part = part_of(port);

    return PyLong_FromUnsignedLongLong(xp_look_place(part->program->x, part->id));
}

PyObject *py_look_path(PyObject *port, PyObject *Py_UNUSED(ignored))
{
    const struct xp_part *part = part_of(port);

    return PyLong_FromUnsignedLongLong(xp_look_path(part->program->x, part->id));
}
