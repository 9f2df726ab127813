/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * py_port.c - the methods of a port, the one door to shared memory: those of ModelledPort, DirectPort and ExploredPort are
 * the same. Accesses and barriers are here; doorbells are py_doorbell.c's.
 *
 * A port is one CPU's. Addresses are byte offsets in the region; scalars are little endian and aligned. What a barrier
 * at a site is, the port's site map says (site number -> primitive number, as bytes).
 */
#include "py_port.h"

static int expect(const char *name, Py_ssize_t given, Py_ssize_t wanted)
{
    if (given == wanted)
        return 0;
    PyErr_Format(PyExc_TypeError, "%s takes %zd arguments, %zd given", name, wanted, given);
    return -1;
}

/* What went wrong tells the program these arguments. */
static PyObject *fail_on(PyObject *const *args, Py_ssize_t n, PyObject *null)
{
    for (Py_ssize_t i = 0; i < n; i++)
        py_word_look(args[i]);
    return null;
}

static PyObject *do_load(PyObject *self, PyObject *const *args, Py_ssize_t n, unsigned size, int acquire,
                         const char *name)
{
    struct port *port = (struct port *)self;
    struct amp_word word = {0};
    uint64_t address, after;
    int error;

    if (expect(name, n, 1) || py_word_value(args[0], &address, &after))
        return NULL;
    RETRYING(error, port->c.ops->load(&port->c, address, size, acquire ? AMP_ORDERED : 0, after, &word));
    if (error)
        return fail_on(args, n, py_fail_access(port, name, address, size, error));
    return port->way == PY_DIRECT ? PyLong_FromUnsignedLongLong(word.value) : py_word_new(word.value, word.time);
}

static int fits(uint64_t value, unsigned size)
{
    return size == 8 || value >> 8 * size == 0;
}

static PyObject *too_wide(const char *name, uint64_t value, unsigned size)
{
    return PyErr_Format(PyExc_OverflowError, "%s: %llu does not fit into %u bytes", name, (unsigned long long)value,
                        size);
}

static PyObject *do_store(PyObject *self, PyObject *const *args, Py_ssize_t n, unsigned size, int release,
                          const char *name)
{
    struct port *port = (struct port *)self;
    struct amp_origin from = {0};
    uint64_t address, value;
    int error;

    if (expect(name, n, 2) || py_word_value(args[0], &address, &from.address) ||
        py_word_value(args[1], &value, &from.value))
        return NULL;
    if (!fits(value, size))
        return fail_on(args, n, too_wide(name, value, size));
    RETRYING(error, port->c.ops->store(&port->c, address, size, value, release ? AMP_ORDERED : 0, from));
    if (error)
        return fail_on(args, n, py_fail_access(port, name, address, size, error));
    Py_RETURN_NONE;
}

static PyObject *do_atomic(PyObject *self, PyObject *const *args, Py_ssize_t n, unsigned size, enum amp_atomic op,
                           const char *name)
{
    struct port *port = (struct port *)self;
    struct amp_word word = {0};
    struct amp_origin from = {0};
    uint64_t address, operand, expected = 0;
    int error;

    if (expect(name, n, op == AMP_CMPXCHG ? 3 : 2) || py_word_value(args[0], &address, &from.address) ||
        py_word_value(args[n - 1], &operand, &from.value))
        return NULL;
    if (op == AMP_CMPXCHG && py_word_value(args[1], &expected, &from.expected))
        return NULL;
    if (!fits(operand, size) || !fits(expected, size))
        return fail_on(args, n, too_wide(name, fits(operand, size) ? expected : operand, size));
    RETRYING(error, port->c.ops->atomic(&port->c, address, size, op, operand, expected, 0, from, &word));
    if (error)
        return fail_on(args, n, py_fail_access(port, name, address, size, error));
    return port->way == PY_DIRECT ? PyLong_FromUnsignedLongLong(word.value) : py_word_new(word.value, word.time);
}

