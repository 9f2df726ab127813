/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * py_errors.c - what goes wrong behind a port, as exceptions; and a bulk load of the bare region.
 */
#include <inttypes.h>
#include <stdio.h>

#include "py_port.h"

static void fail_misfit(const struct port *port, const char *what)
{
    size_t size = (size_t)((uint8_t *)port->region.buf + port->region.len - (uint8_t *)port->cpu.model.model);
    char text[320] = "", whole[352];
    uint64_t goal = 0;
    PyObject *exception;

    amp_model_misfit(port->cpu.model.model, size, &goal, text, sizeof text);
    snprintf(whole, sizeof whole, "%s: %s", what, text);
    exception = PyObject_CallFunction(py_errors.schedule_mismatch, "sK", whole, (unsigned long long)goal);
    if (exception)
        PyErr_SetObject(py_errors.schedule_mismatch, exception);
    Py_XDECREF(exception);
}

PyObject *py_fail(PyObject *self, const char *what, int error)
{
    switch (error) {
    case -EPIPE:
        PyErr_Format(py_errors.peer_died, "%s: the other processor died", what);
        break;
    case -ESHUTDOWN:
        PyErr_Format(py_errors.peer_finished, "%s: every other processor has retired", what);
        break;
    case -EDEADLK:
        PyErr_Format(py_errors.stall, "%s: every processor sleeps and no doorbell is under way", what);
        break;
    case -ECANCELED:
    case -ENODATA: /* of the explorer's door only */
        return py_unwind(&((struct port *)self)->cpu.explored, error);
    case -EPROTO:
        PyErr_Format(py_errors.peer_died, "%s: the model's state is not as it was left: something wrote there by no port",
                     what);
        break;
    case -EILSEQ:
        fail_misfit((struct port *)self, what);
        break;
    case -EINVAL:
        PyErr_Format(PyExc_ValueError, "%s: a number the core does not know", what);
        break;
    default:
        errno = -error;
        PyErr_SetFromErrno(PyExc_OSError);
    }
    return NULL;
}

PyObject *py_fail_access(struct port *port, const char *what, uint64_t address, uint64_t length, int error)
{
    char text[160]; /* not PyErr_Format's: 3.11 has no %llx */
    int n;

    if (error != -EINVAL && error != -EFAULT)
        return py_fail((PyObject *)port, what, error);
    n = snprintf(text, sizeof text, "%s of %" PRIu64 " bytes at 0x%" PRIx64 ": ", what, length, address);
    if (error == -EINVAL)
        snprintf(text + n, sizeof text - (size_t)n, "not aligned to its size");
    else
        snprintf(text + n, sizeof text - (size_t)n, "outside the shared memory, 0x%" PRIx64 " to 0x%" PRIx64,
                 port->shared_start, port->shared_end);
    PyErr_SetString(py_errors.access_fault, text);
    return NULL;
}

PyObject *py_direct_read(PyObject *self, uint64_t address, uint64_t length, uint64_t after)
{
    struct port *port = (struct port *)self;
    uint64_t start = port->shared_start, end = port->shared_end;

    (void)after;
    if (address < start || address > end || length > end - address)
        return py_fail_access(port, "read", address, length, -EFAULT);
    return PyBytes_FromStringAndSize((char *)port->cpu.direct.memory + address, (Py_ssize_t)length);
}
