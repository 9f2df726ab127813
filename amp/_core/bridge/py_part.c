/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * py_part.c - a C function as the part of a CPU: it runs through the same port as the CPU's Python code does.
 *
 * What the function calls ends it early by longjmp, which passes no frame but C's: amp_run() is called here, and what
 * raises inside (an explored part's `wait`) has returned by then.
 */
#include "py_port.h"

/* A signal came while the part waited, without the GIL. */
static int let_python_handle(struct amp_seat *seat)
{
    PyGILState_STATE state = PyGILState_Ensure();
    int error = PyErr_CheckSignals();

    (void)seat;
    PyGILState_Release(state);
    return error ? -EINTR : 0;
}

static PyObject *ended(struct port *port, int error, const char *text)
{
    switch (error) {
    case 0:
        Py_RETURN_NONE;
    case AMP_VIOLATED:
        PyErr_SetString(py_errors.violation, text);
        return NULL;
    case -EINTR: /* a signal handler raised */
        return NULL;
    case -ETIME:
        PyErr_SetString(py_errors.stall, text);
        return NULL;
    case -EFAULT:
    case -EINVAL:
        PyErr_SetString(py_errors.access_fault, text);
        return NULL;
    default:
        return py_fail((PyObject *)port, "run_c", error);
    }
}

/* How many sites there are, or -1. */
static int sites_of(const struct port *port, PyObject *given, uint8_t *table)
{
    Py_buffer sites;
    int count = -1;

    if (given == Py_None) {
        memcpy(table, port->sites, sizeof(port->sites));
        return (int)port->site_count;
    }
    if (PyObject_GetBuffer(given, &sites, PyBUF_SIMPLE))
        return -1;
    if (sites.len > AMP_SITES_LIMIT) {
        PyErr_Format(PyExc_ValueError, "sites: a table of %zd, expected at most %d", sites.len, AMP_SITES_LIMIT);
    } else {
        memcpy(table, sites.buf, (size_t)sites.len);
        count = sites.len ? (int)sites.len - 1 : 0;
    }
    PyBuffer_Release(&sites);
    return count;
}

/* run_c(function, argument=0, sites=None): by default what stands at the sites of the port stands at those of the same numbers. */
PyObject *py_run_c(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    struct port *port = (struct port *)self;
    void (*part)(const struct amp_port *port, void *argument);
    uint8_t table[AMP_SITES_LIMIT] = {0};
    uint64_t function, argument = 0, ignored;
    char text[AMP_TEXT_BYTES];
    int error, count;

    if (n < 1 || n > 3)
        return PyErr_Format(PyExc_TypeError, "run_c takes 1 to 3 arguments, %zd given", n);
    if (py_word_value(args[0], &function, &ignored) || (n > 1 && py_word_value(args[1], &argument, &ignored)) ||
        (count = sites_of(port, n > 2 ? args[2] : Py_None, table)) < 0)
        return NULL;
    part = (void (*)(const struct amp_port *, void *))(uintptr_t)function;
    port->seat.sites = table;
    port->seat.site_count = (unsigned)count;
    if (port->way == PY_EXPLORED) { /* lets other CPUs of this thread run */
        error = amp_run(&port->c, part, (void *)(uintptr_t)argument, text);
    } else {
        Py_BEGIN_ALLOW_THREADS
        port->seat.signalled = let_python_handle;
        error = amp_run(&port->c, part, (void *)(uintptr_t)argument, text);
        port->seat.signalled = NULL;
        Py_END_ALLOW_THREADS
    }
    port->seat.sites = NULL;
    port->seat.site_count = 0;
    return ended(port, error, text);
}
