/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * py_bytes.c - ExploredBytes: what an explored port's read() returns. The loads stand where read() was called; what they
 * return is decided when the bytes are used, so a store behind them may become visible first.
 */
#include "py_explored.h"

struct explored_bytes {
    PyObject_HEAD
    struct port *port; /* a reference */
    uint8_t *bytes;
    struct xp_bulk bulk;
    xp_event_id event[]; /* one a granule */
};

static PyTypeObject *bytes_type;

PyObject *py_explored_read(PyObject *port, uint64_t address, uint64_t length, uint64_t after)
{
    unsigned granules = xp_granules(address, length);
    struct explored_bytes *self;
    int error;

    if (granules > XP_EVENTS)
        return PyErr_NoMemory();
    self = PyObject_NewVar(struct explored_bytes, bytes_type, granules);
    if (!self)
        return NULL;
    self->port = (struct port *)Py_NewRef(port);
    self->bulk = (struct xp_bulk){.address = address, .length = length, .event = self->event};
    self->bytes = PyMem_Malloc(length ? length : 1);
    if (!self->bytes) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    error = xp_bulk_issue(&self->port->cpu.explored.part, &self->bulk, after);
    if (error) {
        Py_DECREF(self);
        return py_fail_access((struct port *)port, "read", address, length, error);
    }
    return (PyObject *)self;
}

static int perform(struct explored_bytes *self)
{
    int error = xp_bulk_perform(&self->port->cpu.explored.part, &self->bulk, self->bytes);

    if (error)
        py_fail((PyObject *)self->port, "read", error);
    return error;
}

static PyObject *bytes_bytes(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    struct explored_bytes *self = (struct explored_bytes *)object;

    if (perform(self))
        return NULL;
    return PyBytes_FromStringAndSize((char *)self->bytes, (Py_ssize_t)self->bulk.length);
}

static int bytes_buffer(PyObject *object, Py_buffer *view, int flags)
{
    struct explored_bytes *self = (struct explored_bytes *)object;

    view->obj = NULL;
    if (perform(self))
        return -1;
    return PyBuffer_FillInfo(view, object, self->bytes, (Py_ssize_t)self->bulk.length, 1, flags);
}

static Py_ssize_t bytes_length(PyObject *object)
{
    return (Py_ssize_t)((struct explored_bytes *)object)->bulk.length;
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
    PyTypeObject *type = Py_TYPE(object);

    xp_bulk_forget(&self->port->cpu.explored.part, &self->bulk);
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
