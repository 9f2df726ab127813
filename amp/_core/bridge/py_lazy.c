/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * py_lazy.c - LazyBytes: what a bulk load through the model returns. The bytes are loaded when they are asked for, or when
 * a barrier or chance performs the load.
 */
#include "py_port.h"

static PyTypeObject *lazy_type;

PyObject *py_lazy_read(PyObject *self, uint64_t address, uint64_t length, uint64_t after)
{
    struct port *port = (struct port *)self;
    struct lazy *lazy = PyObject_New(struct lazy, lazy_type);
    int error;

    if (!lazy)
        return NULL;
    lazy->port = Py_NewRef(self);
    lazy->load = (struct amp_deferred){.address = address, .length = length, .performed = 1};
    lazy->load.bytes = PyMem_Malloc(length ? length : 1);
    if (!lazy->load.bytes) {
        Py_DECREF(lazy);
        return PyErr_NoMemory();
    }
    do
        error = amp_load_bulk(&port->cpu.model, &lazy->load, after);
    while (error == -EINTR && PyErr_CheckSignals() == 0);
    if (error) {
        Py_DECREF(lazy);
        return error == -EINTR ? NULL : py_fail_access(port, "read", address, length, error);
    }
    return (PyObject *)lazy;
}

static int lazy_perform(struct lazy *lazy)
{
    struct port *port = (struct port *)lazy->port;
    int error;

    do
        error = amp_perform(&port->cpu.model, &lazy->load);
    while (error == -EINTR && PyErr_CheckSignals() == 0);
    if (error && error != -EINTR)
        py_fail(lazy->port, "read", error);
    return error ? -1 : 0;
}

static PyObject *lazy_bytes(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    struct lazy *lazy = (struct lazy *)self;

    if (lazy_perform(lazy))
        return NULL;
    return PyBytes_FromStringAndSize((char *)lazy->load.bytes, (Py_ssize_t)lazy->load.length);
}

static int lazy_buffer(PyObject *self, Py_buffer *view, int flags)
{
    struct lazy *lazy = (struct lazy *)self;

    view->obj = NULL;
    if (lazy_perform(lazy))
        return -1;
    return PyBuffer_FillInfo(view, self, lazy->load.bytes, (Py_ssize_t)lazy->load.length, 1, flags);
}

static Py_ssize_t lazy_length(PyObject *self)
{
    return (Py_ssize_t)((struct lazy *)self)->load.length;
}

static PyObject *lazy_compare(PyObject *self, PyObject *other, int op)
{
    PyObject *bytes, *right = NULL, *result = NULL;

    if (op != Py_EQ && op != Py_NE)
        Py_RETURN_NOTIMPLEMENTED;
    if (!PyBytes_Check(other) && Py_TYPE(other) != lazy_type)
        Py_RETURN_NOTIMPLEMENTED;
    bytes = lazy_bytes(self, NULL);
    if (bytes)
        right = PyBytes_Check(other) ? Py_NewRef(other) : lazy_bytes(other, NULL);
    if (right)
        result = PyObject_RichCompare(bytes, right, op);
    Py_XDECREF(bytes);
    Py_XDECREF(right);
    return result;
}

static PyObject *lazy_item(PyObject *self, PyObject *key)
{
    PyObject *bytes = lazy_bytes(self, NULL), *item = bytes ? PyObject_GetItem(bytes, key) : NULL;

    Py_XDECREF(bytes);
    return item;
}

static PyObject *lazy_performed(PyObject *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(((struct lazy *)self)->load.performed > 0);
}

static void lazy_free(PyObject *self)
{
    struct lazy *lazy = (struct lazy *)self;
    PyTypeObject *type = Py_TYPE(self);

    if (lazy->load.performed <= 0)
        amp_forget(&((struct port *)lazy->port)->cpu.model, &lazy->load);
    PyMem_Free(lazy->load.bytes);
    Py_DECREF(lazy->port);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyGetSetDef lazy_fields[] = {
    {"performed", lazy_performed, NULL, "have the bytes been loaded?", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef lazy_methods[] = {
    {"__bytes__", lazy_bytes, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot lazy_slots[] = {
    {Py_tp_dealloc, lazy_free},
    {Py_tp_methods, lazy_methods},
    {Py_tp_getset, lazy_fields},
    {Py_tp_richcompare, lazy_compare},
    {Py_tp_hash, PyObject_HashNotImplemented},
    {Py_sq_length, lazy_length},
    {Py_mp_subscript, lazy_item},
    {Py_bf_getbuffer, lazy_buffer},
    {Py_tp_doc, "Bytes of a bulk load, loaded when they are used, or earlier."},
    {0, NULL},
};

static PyType_Spec lazy_spec = {
    "amp._core._bridge.LazyBytes", sizeof(struct lazy), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, lazy_slots};

int py_lazy_init(PyObject *module)
{
    lazy_type = (PyTypeObject *)PyType_FromSpec(&lazy_spec);
    return lazy_type ? PyModule_AddType(module, lazy_type) : -1;
}