#define PER_SIZE(bits)                                                                                              \
    static PyObject *load_u##bits(PyObject *self, PyObject *const *args, Py_ssize_t n)                              \
    {                                                                                                               \
        return do_load(self, args, n, bits / 8, 0, "load_u" #bits);                                                 \
    }                                                                                                               \
    static PyObject *load_acquire_u##bits(PyObject *self, PyObject *const *args, Py_ssize_t n)                      \
    {                                                                                                               \
        return do_load(self, args, n, bits / 8, 1, "load_acquire_u" #bits);                                         \
    }                                                                                                               \
    static PyObject *store_u##bits(PyObject *self, PyObject *const *args, Py_ssize_t n)                             \
    {                                                                                                               \
        return do_store(self, args, n, bits / 8, 0, "store_u" #bits);                                               \
    }                                                                                                               \
    static PyObject *store_release_u##bits(PyObject *self, PyObject *const *args, Py_ssize_t n)                     \
    {                                                                                                               \
        return do_store(self, args, n, bits / 8, 1, "store_release_u" #bits);                                       \
    }                                                                                                               \
    static PyObject *xchg_u##bits(PyObject *self, PyObject *const *args, Py_ssize_t n)                              \
    {                                                                                                               \
        return do_atomic(self, args, n, bits / 8, AMP_XCHG, "xchg_u" #bits);                                        \
    }                                                                                                               \
    static PyObject *cmpxchg_u##bits(PyObject *self, PyObject *const *args, Py_ssize_t n)                           \
    {                                                                                                               \
        return do_atomic(self, args, n, bits / 8, AMP_CMPXCHG, "cmpxchg_u" #bits);                                  \
    }                                                                                                               \
    static PyObject *fetch_add_u##bits(PyObject *self, PyObject *const *args, Py_ssize_t n)                         \
    {                                                                                                               \
        return do_atomic(self, args, n, bits / 8, AMP_ADD, "fetch_add_u" #bits);                                    \
    }

PER_SIZE(8)
PER_SIZE(16)
PER_SIZE(32)
PER_SIZE(64)

static PyObject *port_read(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    static PyObject *(*const read[])(PyObject *port, uint64_t address, uint64_t length, uint64_t after) = {
        [PY_MODELLED] = py_lazy_read, [PY_DIRECT] = py_direct_read, [PY_EXPLORED] = py_explored_read};
    struct port *port = (struct port *)self;
    uint64_t address, length, after, ignored;

    if (expect("read", n, 2) || py_word_value(args[0], &address, &after) || py_word_value(args[1], &length, &ignored))
        return NULL;
    py_word_look(args[1]); /* a length is the bound of a loop: a branch, no part of the address */
    if (address < port->shared_start || address > port->shared_end || length > port->shared_end - address)
        return fail_on(args, n, py_fail_access(port, "read", address, length, -EFAULT)); /* before anything is allocated */
    return read[port->way](self, address, length, after);
}

static PyObject *port_write(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    struct port *port = (struct port *)self;
    struct amp_origin from = {0};
    uint64_t address;
    Py_buffer bytes;
    int error;

    if (expect("write", n, 2) || py_word_value(args[0], &address, &from.address) ||
        PyObject_GetBuffer(args[1], &bytes, PyBUF_SIMPLE))
        return NULL;
    do
        error = port->c.ops->write(&port->c, address, bytes.buf, (uint64_t)bytes.len, from);
    while (error && interrupted(error) == 0);
    PyBuffer_Release(&bytes);
    if (error == -EINTR)
        return NULL;
    if (error)
        return fail_on(args, 1, py_fail_access(port, "write", address, (uint64_t)bytes.len, error));
    Py_RETURN_NONE;
}

static PyObject *barrier_with(PyObject *self, uint64_t primitive, uint64_t site, const char *what)
{
    struct port *port = (struct port *)self;
    int error;

    RETRYING(error, port->c.ops->barrier(&port->c, (unsigned)primitive, (unsigned)site));
    if (error)
        return py_fail(self, what, error);
    Py_RETURN_NONE;
}

static PyObject *port_barrier(PyObject *self, PyObject *site)
{
    PyObject *numbers = ((struct port *)self)->numbers;
    uint64_t number, ignored;

    if (numbers && !PyLong_Check(site)) {
        PyObject *found = PyObject_GetItem(numbers, site);

        number = found ? PyLong_AsUnsignedLongLong(found) : 0;
        Py_XDECREF(found);
        if (PyErr_Occurred())
            return NULL;
    } else if (py_word_value(site, &number, &ignored))
        return NULL;
    else
        py_word_look(site);
    if (number < 1 || number > ((struct port *)self)->site_count)
        return PyErr_Format(PyExc_ValueError, "barrier: site %llu, this program has %u, from 1",
                            (unsigned long long)number, ((struct port *)self)->site_count);
    return barrier_with(self, ((struct port *)self)->sites[number], number, "barrier");
}

static PyObject *port_fence(PyObject *self, PyObject *primitive)
{
    uint64_t number, ignored;

    if (py_word_value(primitive, &number, &ignored))
        return NULL;
    py_word_look(primitive);
    return barrier_with(self, number < AMP_INSTRUCTIONS ? number : AMP_PRIMITIVES, 0, "fence");
}

static PyObject *port_note(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    struct port *port = (struct port *)self;
    uint64_t code, value, ignored;
    int error;

    if (expect("note", n, 2) || py_word_value(args[0], &code, &ignored) || py_word_value(args[1], &value, &ignored))
        return NULL;
    RETRYING(error, port->c.ops->note(&port->c, code <= UINT8_MAX ? (unsigned)code : UINT8_MAX + 1u, value));
    if (error)
        return fail_on(args, n, py_fail(self, "note", error));
    Py_RETURN_NONE;
}

static PyObject *port_retire(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    struct port *port = (struct port *)self;
    int error;

    RETRYING(error, port->c.ops->retire(&port->c));
    if (error)
        return py_fail(self, "retire", error);
    Py_RETURN_NONE;
}

static PyObject *port_fail(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    ((struct port *)self)->cpu.model.failed = true;
    Py_RETURN_NONE;
}

#define FAST(name, function, doc) {name, (PyCFunction)(void (*)(void))(function), METH_FASTCALL, doc}
#define SIZED(bits)                                                                                                  \
    FAST("load_u" #bits, load_u##bits, "load(address) -> the value"),                                                \
    FAST("load_acquire_u" #bits, load_acquire_u##bits, "load(address) -> the value; later accesses stay later"),     \
    FAST("store_u" #bits, store_u##bits, "store(address, value)"),                                                   \
    FAST("store_release_u" #bits, store_release_u##bits, "store(address, value); earlier accesses stay earlier"),    \
    FAST("xchg_u" #bits, xchg_u##bits, "xchg(address, value) -> the old value; fully ordered"),                      \
    FAST("cmpxchg_u" #bits, cmpxchg_u##bits, "cmpxchg(address, old, new) -> the old value; fully ordered"),          \
    FAST("fetch_add_u" #bits, fetch_add_u##bits, "fetch_add(address, n) -> the old value; fully ordered")

#define METHODS                                                                                                       \
    SIZED(8),                                                                                                         \
    SIZED(16),                                                                                                        \
    SIZED(32),                                                                                                        \
    SIZED(64),                                                                                                        \
    FAST("read", port_read, "read(address, length) -> the bytes, loaded at the latest when they are used"),           \
    FAST("write", port_write, "write(address, bytes): a bulk store, granule by granule, in no order"),                \
    {"barrier", port_barrier, METH_O, "barrier(site): whatever stands at that site"},                                 \
    {"fence", port_fence, METH_O, "fence(primitive)"},                                                                \
    {"kick", py_port_kick, METH_O, "kick(cpu): ring that CPU's doorbell; never blocks, kicks coalesce"},                 \
    {"rung", py_port_rung, METH_NOARGS, "rung() -> 1 if this CPU's doorbell has rung, and was not taken; a load"},       \
    {"acknowledge", py_port_acknowledge, METH_NOARGS, "acknowledge(): takes this CPU's doorbell; a store to its mailbox"}, \
    FAST("wait", py_port_wait, "wait(timeout_s=None) -> True with the interrupt taken, False when the time was up"),     \
    FAST("note", port_note, "note(code, value): leave a mark in the trace"),                                          \
    FAST("run_c", py_run_c, "run_c(function, argument, sites): a C function as this CPU's part, see include/amp.h"),   \
    {"run_code", py_run_code, METH_O, "run_code(engine): compiled code as this CPU's part"},                         \
    {"retire", port_retire, METH_NOARGS, "no more accesses from this CPU"},                                           \
    {"set_spin_ns", py_port_set_spin, METH_O, "how long wait() spins before it sleeps"}

#define LIVE_METHODS                                                                                                  \
    METHODS,                                                                                                          \
    {"listen", py_port_listen, METH_O, "listen(timeout_s) -> True when an interrupt is there; a second thread's"},       \
    {"interrupt", py_port_interrupt, METH_NOARGS, "ring this CPU's own doorbell from outside; any thread"}

PyMethodDef py_modelled_methods[] = {
    LIVE_METHODS,
    {"fail", port_fail, METH_NOARGS, "before retire(): this CPU's part has failed; who only looks on is ended"},
    {NULL, NULL, 0, NULL},
};

PyMethodDef py_direct_methods[] = {
    LIVE_METHODS,
    FAST("write_rows", py_write_rows, "write_rows(addresses, lengths, rows): bulk stores of many pieces"),
    FAST("read_rows", py_read_rows, "read_rows(addresses, lengths, rows): bulk loads of many pieces"),
    {NULL, NULL, 0, NULL},
};

PyMethodDef py_explored_methods[] = {
    METHODS,
    {"look_begin", py_look_begin, METH_NOARGS, "a look of a poll begins"},
    {"look_end", py_look_end, METH_O, "look_end(found): it has ended; if it found nothing, let others run"},
    {"look_undone", py_look_undone, METH_NOARGS, "it could not be: let others run"},
    {"look_place", py_look_place, METH_NOARGS, "before a look: a number that tells what the program knows"},
    {"look_path", py_look_path, METH_NOARGS, "a number that tells looks apart by what they have done so far"},
    {NULL, NULL, 0, NULL},
};
