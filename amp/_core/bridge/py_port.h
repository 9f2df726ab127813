/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * py_port.h - what a port is: one CPU's accesses, by way of one of three back ends. See py_port.c for its methods,
 * py_port_types.c for its types.
 */
#ifndef AMP_PY_PORT_H
#define AMP_PY_PORT_H

#include <errno.h>

#include "direct.h"
#include "py_bridge.h"
#include "py_explore.h"

#define SITES 256

struct port;

/* Which back end a port has. */
enum py_way { PY_MODELLED, PY_DIRECT, PY_EXPLORED };

struct port {
    PyObject_HEAD
    enum py_way way;
    struct amp_port c; /* the port of C programs, by which all methods go */
    struct amp_seat seat;
    Py_buffer region; /* keeps the mapping alive */
    uint64_t shared_start, shared_end;
    uint8_t sites[SITES]; /* site -> primitive */
    unsigned site_count;  /* numbered from 1 */
    PyObject *numbers;    /* mapping: site -> its number; NULL: sites are named by their numbers only */
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

/* py_port.c: what each type of port offers. */
extern PyMethodDef py_modelled_methods[], py_direct_methods[], py_explored_methods[];

/* py_lazy.c: a bulk load through the model. */
int py_lazy_init(PyObject *module);
PyObject *py_lazy_read(PyObject *port, uint64_t address, uint64_t length, uint64_t after);

PyObject *py_direct_read(PyObject *port, uint64_t address, uint64_t length, uint64_t after);   /* py_errors.c */
PyObject *py_explored_read(PyObject *port, uint64_t address, uint64_t length, uint64_t after); /* py_bytes.c */

/* py_doorbell.c: what a port has to do with doorbells. */
PyObject *py_port_kick(PyObject *port, PyObject *target);
PyObject *py_port_rung(PyObject *port, PyObject *nothing);
PyObject *py_port_acknowledge(PyObject *port, PyObject *nothing);
PyObject *py_port_wait(PyObject *port, PyObject *const *args, Py_ssize_t n);
PyObject *py_port_listen(PyObject *port, PyObject *seconds);
PyObject *py_port_interrupt(PyObject *port, PyObject *nothing);
PyObject *py_port_set_spin(PyObject *port, PyObject *value);

/* py_part.c: a port's run_c. */
PyObject *py_run_c(PyObject *port, PyObject *const *args, Py_ssize_t n);

/* py_code.c: a port's run_code. */
PyObject *py_run_code(PyObject *port, PyObject *engine);

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
