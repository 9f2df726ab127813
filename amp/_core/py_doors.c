/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * py_doors.c - the two doors of a port, the model's and the bare region's, and what goes wrong behind them, as exceptions.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "bell.h"
#include "fences.h"
#include "py_port.h"

static void fail_misfit(const struct port *port, const char *what)
{
    size_t size = (size_t)((uint8_t *)port->region.buf + port->region.len - (uint8_t *)port->cpu.model.model);
    char text[320] = "", whole[352];
    uint64_t goal = 0;
    PyObject *exception;

    amp_model_misfit(port->cpu.model.model, size, &goal, text, sizeof text);
    snprintf(whole, sizeof whole, "%s: %s", what, text);
    exception = PyObject_CallFunction(py_errors.script_mismatch, "sK", whole, (unsigned long long)goal);
    if (exception)
        PyErr_SetObject(py_errors.script_mismatch, exception);
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
    case -ECANCELED: /* the explorer's door has set one */
        assert(PyErr_Occurred());
        break;
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

static int model_load(struct port *p, uint64_t address, unsigned size, uint64_t after, int acquire, struct amp_word *out)
{
    return amp_load(&p->cpu.model, address, size, after, acquire, out);
}

static int model_store(struct port *p, uint64_t address, unsigned size, uint64_t value, int release,
                       struct origin from)
{
    /* A pending store has its value: nothing becomes visible before it is known. What reads it comes after that. */
    p->cpu.model.origin = from.address > from.value ? from.address : from.value;
    return amp_store(&p->cpu.model, address, size, value, release);
}

static int model_atomic(struct port *p, uint64_t address, unsigned size, enum amp_atomic op, uint64_t operand,
                        uint64_t expected, struct origin from, struct amp_word *out)
{
    (void)from;
    p->cpu.model.origin = 0; /* it is visible at once */
    return amp_atomic(&p->cpu.model, address, size, op, operand, expected, out);
}

static int model_write(struct port *p, uint64_t address, const uint8_t *bytes, uint64_t length, struct origin from)
{
    p->cpu.model.origin = from.address;
    return amp_store_bulk(&p->cpu.model, address, bytes, length);
}

static int model_barrier(struct port *p, unsigned primitive, unsigned site)
{
    p->cpu.model.origin = 0;
    return amp_barrier(&p->cpu.model, primitive, site);
}

static int model_kick(struct port *p, unsigned target)
{
    p->cpu.model.origin = 0;
    return amp_kick(&p->cpu.model, target);
}

static int model_wait(struct port *p, int64_t timeout_ns)
{
    return amp_wait(&p->cpu.model, timeout_ns);
}

static int model_listen(struct port *p, int64_t timeout_ns)
{
    return amp_listen(&p->cpu.model, timeout_ns);
}

static int model_interrupt(struct port *p)
{
    return amp_interrupt(&p->cpu.model);
}

static int model_note(struct port *p, unsigned code, uint64_t value)
{
    return amp_note(&p->cpu.model, code, value);
}

static int model_retire(struct port *p)
{
    return amp_cpu_retire(&p->cpu.model);
}

static int direct_load(struct port *p, uint64_t address, unsigned size, uint64_t after, int acquire,
                       struct amp_word *out)
{
    (void)after; /* the silicon sees to it */
    return amp_direct_load(&p->cpu.direct, address, size, acquire, &out->value);
}

static int direct_store(struct port *p, uint64_t address, unsigned size, uint64_t value, int release,
                        struct origin from)
{
    (void)from; /* the silicon sees to it */
    return amp_direct_store(&p->cpu.direct, address, size, value, release);
}

static int direct_atomic(struct port *p, uint64_t address, unsigned size, enum amp_atomic op, uint64_t operand,
                         uint64_t expected, struct origin from, struct amp_word *out)
{
    (void)from;
    return amp_direct_atomic(&p->cpu.direct, address, size, op, operand, expected, &out->value);
}

static int direct_write(struct port *p, uint64_t address, const uint8_t *bytes, uint64_t length, struct origin from)
{
    (void)from; /* the silicon sees to it */
    return amp_direct_write(&p->cpu.direct, address, bytes, length);
}

static int direct_barrier(struct port *p, unsigned primitive, unsigned site)
{
    (void)p;
    (void)site;
    if (primitive >= AMP_FENCES)
        return -EINVAL;
    amp_fence_real(primitive);
    return 0;
}

static int direct_kick(struct port *p, unsigned target)
{
    if (target >= p->cpu.direct.cpus)
        return -EINVAL;
    amp_bell_ring(p->cpu.direct.board, target);
    return 0;
}

static int direct_wait(struct port *p, int64_t timeout_ns)
{
    struct amp_direct *cpu = &p->cpu.direct;

    return amp_bell_wait(cpu->board, cpu->id, cpu->cpus, cpu->spin_ns, timeout_ns);
}

static int direct_listen(struct port *p, int64_t timeout_ns)
{
    struct amp_direct *cpu = &p->cpu.direct;

    return amp_bell_sleep(cpu->board, cpu->id, cpu->cpus, 0, timeout_ns);
}

static int direct_interrupt(struct port *p)
{
    amp_bell_ring(p->cpu.direct.board, p->cpu.direct.id);
    return 0;
}

static int direct_note(struct port *p, unsigned code, uint64_t value)
{
    (void)p;
    (void)code;
    (void)value;
    return 0;
}

static int direct_retire(struct port *p)
{
    amp_bell_gone(p->cpu.direct.board, p->cpu.direct.id);
    return 0;
}

static PyObject *direct_read(PyObject *self, uint64_t address, uint64_t length, uint64_t after)
{
    struct port *port = (struct port *)self;
    uint64_t start = port->shared_start, end = port->shared_end;

    (void)after;
    if (address < start || address > end || length > end - address)
        return py_fail_access(port, "read", address, length, -EFAULT);
    return PyBytes_FromStringAndSize((char *)port->cpu.direct.memory + address, (Py_ssize_t)length);
}

const struct door py_model_door = {
    model_load, model_store,  model_atomic,    model_write, model_barrier, model_kick,
    model_wait, model_listen, model_interrupt, model_note,  model_retire,  py_lazy_read,
};
const struct door py_direct_door = {
    direct_load, direct_store,  direct_atomic,    direct_write, direct_barrier, direct_kick,
    direct_wait, direct_listen, direct_interrupt, direct_note,  direct_retire,  direct_read,
};
