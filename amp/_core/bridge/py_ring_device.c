/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * py_ring_device.c - DeviceRing: remoteside.virtqueue.DeviceQueue's methods, on the ring in C. See ring.h for the ring.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "py_ring.h"
#include "virtio/ring_device.h"

#include <structmember.h> /* after Python.h, which it lacks */

struct device_object {
    struct ring_object base;
    struct amp_ring_device *ring;
    struct amp_segment *segments;   /* as many as the ring has entries */
    PyTypeObject *chain, *segment; /* tuples' subtypes: what next_chain returns, and what that consists of */
};

static struct device_object *of(PyObject *self)
{
    return (struct device_object *)self;
}

static int is_tuple_type(PyObject *type)
{
    return PyType_Check(type) && PyType_IsSubtype((PyTypeObject *)type, &PyTuple_Type);
}

/* DeviceRing(chain, segment, what DriverRing takes ...) */
static PyObject *device_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(names))
{
    PyObject *rest = PyTuple_GetSlice(args, 2, PyTuple_Size(args)), *self;
    struct amp_ring_config config;
    struct device_object *device;
    int error = -ENOMEM;

    if (!rest)
        return NULL;
    self = py_ring_new(type, rest, &config);
    Py_DECREF(rest);
    if (!self)
        return NULL;
    device = of(self);
    if (!is_tuple_type(PyTuple_GetItem(args, 0)) || !is_tuple_type(PyTuple_GetItem(args, 1))) {
        Py_DECREF(self);
        return PyErr_Format(PyExc_TypeError, "chain and segment are types of tuples");
    }
    device->chain = (PyTypeObject *)Py_NewRef(PyTuple_GetItem(args, 0));
    device->segment = (PyTypeObject *)Py_NewRef(PyTuple_GetItem(args, 1));
    device->ring = aligned_alloc(AMP_RING_LINES, sizeof *device->ring);
    if (device->ring)
        error = amp_ring_device_open(device->ring, &device->base.port, &config);
    if (!error) {
        device->segments = calloc(config.layout.num, sizeof *device->segments);
        if (device->segments)
            return self;
        error = -ENOMEM;
    }
    Py_DECREF(self);
    errno = -error;
    return PyErr_SetFromErrno(PyExc_OSError);
}

