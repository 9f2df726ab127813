/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * py_code_run.c - runs of compiled code: a port's run_code, and what the engine tells of the last run.
 */
#include <stdlib.h>
#include <string.h>

#include "py_code.h"

/* reached(): the numbers of the sites that runs have come to since it was last asked */
PyObject *py_code_reached(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    struct code_engine *e = py_engine_of(object);
    PyObject *list = PyList_New(0);

    for (unsigned site = 1; list && site < AMP_SITES_LIMIT; site++) {
        PyObject *number = e->reached[site] ? PyLong_FromUnsignedLong(site) : NULL;

        if (e->reached[site] && (!number || PyList_Append(list, number)))
            Py_CLEAR(list);
        Py_XDECREF(number);
    }
    memset(e->reached, 0, sizeof e->reached);
    return list;
}

/* keep(n, general): from now on the last run's accesses are kept, n of each kind, with the first `general` registers */
PyObject *py_code_keep(PyObject *object, PyObject *args)
{
    struct code_engine *e = py_engine_of(object);
    unsigned int room, general;

    if (!PyArg_ParseTuple(args, "II:keep", &room, &general))
        return NULL;
    if (room > 1u << 20 || general > e->registers)
        return PyErr_Format(PyExc_ValueError, "keep: %u accesses, %u registers", room, general);
    for (unsigned i = 0; i < 3; i++) {
        struct code_kept *more = py_grown(e->place[i], room + 1, sizeof *more);
        uint64_t *registers = more ? py_grown(e->registers_at[i], CODE_KEPT_REGISTERS * (general + 1), sizeof *registers) : NULL;

        e->place[i] = more ? more : e->place[i];
        if (!registers)
            return PyErr_NoMemory();
        e->registers_at[i] = registers;
    }
    e->places_room = room;
    e->general = general;
    Py_RETURN_NONE;
}

static PyObject *registers_at(const struct code_engine *e, unsigned kind, uint32_t number)
{
    unsigned general = number < CODE_KEPT_REGISTERS ? e->general : 0;
    PyObject *tuple = PyTuple_New(general);

    for (unsigned slot = 0; tuple && slot < general; slot++) {
        PyObject *value = PyLong_FromUnsignedLongLong(e->registers_at[kind][number * e->general + slot]);

        if (!value || PyTuple_SetItem(tuple, slot, value))
            Py_CLEAR(tuple);
    }
    return tuple;
}

/* places(): the last run's loads, stores and barriers, three lists of (address of the instruction, value, registers, how
 * many accesses and barriers were before it) */
PyObject *py_code_places(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    const struct code_engine *e = py_engine_of(object);
    PyObject *lists[3];

    for (unsigned kind = 0; kind < 3; kind++) {
        lists[kind] = PyList_New(0);
        for (uint32_t i = 0; lists[kind] && i < e->places[kind] && i < e->places_room; i++) {
            PyObject *registers = registers_at(e, kind, i);
            const struct code_kept *kept = &e->place[kind][i];
            PyObject *entry = registers ? Py_BuildValue("KKNI", (unsigned long long)kept->pc,
                                                        (unsigned long long)kept->value, registers, kept->before)
                                        : NULL;

            if (!entry || PyList_Append(lists[kind], entry))
                Py_CLEAR(lists[kind]);
            Py_XDECREF(entry);
        }
    }
    return Py_BuildValue("(NNN)", lists[0], lists[1], lists[2]);
}

/* said(): what the last run has printed, [(behind how many accesses and barriers, text)] */
PyObject *py_code_said(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    const struct code_engine *e = py_engine_of(object);
    PyObject *list = PyList_New(0);

    for (uint32_t i = 0; list && i < e->said_used; i++) {
        PyObject *line = Py_BuildValue("Is", e->said[i].at, e->said[i].text);

        if (!line || PyList_Append(list, line))
            Py_CLEAR(list);
        Py_XDECREF(line);
    }
    return list;
}

/* standing(): (address of the instruction, of its last load of shared memory in the region, or 0) */
PyObject *py_code_standing(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    const struct code_engine *e = py_engine_of(object);

    return Py_BuildValue("(KK)", (unsigned long long)e->pc, (unsigned long long)e->watched);
}

PyObject *py_code_steps(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromUnsignedLongLong(py_engine_of(object)->steps);
}

/* registers(): the values at the end of the last run, 64 bits each */
PyObject *py_code_registers(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    const struct code_engine *e = py_engine_of(object);
    PyObject *list = PyList_New(0);

    for (unsigned slot = 0; list && slot < e->registers; slot++) {
        PyObject *value = PyLong_FromUnsignedLongLong(e->register_id[slot] < 0 ? 0 : code_register(e, slot));

        if (!value || PyList_Append(list, value))
            Py_CLEAR(list);
        Py_XDECREF(value);
    }
    return list;
}

/* --- a port's run_code ---------------------------------------------------------------------------------------------- */

static int let_python_handle(struct amp_seat *seat)
{
    PyGILState_STATE state = PyGILState_Ensure();
    int error = PyErr_CheckSignals();

    (void)seat;
    PyGILState_Release(state);
    return error ? -EINTR : 0;
}

static PyObject *ended(struct port *port, struct code_object *code, int error, const char *text)
{
    struct code_engine *e = &code->engine;
    PyObject *exception;

    if (error == -ECHILD || error == -EINTR) /* raised by what the engine called */
        return NULL;
    if (error != AMP_VIOLATED && error != -ELOOP && error != -ENOTSUP && error != -E2BIG && error != -EINVAL &&
        error != -EFAULT)
        return py_fail((PyObject *)port, "run_code", error);
    exception = PyObject_CallMethod(code->owner, "ended", "isKK", error, text, (unsigned long long)e->pc,
                                    (unsigned long long)e->before);
    if (exception)
        PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
    Py_XDECREF(exception);
    return NULL;
}

/* run_code(engine): compiled code as this CPU's part */
PyObject *py_run_code(PyObject *self, PyObject *object)
{
    struct port *port = (struct port *)self;
    struct code_object *code = (struct code_object *)object;
    char text[AMP_TEXT_BYTES];
    int error;

    if (Py_TYPE(object) != py_code_type || !code->engine.ready || code->engine.busy || port->way == PY_DIRECT)
        return PyErr_Format(PyExc_TypeError, "run_code: not an open Code, one that runs, or a port to the bare region");
    port->seat.sites = port->sites;
    code->engine.busy = true;
    Py_INCREF(object);
    if (port->way == PY_EXPLORED) { /* lets other CPUs of this thread run */
        error = amp_run(&port->c, code_part, &code->engine, text);
    } else {
        Py_BEGIN_ALLOW_THREADS
        port->seat.signalled = let_python_handle;
        error = amp_run(&port->c, code_part, &code->engine, text);
        port->seat.signalled = NULL;
        Py_END_ALLOW_THREADS
    }
    code->engine.busy = false;
    port->seat.sites = NULL;
    if (error)
        ended(port, code, error, text);
    Py_DECREF(object);
    if (error)
        return NULL;
    Py_RETURN_NONE;
}
