/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * py_doorbell.c - a port's doorbell: who rings another's, takes its own, or sleeps until it rings.
 */
#include "model/bell.h"
#include "py_port.h"

PyObject *py_port_kick(PyObject *self, PyObject *target)
{
    struct port *port = (struct port *)self;
    uint64_t number, ignored;
    int error;

    if (!PyIndex_Check(target))
        return PyErr_Format(PyExc_TypeError, "kick: %R is no number of a processor, such as amp.REMOTE", target);
    if (py_word_value(target, &number, &ignored))
        return NULL;
    py_word_look(target);
    RETRYING(error, port->c.ops->kick(&port->c, number < AMP_CPUS ? (unsigned)number : AMP_CPUS));
    if (error == -EINVAL)
        return PyErr_Format(PyExc_ValueError, "kick: this program has no processor %R", target);
    if (error)
        return py_fail(self, "kick", error);
    Py_RETURN_NONE;
}

/* rung() -> Word: 1 if this CPU's doorbell has rung, and been neither taken nor acknowledged, else 0 */
PyObject *py_port_rung(PyObject *self, PyObject *Py_UNUSED(none))
{
    struct port *port = (struct port *)self;
    struct amp_word word = {0};
    int error;

    RETRYING(error, port->c.ops->status(&port->c, 0, 0, &word));
    if (error)
        return py_fail(self, "rung", error);
    return port->way == PY_DIRECT ? PyLong_FromUnsignedLongLong(word.value) : py_word_new(word.value, word.time);
}

PyObject *py_port_acknowledge(PyObject *self, PyObject *Py_UNUSED(none))
{
    struct port *port = (struct port *)self;
    int error;

    RETRYING(error, port->c.ops->acknowledge(&port->c));
    if (error)
        return py_fail(self, "acknowledge", error);
    Py_RETURN_NONE;
}

/* The optional timeout_s as nanoseconds, -1 for none; returns -1 with an exception set. */
static int parse_timeout(const char *name, PyObject *const *args, Py_ssize_t n, int64_t *timeout_ns)
{
    double seconds;

    *timeout_ns = -1;
    if (n > 1) {
        PyErr_Format(PyExc_TypeError, "%s takes at most 1 argument, %zd given", name, n);
        return -1;
    }
    if (n == 0 || args[0] == Py_None)
        return 0;
    seconds = PyFloat_AsDouble(args[0]);
    if (seconds == -1.0 && PyErr_Occurred())
        return -1;
    if (!(seconds >= 0 && seconds < 1e9)) {
        PyErr_Format(PyExc_ValueError, "%s: timeout_s must be between 0 and 1e9", name);
        return -1;
    }
    *timeout_ns = (int64_t)(seconds * 1e9);
    return 0;
}

/* Sleep by `sleep`, Python's signal handlers in between: True, False when the time was up, or an exception. */
static PyObject *sleep_by(int (*sleep)(const struct amp_port *port, int64_t timeout_ns), struct port *port, int64_t timeout_ns,
                          const char *name)
{
    uint64_t start = timeout_ns < 0 ? 0 : amp_now_ns();
    int error;

    for (;;) {
        int64_t spent = timeout_ns < 0 ? 0 : (int64_t)(amp_now_ns() - start);

        if (port->way == PY_EXPLORED) {
            error = sleep(&port->c, timeout_ns); /* lets another CPU of this thread run */
        } else {
            Py_BEGIN_ALLOW_THREADS
            error = sleep(&port->c, timeout_ns < 0 ? -1 : spent < timeout_ns ? timeout_ns - spent : 0);
            Py_END_ALLOW_THREADS
        }
        if (error != -EINTR)
            break;
        if (PyErr_CheckSignals())
            return NULL;
    }
    if (error == -ETIMEDOUT)
        Py_RETURN_FALSE;
    if (error)
        return py_fail((PyObject *)port, name, error);
    Py_RETURN_TRUE;
}

/* wait(timeout_s=None) -> bool: True with the interrupt taken, False when the time was up. */
PyObject *py_port_wait(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    struct port *port = (struct port *)self;
    int64_t timeout_ns;

    if (parse_timeout("wait", args, n, &timeout_ns))
        return NULL;
    return sleep_by(port->c.ops->wait, port, timeout_ns, "wait");
}

/* listen(timeout_s) -> bool: the same for a second thread, which takes nothing. Always with a limit. */
PyObject *py_port_listen(PyObject *self, PyObject *seconds)
{
    struct port *port = (struct port *)self;
    int64_t timeout_ns;

    if (parse_timeout("listen", &seconds, 1, &timeout_ns))
        return NULL;
    if (timeout_ns < 0)
        return PyErr_Format(PyExc_TypeError, "listen: timeout_s must be a number");
    return sleep_by(port->c.ops->listen, port, timeout_ns, "listen");
}

PyObject *py_port_interrupt(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    struct port *port = (struct port *)self;
    int error = port->c.ops->interrupt(&port->c);

    if (error)
        return py_fail(self, "interrupt", error);
    Py_RETURN_NONE;
}

PyObject *py_port_set_spin(PyObject *self, PyObject *value)
{
    struct port *port = (struct port *)self;
    uint64_t spin_ns, ignored;

    if (py_word_value(value, &spin_ns, &ignored))
        return NULL;
    if (port->way == PY_MODELLED)
        port->cpu.model.spin_ns = spin_ns;
    else if (port->way == PY_DIRECT)
        port->cpu.direct.spin_ns = spin_ns;
    Py_RETURN_NONE;
}