static void device_free(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    struct device_object *device = of(self);

    if (device->ring)
        amp_ring_device_close(device->ring);
    free(device->ring);
    free(device->segments);
    Py_XDECREF((PyObject *)device->chain);
    Py_XDECREF((PyObject *)device->segment);
    py_ring_clear(&device->base);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

/* --- taking -------------------------------------------------------------------------------------------------------- */

/* `fields` as a tuple of that subtype, without a call of Python code; takes over the reference, which may be NULL. */
static PyObject *as_type(PyTypeObject *type, PyObject *fields)
{
    newfunc make = (newfunc)PyType_GetSlot(&PyTuple_Type, Py_tp_new);
    PyObject *args = fields ? PyTuple_Pack(1, fields) : NULL;
    PyObject *result = args ? make(type, args, NULL) : NULL;

    Py_XDECREF(args);
    Py_XDECREF(fields);
    return result;
}

static PyObject *as_tuple(const struct device_object *device, const struct amp_segment *segments, uint32_t n)
{
    PyObject *tuple = PyTuple_New(n);

    for (uint32_t i = 0; tuple && i < n; i++) {
        PyObject *pair = Py_BuildValue("KI", (unsigned long long)segments[i].address, (unsigned int)segments[i].length);
        PyObject *each = as_type(device->segment, pair);

        if (!each || PyTuple_SetItem(tuple, i, each)) {
            Py_DECREF(tuple);
            return NULL;
        }
    }
    return tuple;
}

static PyObject *device_next_chain(PyObject *self, PyObject *Py_UNUSED(none))
{
    struct device_object *device = of(self);
    int found = amp_ring_look_avail(device->ring);
    PyObject *readable, *writable, *fields = NULL;
    struct amp_chain chain;

    if (found > 0) {
        int error = amp_ring_next(device->ring, device->segments, device->ring->num, &chain);

        found = error ? error : 1;
    }
    if (found < 0)
        return py_ring_fail(found, &device->ring->fault, device->base.writer);
    if (!found)
        Py_RETURN_NONE;
    readable = as_tuple(device, device->segments, chain.readable);
    writable = as_tuple(device, device->segments + chain.readable, chain.writable);
    if (readable && writable)
        fields = Py_BuildValue("IOO", (unsigned int)chain.head, readable, writable);
    Py_XDECREF(readable);
    Py_XDECREF(writable);
    return as_type(device->chain, fields);
}

/* _take_many(heads, addresses, lengths, writable) -> how many: amp.virtio.batch.DeviceBatches */
static PyObject *device_take_many(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    struct device_object *device = of(self);
    struct py_ring_array heads, addresses, lengths;
    int writable, count = 0;
    bool taken = false;

    if (n != 4)
        return PyErr_Format(PyExc_TypeError, "_take_many takes 4 arguments, %zd given", n);
    writable = PyObject_IsTrue(args[3]);
    if (writable < 0 || py_ring_array(args[0], "heads", sizeof(uint16_t), 1, 0, &heads))
        return NULL;
    if (py_ring_array(args[1], "addresses", sizeof(uint64_t), 1, heads.n, &addresses) == 0) {
        if (py_ring_array(args[2], "lengths", sizeof(uint32_t), 1, heads.n, &lengths) == 0) {
            count = amp_ring_next_many(device->ring, device->segments,
                                       heads.n < AMP_RING_LIMIT ? (uint32_t)heads.n : AMP_RING_LIMIT, writable,
                                       heads.buffer.buf, addresses.buffer.buf, lengths.buffer.buf);
            taken = true;
            PyBuffer_Release(&lengths.buffer);
        }
        PyBuffer_Release(&addresses.buffer);
    }
    PyBuffer_Release(&heads.buffer);
    if (!taken)
        return NULL;
    if (count == -ENOTSUP)
        return PyErr_Format(py_ring_errors.usage, "take_many: the next buffer is not one device-%s segment: use next_chain",
                            writable ? "writable" : "readable");
    if (count < 0)
        return py_ring_fail(count, &device->ring->fault, device->base.writer);
    return PyLong_FromLong(count);
}

static PyObject *device_finish_reading(PyObject *self, PyObject *Py_UNUSED(none))
{
    amp_ring_finish_reading(of(self)->ring);
    Py_RETURN_NONE;
}

/* --- giving back --------------------------------------------------------------------------------------------------- */

/* Are so many buffers held? 0, or -1 with AssertionError set. */
static int check_held(const struct device_object *device, Py_ssize_t n)
{
    if (n <= (uint16_t)(device->ring->avail_idx - device->ring->used_idx))
        return 0;
    PyErr_SetString(PyExc_AssertionError, "giving back more buffers than were taken");
    return -1;
}

static PyObject *device_push_used(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    struct device_object *device = of(self);
    uint32_t head, written;

    if (n != 2)
        return PyErr_Format(PyExc_TypeError, "push_used takes 2 arguments, %zd given", n);
    if (py_ring_u32(args[0], &head) || py_ring_u32(args[1], &written) || check_held(device, 1))
        return NULL;
    amp_ring_push(device->ring, head, written);
    amp_ring_complete(device->ring);
    Py_RETURN_NONE;
}

/* _add_many(heads, written) */
static PyObject *device_add_many(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    struct device_object *device = of(self);
    struct py_ring_array heads, written;
    PyObject *result = NULL;

    if (n != 2)
        return PyErr_Format(PyExc_TypeError, "_add_many takes 2 arguments, %zd given", n);
    if (py_ring_array(args[0], "heads", sizeof(uint16_t), 0, 0, &heads))
        return NULL;
    if (py_ring_array(args[1], "written", sizeof(uint32_t), 0, heads.n, &written) == 0) {
        if (check_held(device, heads.n) == 0) {
            amp_ring_push_many(device->ring, heads.buffer.buf, written.buffer.buf, (uint32_t)heads.n);
            result = Py_NewRef(Py_None);
        }
        PyBuffer_Release(&written.buffer);
    }
    PyBuffer_Release(&heads.buffer);
    return result;
}

/* --- telling and being told ---------------------------------------------------------------------------------------- */

static PyObject *device_call_prepare(PyObject *self, PyObject *Py_UNUSED(none))
{
    return PyBool_FromLong(amp_ring_call_prepare(of(self)->ring));
}

static void ring_bell(struct device_object *device)
{
    amp_ring_call(device->ring, device->base.other);
    device->base.rings++;
}

static PyObject *device_notify(PyObject *self, PyObject *Py_UNUSED(none))
{
    ring_bell(of(self));
    Py_RETURN_NONE;
}

static PyObject *device_call(PyObject *self, PyObject *Py_UNUSED(none))
{
    bool wanted = amp_ring_call_prepare(of(self)->ring);

    if (wanted)
        ring_bell(of(self));
    return PyBool_FromLong(wanted);
}

static PyObject *device_disable_notifications(PyObject *self, PyObject *Py_UNUSED(none))
{
    amp_ring_disable_notifications(of(self)->ring);
    Py_RETURN_NONE;
}

static PyObject *device_enable_notifications(PyObject *self, PyObject *Py_UNUSED(none))
{
    return PyBool_FromLong(amp_ring_enable_notifications(of(self)->ring));
}

static PyObject *device_held(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromLong((uint16_t)(of(self)->ring->avail_idx - of(self)->ring->used_idx));
}

#define FAST(name, function) {name, (PyCFunction)(void (*)(void))(function), METH_FASTCALL, NULL}

static PyMethodDef device_methods[] = {
    FAST("_take_many", device_take_many),
    FAST("_add_many", device_add_many),
    FAST("push_used", device_push_used),
    {"next_chain", device_next_chain, METH_NOARGS, NULL},
    {"finish_reading", device_finish_reading, METH_NOARGS, NULL},
    {"call_prepare", device_call_prepare, METH_NOARGS, NULL},
    {"notify", device_notify, METH_NOARGS, NULL},
    {"call", device_call, METH_NOARGS, NULL},
    {"disable_notifications", device_disable_notifications, METH_NOARGS, NULL},
    {"enable_notifications", device_enable_notifications, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef device_members[] = {
    {"layout", T_OBJECT_EX, offsetof(struct ring_object, layout), READONLY, NULL},
    {"calls", T_ULONGLONG, offsetof(struct ring_object, rings), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef device_fields[] = {
    {"held", device_held, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot device_slots[] = {
    {Py_tp_new, device_new},
    {Py_tp_dealloc, device_free},
    {Py_tp_methods, device_methods},
    {Py_tp_members, device_members},
    {Py_tp_getset, device_fields},
    {Py_tp_doc, "The device's half of a split ring, in C: see ring.h."},
    {0, NULL},
};

PyType_Spec py_ring_device_spec = {"amp._core._bridge.DeviceRing", sizeof(struct device_object), 0,
                                   Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, device_slots};
