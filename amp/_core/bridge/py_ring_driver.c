/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * py_ring_driver.c - DriverRing: hostside.virtqueue.DriverQueue's methods, on the ring in C. See ring.h for the ring.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "py_ring.h"
#include "virtio/ring_driver.h"

#include <structmember.h> /* after Python.h, which it lacks */

#define ON_STACK 4 /* segments of one buffer for which no memory is asked for */

struct driver_object {
    struct ring_object base;
    struct amp_ring_driver *ring;
    PyObject **tokens; /* by head, while its buffer is in flight; NULL: the head itself */
};

static struct driver_object *of(PyObject *self)
{
    return (struct driver_object *)self;
}

static PyObject *driver_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(names))
{
    struct amp_ring_config config;
    PyObject *self = py_ring_new(type, args, &config);
    struct amp_ring_driver *ring;
    int error = -ENOMEM;

    if (!self)
        return NULL;
    ring = aligned_alloc(AMP_RING_LINES, sizeof *ring);
    if (ring)
        error = amp_ring_driver_open(ring, &of(self)->base.port, &config);
    if (error) {
        free(ring);
    } else {
        of(self)->ring = ring;
        of(self)->tokens = calloc(config.layout.num, sizeof *of(self)->tokens);
        if (of(self)->tokens)
            return self;
        error = -ENOMEM;
    }
    Py_DECREF(self);
    errno = -error;
    return PyErr_SetFromErrno(PyExc_OSError);
}

static int driver_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct driver_object *driver = of(self);

    Py_VISIT(Py_TYPE(self));
    Py_VISIT(driver->base.layout);
    for (uint32_t i = 0; driver->tokens && i < driver->ring->num; i++)
        Py_VISIT(driver->tokens[i]);
    return 0;
}

static int driver_clear(PyObject *self)
{
    struct driver_object *driver = of(self);

    for (uint32_t i = 0; driver->tokens && i < driver->ring->num; i++)
        Py_CLEAR(driver->tokens[i]);
    return 0;
}

