/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * py_bytes.c - ExploredBytes: what an explored port's read() returns. The loads stand where read() was called; what they
 * return is decided when the bytes are used, so a store behind them may become visible first.
 */
#include "py_explored.h"

#include <string.h>

struct explored_bytes {
    PyObject_HEAD
    struct port *port; /* a reference */
    uint64_t address, length;
    uint8_t *bytes;
    bool performed;
    unsigned events;
    uint64_t number; /* of the first event, see py_number_event */
    xp_event_id event[]; /* one a granule */
};

static PyTypeObject *bytes_type;

static unsigned granules(uint64_t address, uint64_t length)
{
    return length ? (unsigned)((address + length - 1) / AMP_GRANULE - address / AMP_GRANULE + 1) : 0;
}

/* The part of [address, address + length) that lies in granule number `i` of it. */
static uint64_t part_of(uint64_t address, uint64_t length, unsigned i, uint64_t *at)
{
    uint64_t from = i ? (address / AMP_GRANULE + i) * AMP_GRANULE : address;
    uint64_t to = (address / AMP_GRANULE + i + 1) * AMP_GRANULE;

    *at = from;
    return (to < address + length ? to : address + length) - from;
}

static int issue(struct explored_bytes *self, uint64_t after)
{
    struct port *port = self->port;
    struct explorer_object *owner = port->cpu.explored.owner;
    unsigned cpu = port->cpu.explored.id;

    for (unsigned i = 0; i < granules(self->address, self->length); i++) {
        uint16_t cells[XP_SPAN];
        uint64_t at, size = part_of(self->address, self->length, i, &at);
        int n = py_cells(owner, at, (unsigned)size, cells), result;

        if (n < 0) {
            owner->x->error = n;
            owner->x->over = true;
        }
        result = n < 0 ? XP_OVER
                       : xp_issue(owner->x, cpu, cells, (unsigned)n, py_tag_depends(after), &self->event[i]);
        if (result) {
            py_step_aside(port, result);
            return -1;
        }
        py_number_event(owner, self->event[i], owner->loads[cpu], i);
        if (!(owner->x->graph.cpu[cpu].implicit[0] & (AMP_RR | AMP_RW)))
            owner->at[self->event[i]] = 0; /* performed later */
        if (!self->events++)
            self->number = owner->number[self->event[i]];
    }
    owner->open[cpu]++;
    owner->loads[cpu]++;
    return 0;
}

