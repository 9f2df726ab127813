/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * py_port.h - what a port is: one CPU's accesses, by way of one of three doors. See py_port.c for its methods.
 */
#ifndef AMP_PY_PORT_H
#define AMP_PY_PORT_H

#include <errno.h>

#include "direct.h"
#include "py_bridge.h"
#include "py_explore.h"

#define SITES 256

struct port;

/* What the doors do differently. All return 0 or a negative errno. */
struct door {
    int (*load)(struct port *port, uint64_t address, unsigned size, uint64_t after, int acquire, struct amp_word *out);
    int (*store)(struct port *port, uint64_t address, unsigned size, uint64_t value, int release, struct amp_origin from);
    int (*atomic)(struct port *port, uint64_t address, unsigned size, enum amp_atomic op, uint64_t operand,
                  uint64_t expected, struct amp_origin from, struct amp_word *out);
    int (*write)(struct port *port, uint64_t address, const uint8_t *bytes, uint64_t length, struct amp_origin from);
    int (*barrier)(struct port *port, unsigned primitive, unsigned site);
    int (*kick)(struct port *port, unsigned target);
    int (*wait)(struct port *port, int64_t timeout_ns);
    int (*listen)(struct port *port, int64_t timeout_ns);
    int (*interrupt)(struct port *port);
    int (*note)(struct port *port, unsigned code, uint64_t value);
    int (*retire)(struct port *port);
    PyObject *(*read)(PyObject *port, uint64_t address, uint64_t length, uint64_t after);
};

struct port {
    PyObject_HEAD
    const struct door *door;
    Py_buffer region; /* keeps the mapping alive */
    uint64_t shared_start, shared_end;
    uint8_t sites[SITES]; /* site -> primitive */
    union {
        struct amp_cpu model;
        struct amp_direct direct;
        struct explored explored;
    } cpu;
};

/* A bulk load: performed when its bytes are asked for, or when a barrier or chance performs it. */
struct lazy {
    PyObject_HEAD
    PyObject *port;
    struct amp_deferred load;
};

extern const struct door py_model_door, py_direct_door; /* py_doors.c */
extern const struct door py_explored_door;              /* py_explored.c */

/* py_lazy.c: a bulk load through the model. */
int py_lazy_init(PyObject *module);
PyObject *py_lazy_read(PyObject *port, uint64_t address, uint64_t length, uint64_t after);

/* py_rows.c: DirectPort.write_rows and read_rows. */
PyObject *py_write_rows(PyObject *port, PyObject *const *args, Py_ssize_t n);
PyObject *py_read_rows(PyObject *port, PyObject *const *args, Py_ssize_t n);

/* The exception for a negative errno; NULL. `what` was being done, for an access at `address`. */
PyObject *py_fail(PyObject *port, const char *what, int error);
PyObject *py_fail_access(struct port *port, const char *what, uint64_t address, uint64_t length, int error);

/* A signal came while the core waited: let Python's handlers run, then try again (0), unless they raised (-1). */
static inline int interrupted(int error)
{
    return error == -EINTR ? PyErr_CheckSignals() : 1;
}

#define RETRYING(error, call)                    \
    do                                           \
        error = (call);                          \
    while (error && interrupted(error) == 0);    \
    if (error == -EINTR)                         \
    return NULL

#endif