static void driver_free(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    struct driver_object *driver = of(self);

    PyObject_GC_UnTrack(self);
    driver_clear(self);
    if (driver->ring)
        amp_ring_driver_close(driver->ring);
    free(driver->ring);
    free(driver->tokens);
    py_ring_clear(&driver->base);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

/* --- adding -------------------------------------------------------------------------------------------------------- */

static PyObject *refuse(struct amp_ring_driver *ring, uint32_t segments, int error)
{
    uint32_t entries = ring->config.table_entries;

    switch (error) {
    case -ENOSPC:
        return PyErr_Format(py_ring_errors.usage, "a chain of %u descriptors, %u are free", entries ? 1 : segments,
                            amp_ring_free(ring));
    case -E2BIG:
        return PyErr_Format(py_ring_errors.usage, "a chain of %u segments, at most %u fit into an indirect table",
                            segments, entries < ring->num ? entries : ring->num);
    default:
        return PyErr_Format(py_ring_errors.usage, segments ? "a buffer of more than 2^32 - 1 bytes to be written"
                                                           : "a buffer needs at least one segment");
    }
}

/* (address, length) as a segment. 0, or -1 with an exception set. */
static int parse_segment(PyObject *pair, struct amp_segment *segment)
{
    uint64_t ignored;

    if (!PyTuple_Check(pair) || PyTuple_Size(pair) != 2) {
        PyErr_SetString(PyExc_TypeError, "a segment is a tuple (address, length)");
        return -1;
    }
    return py_word_value(PyTuple_GetItem(pair, 0), &segment->address, &ignored) ||
                   py_ring_u32(PyTuple_GetItem(pair, 1), &segment->length)
               ? -1
               : 0;
}

static int parse_segments(PyObject *tuple, struct amp_segment *segments)
{
    Py_ssize_t n = PyTuple_Size(tuple);

    for (Py_ssize_t i = 0; i < n; i++)
        if (parse_segment(PyTuple_GetItem(tuple, i), &segments[i]))
            return -1;
    return 0;
}

/* The head, or -1 with an exception set. */
static int add_segments(struct amp_ring_driver *ring, PyObject *readable, PyObject *writable)
{
    Py_ssize_t first = PyTuple_Size(readable), second = PyTuple_Size(writable), n = first + second;
    struct amp_segment few[ON_STACK], *segments = few;
    int head = -1;

    if (n > AMP_RING_LIMIT) {
        refuse(ring, (uint32_t)n, ring->config.table_entries ? -E2BIG : -ENOSPC);
        return -1;
    }
    if (n > ON_STACK && !(segments = calloc((size_t)n, sizeof *segments))) {
        PyErr_NoMemory();
        return -1;
    }
    if (parse_segments(readable, segments) == 0 && parse_segments(writable, segments + first) == 0) {
        head = amp_ring_add(ring, segments, (uint32_t)first, (uint32_t)second);
        if (head < 0)
            refuse(ring, (uint32_t)n, head);
    }
    if (segments != few)
        free(segments);
    return head < 0 ? -1 : head;
}

/* add(readable, writable, token) -> head */
static PyObject *driver_add(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    struct driver_object *driver = of(self);
    PyObject *readable, *writable;
    int head = -1;

    if (n != 3)
        return PyErr_Format(PyExc_TypeError, "add takes 3 arguments, %zd given", n);
    readable = PySequence_Tuple(args[0]); /* the tuple itself, if it is one */
    writable = PySequence_Tuple(args[1]);
    if (readable && writable)
        head = add_segments(driver->ring, readable, writable);
    Py_XDECREF(readable);
    Py_XDECREF(writable);
    if (head < 0)
        return NULL;
    driver->tokens[head] = Py_NewRef(args[2]);
    amp_ring_publish(driver->ring);
    return PyLong_FromLong(head);
}

/* _add_many(addresses, lengths, heads, writable) -> how many: amp.virtio.batch.DriverBatches */
static PyObject *driver_add_many(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    struct py_ring_array addresses, lengths, heads;
    PyObject *result = NULL;
    int writable;

    if (n != 4)
        return PyErr_Format(PyExc_TypeError, "_add_many takes 4 arguments, %zd given", n);
    writable = PyObject_IsTrue(args[3]);
    if (writable < 0 || py_ring_array(args[0], "addresses", sizeof(uint64_t), 0, 0, &addresses))
        return NULL;
    if (py_ring_array(args[1], "lengths", sizeof(uint32_t), 0, addresses.n, &lengths) == 0) {
        if (py_ring_array(args[2], "heads", sizeof(uint16_t), 1, addresses.n, &heads) == 0) {
            uint32_t count = addresses.n < AMP_RING_LIMIT ? (uint32_t)addresses.n : AMP_RING_LIMIT;

            result = PyLong_FromLong(amp_ring_add_many(of(self)->ring, addresses.buffer.buf, lengths.buffer.buf, count,
                                                       writable, heads.buffer.buf));
            PyBuffer_Release(&heads.buffer);
        }
        PyBuffer_Release(&lengths.buffer);
    }
    PyBuffer_Release(&addresses.buffer);
    return result;
}

/* --- taking -------------------------------------------------------------------------------------------------------- */

/* get_used() -> (token, written), or None */
static PyObject *driver_get_used(PyObject *self, PyObject *Py_UNUSED(none))
{
    struct driver_object *driver = of(self);
    uint32_t head = 0, written = 0;
    int found = amp_ring_get_used(driver->ring, &head, &written);
    PyObject *token, *length, *pair;

    if (found < 0)
        return py_ring_fail(found, &driver->ring->fault, driver->base.writer);
    if (!found)
        Py_RETURN_NONE;
    token = driver->tokens[head];
    driver->tokens[head] = NULL;
    if (!token)
        token = PyLong_FromUnsignedLong(head);
    length = PyLong_FromUnsignedLong(written);
    pair = token && length ? PyTuple_Pack(2, token, length) : NULL;
    Py_XDECREF(token);
    Py_XDECREF(length);
    return pair;
}

/* _take_many(heads, written) -> how many */
static PyObject *driver_take_many(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    struct driver_object *driver = of(self);
    struct py_ring_array heads, written;
    int count;

    if (n != 2)
        return PyErr_Format(PyExc_TypeError, "_take_many takes 2 arguments, %zd given", n);
    if (py_ring_array(args[0], "heads", sizeof(uint16_t), 1, 0, &heads))
        return NULL;
    if (py_ring_array(args[1], "written", sizeof(uint32_t), 1, heads.n, &written)) {
        PyBuffer_Release(&heads.buffer);
        return NULL;
    }
    count = amp_ring_take_many(driver->ring, heads.n < AMP_RING_LIMIT ? (uint32_t)heads.n : AMP_RING_LIMIT,
                               heads.buffer.buf, written.buffer.buf);
    for (int i = 0; i < count; i++)
        Py_CLEAR(driver->tokens[((uint16_t *)heads.buffer.buf)[i]]);
    PyBuffer_Release(&heads.buffer);
    PyBuffer_Release(&written.buffer);
    if (count < 0)
        return py_ring_fail(count, &driver->ring->fault, driver->base.writer);
    return PyLong_FromLong(count);
}

static PyObject *driver_finish_reading(PyObject *self, PyObject *Py_UNUSED(none))
{
    amp_ring_finish_using(of(self)->ring);
    Py_RETURN_NONE;
}

/* look_through(port): the ring looks past every port already. */
static PyObject *driver_look_through(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(port))
{
    Py_RETURN_NONE;
}

/* --- telling and being told ---------------------------------------------------------------------------------------- */

static PyObject *driver_kick_prepare(PyObject *self, PyObject *Py_UNUSED(none))
{
    return PyBool_FromLong(amp_ring_kick_prepare(of(self)->ring));
}

static void ring_bell(struct driver_object *driver)
{
    amp_ring_kick(driver->ring, driver->base.other);
    driver->base.rings++;
}

static PyObject *driver_notify(PyObject *self, PyObject *Py_UNUSED(none))
{
    ring_bell(of(self));
    Py_RETURN_NONE;
}

static PyObject *driver_kick(PyObject *self, PyObject *Py_UNUSED(none))
{
    bool wanted = amp_ring_kick_prepare(of(self)->ring);

    if (wanted)
        ring_bell(of(self));
    return PyBool_FromLong(wanted);
}

static PyObject *driver_disable_interrupts(PyObject *self, PyObject *Py_UNUSED(none))
{
    amp_ring_disable_interrupts(of(self)->ring);
    Py_RETURN_NONE;
}

static PyObject *driver_enable_interrupts(PyObject *self, PyObject *Py_UNUSED(none))
{
    return PyBool_FromLong(amp_ring_enable_interrupts(of(self)->ring));
}

static PyObject *driver_free_descriptors(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLong(amp_ring_free(of(self)->ring));
}

static PyObject *driver_in_flight(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLong(amp_ring_in_flight(of(self)->ring));
}

#define FAST(name, function) {name, (PyCFunction)(void (*)(void))(function), METH_FASTCALL, NULL}

static PyMethodDef driver_methods[] = {
    FAST("add", driver_add),
    FAST("_add_many", driver_add_many),
    FAST("_take_many", driver_take_many),
    {"get_used", driver_get_used, METH_NOARGS, NULL},
    {"finish_reading", driver_finish_reading, METH_NOARGS, NULL},
    {"look_through", driver_look_through, METH_O, NULL},
    {"kick_prepare", driver_kick_prepare, METH_NOARGS, NULL},
    {"notify", driver_notify, METH_NOARGS, NULL},
    {"kick", driver_kick, METH_NOARGS, NULL},
    {"disable_interrupts", driver_disable_interrupts, METH_NOARGS, NULL},
    {"enable_interrupts", driver_enable_interrupts, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef driver_members[] = {
    {"layout", T_OBJECT_EX, offsetof(struct ring_object, layout), READONLY, NULL},
    {"kicks", T_ULONGLONG, offsetof(struct ring_object, rings), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef driver_fields[] = {
    {"free", driver_free_descriptors, NULL, NULL, NULL},
    {"in_flight", driver_in_flight, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot driver_slots[] = {
    {Py_tp_new, driver_new},
    {Py_tp_dealloc, driver_free},
    {Py_tp_traverse, driver_traverse},
    {Py_tp_clear, driver_clear},
    {Py_tp_methods, driver_methods},
    {Py_tp_members, driver_members},
    {Py_tp_getset, driver_fields},
    {Py_tp_doc, "The driver's half of a split ring, in C: see ring.h."},
    {0, NULL},
};

PyType_Spec py_ring_driver_spec = {"amp._core._bridge.DriverRing", sizeof(struct driver_object), 0,
                                   Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, driver_slots};