PyObject *py_explored_read(PyObject *port, uint64_t address, uint64_t length, uint64_t after)
{
    struct explorer_object *owner = ((struct port *)port)->cpu.explored.owner;
    struct explored_bytes *self;

    if (granules(address, length) > XP_EVENTS)
        return PyErr_NoMemory();
    self = PyObject_NewVar(struct explored_bytes, bytes_type, granules(address, length));
    if (!self)
        return NULL;
    self->port = (struct port *)Py_NewRef(port);
    self->address = address;
    self->length = length;
    self->performed = false;
    self->events = 0;
    self->bytes = PyMem_Malloc(length ? length : 1);
    if (!self->bytes) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    if (py_may_load(self->port)) {
        Py_DECREF(self);
        return NULL;
    }
    xp_log(owner->x, self->port->cpu.explored.id, (uint64_t)4 << 56 | length << 40 | address);
    if (issue(self, after)) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

/* Are its loads part of this run? Those of a look in vain are undone, and those of earlier runs gone. */
static bool is_there(const struct explored_bytes *self)
{
    const struct explorer_object *owner = self->port->cpu.explored.owner;

    return !self->events ||
           (self->event[0] < owner->x->graph.events && owner->number[self->event[0]] == self->number);
}

static int perform(struct explored_bytes *self)
{
    struct port *port = self->port;
    struct explorer *x = port->cpu.explored.owner->x;
    struct xp_set events = {{0}};

    if (!is_there(self)) {
        py_break_rule(port, "bytes that were read in another run, or in a look in vain, are used");
        return -1;
    }
    if (self->performed)
        return 0;
    if (x->cpu[port->cpu.explored.id].in_look && self->events && self->event[0] < x->look.events)
        port->cpu.explored.owner->look_used_bytes = true; /* they are loaded once, and the look may be made again */
    for (unsigned i = 0; i < self->events; i++) {
        uint64_t value, at, size = part_of(self->address, self->length, i, &at);

        for (;;) {
            int result = xp_resolve(x, port->cpu.explored.id, self->event[i], &value);

            if (result == XP_DONE)
                break;
            if (!py_step_aside(port, result))
                return -1;
        }
        value >>= 8 * (at % AMP_GRANULE);
        memcpy(self->bytes + (at - self->address), &value, size);
        if (!port->cpu.explored.owner->at[self->event[i]])
            port->cpu.explored.owner->at[self->event[i]] = ++port->cpu.explored.owner->steps[port->cpu.explored.id];
        xp_put(&events, self->event[i]);
        xp_log(x, port->cpu.explored.id, value);
    }
    xp_add_control(&x->graph, port->cpu.explored.id, &events);
    self->performed = true;
    return 0;
}

static PyObject *bytes_bytes(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    struct explored_bytes *self = (struct explored_bytes *)object;

    if (perform(self))
        return NULL;
    return PyBytes_FromStringAndSize((char *)self->bytes, (Py_ssize_t)self->length);
}

static int bytes_buffer(PyObject *object, Py_buffer *view, int flags)
{
    struct explored_bytes *self = (struct explored_bytes *)object;

    view->obj = NULL;
    if (perform(self))
        return -1;
    return PyBuffer_FillInfo(view, object, self->bytes, (Py_ssize_t)self->length, 1, flags);
}

static Py_ssize_t bytes_length(PyObject *object)
{
    return (Py_ssize_t)((struct explored_bytes *)object)->length;
}

static PyObject *bytes_compare(PyObject *object, PyObject *other, int op)
{
    PyObject *left, *right = NULL, *result = NULL;

    if ((op != Py_EQ && op != Py_NE) || (!PyBytes_Check(other) && Py_TYPE(other) != bytes_type))
        Py_RETURN_NOTIMPLEMENTED;
    left = bytes_bytes(object, NULL);
    if (left)
        right = PyBytes_Check(other) ? Py_NewRef(other) : bytes_bytes(other, NULL);
    if (right)
        result = PyObject_RichCompare(left, right, op);
    Py_XDECREF(left);
    Py_XDECREF(right);
    return result;
}

static PyObject *bytes_item(PyObject *object, PyObject *key)
{
    PyObject *all = bytes_bytes(object, NULL), *item = all ? PyObject_GetItem(all, key) : NULL;

    Py_XDECREF(all);
    return item;
}

/* A running machine's chance decides that; here a load is as late as it may be, which tells nothing. */
static PyObject *bytes_performed(PyObject *Py_UNUSED(object), void *Py_UNUSED(closure))
{
    return PyErr_Format(PyExc_AttributeError, "performed: an exploration does not say when bytes are loaded");
}

static void bytes_free(PyObject *object)
{
    struct explored_bytes *self = (struct explored_bytes *)object;
    struct explorer *x = self->port->cpu.explored.owner->x;
    PyTypeObject *type = Py_TYPE(object);

    if (!self->performed && is_there(self))
        for (unsigned i = 0; i < self->events; i++)
            xp_forget(x, self->event[i]);
    PyMem_Free(self->bytes);
    Py_DECREF((PyObject *)self->port);
    PyObject_Free(object);
    Py_DECREF(type);
}

static PyGetSetDef bytes_fields[] = {
    {"performed", bytes_performed, NULL, "not told to an explored program", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef bytes_methods[] = {
    {"__bytes__", bytes_bytes, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot bytes_slots[] = {
    {Py_tp_dealloc, bytes_free},
    {Py_tp_methods, bytes_methods},
    {Py_tp_getset, bytes_fields},
    {Py_tp_richcompare, bytes_compare},
    {Py_tp_hash, PyObject_HashNotImplemented},
    {Py_sq_length, bytes_length},
    {Py_mp_subscript, bytes_item},
    {Py_bf_getbuffer, bytes_buffer},
    {Py_tp_doc, "Bytes of a bulk load, loaded when they are used."},
    {0, NULL},
};

static PyType_Spec bytes_spec = {"amp._core._bridge.ExploredBytes", sizeof(struct explored_bytes), sizeof(xp_event_id),
                                 Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, bytes_slots};

int py_bytes_init(PyObject *module)
{
    bytes_type = (PyTypeObject *)PyType_FromSpec(&bytes_spec);
    return bytes_type ? PyModule_AddType(module, bytes_type) : -1;
}
