/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * py_ring.h - what the files that show the ring in C to Python share: py_ring.c, py_ring_driver.c, py_ring_device.c.
 */
#ifndef AMP_PY_RING_H
#define AMP_PY_RING_H

#include "py_bridge.h"
#include "virtio/ring.h"

/* What a DriverRing and a DeviceRing have in common. The queue itself is the subtype's. */
struct ring_object {
    PyObject_HEAD
    Py_buffer region;         /* keeps the mapping alive */
    PyObject *layout;         /* amp.virtio.split.SplitLayout, for whoever asks */
    PyObject *writer;         /* str: the other side, in errors */
    struct amp_direct cpu; /* this side's */
    struct amp_seat seat;
    struct amp_port port;
    uint8_t sites[AMP_SITES]; /* with AMP_RING_TABLE: which primitive stands where */
    unsigned other;           /* the CPU that is rung */
    unsigned long long rings; /* how often it was */
};

extern struct py_ring_errors { PyObject *bad_ring, *usage; } py_ring_errors; /* amp.errors.BadRing, UsageError */

/* (layout of 10, (start, end, buffers, buffers_end), (tables, entries), how, weak, event_idx, indirect, fifo, rewrite) */
int py_ring_parse(PyObject *tuple, struct amp_ring_config *config);
/* A new object of `type` from (buffer, ring, layout, sites, board_offset, cpu, writer); `ring` as py_ring_parse has it. */
PyObject *py_ring_new(PyTypeObject *type, PyObject *args, struct amp_ring_config *config);
void py_ring_clear(struct ring_object *self);
/* The exception for a negative errno; NULL. */
PyObject *py_ring_fail(int error, const struct amp_ring_fault *fault, PyObject *writer);
/* An int or a Word that fits into u32. 0, or -1 with OverflowError set. */
int py_ring_u32(PyObject *object, uint32_t *value);

/* The elements of a contiguous buffer of `size` bytes each. -1 with ValueError set if there are fewer than `least`. */
struct py_ring_array {
    Py_buffer buffer;
    Py_ssize_t n;
};
int py_ring_array(PyObject *object, const char *name, Py_ssize_t size, int writable, Py_ssize_t least,
                  struct py_ring_array *array);

extern PyType_Spec py_ring_driver_spec, py_ring_device_spec;

#endif
