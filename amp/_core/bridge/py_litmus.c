/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * py_litmus.c - litmus(...): all outcomes of a litmus test, for amp.litmus.enumerate.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/bell.h"
#include "explore/litmus.h"
#include "py_explore.h"

struct limits {
    unsigned long long executions, ns;
};

/* A location with more than one width of access, one of which is not in what is declared. */
static bool goes_beyond(const struct litmus *test)
{
    for (unsigned i = 0; i < test->locations; i++) {
        uint8_t whole = (uint8_t)(1u | (test->widest[i] < AMP_GRANULE ? 1u << test->widest[i] : 0));

        if (test->widest[i] > test->size[i] && test->cuts[i] & ~whole)
            return true;
    }
    return false;
}

/* Every run, until there are no more or a limit is reached: 1, 0, or a negative errno. */
static int run_all(struct litmus *test, const struct limits *limits)
{
    uint64_t until = amp_now_ns() + limits->ns;
    uint32_t lessons = 0;

    for (;;) {
        int error = litmus_run(test);

        if (error == -ESTALE && !goes_beyond(test)) {
            litmus_lay_out(test);
            continue;
        }
        if (error == -ESTALE)
            return -ERANGE;
        if (error)
            return error;
        if (test->x->counts.executions >= limits->executions || (test->x->counts.runs % 256 == 0 && amp_now_ns() > until))
            return !xp_advance(test->x);
        if (xp_advance(test->x))
            continue;
        if (test->x->error || !test->x->compared || test->x->lessons == lessons)
            return test->x->error ? test->x->error : 1;
        lessons = test->x->lessons;
        xp_restart(test->x);
        test->outcomes = 0;
    }
}

static PyObject *outcome_list(const struct litmus *test)
{
    unsigned n = test->observed_registers + test->observed_locations;
    PyObject *list = PyList_New(0);

    for (uint32_t i = 0; list && i < test->outcomes; i++) {
        PyObject *values = PyTuple_New(n), *pair = NULL;

        for (unsigned v = 0; values && v < n; v++)
            PyTuple_SetItem(values, v, PyLong_FromUnsignedLongLong(test->outcome[i].value[v]));
        if (values)
            pair = Py_BuildValue("(NK)", values, (unsigned long long)test->outcome[i].count);
        if (!pair || PyList_Append(list, pair))
            Py_CLEAR(list);
        Py_XDECREF(pair);
    }
    return list;
}

/* (threads: tuple of bytes) */
static int take_threads(struct litmus *test, PyObject *threads)
{
    Py_ssize_t n = PyTuple_Size(threads);

    if (n < 1 || n > AMP_CPUS) {
        PyErr_Format(PyExc_ValueError, "%zd threads, expected 1 to %d", n, AMP_CPUS);
        return -1;
    }
    test->threads = (unsigned)n;
    for (Py_ssize_t i = 0; i < n; i++) {
        char *code;
        Py_ssize_t length;

        if (PyBytes_AsStringAndSize(PyTuple_GetItem(threads, i), &code, &length))
            return -1;
        test->thread[i].code = (const struct amp_insn *)(void *)code;
        test->thread[i].length = (uint32_t)(length / (Py_ssize_t)sizeof(struct amp_insn));
    }
    return 0;
}

static int take_numbers(PyObject *tuple, Py_ssize_t most, const char *what, uint64_t *out)
{
    Py_ssize_t n = PyTuple_Size(tuple);

    if (n > most) {
        PyErr_Format(PyExc_ValueError, "%zd %s, at most %zd", n, what, most);
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++)
        out[i] = PyLong_AsUnsignedLongLong(PyTuple_GetItem(tuple, i));
    return PyErr_Occurred() ? -1 : (int)n;
}

static bool is_width(unsigned bytes)
{
    return bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8;
}

/* What `arg` and `imm` say beside the registers. */
static bool is_operand(const struct amp_insn *i)
{
    switch (i->op) {
    case LOAD:
    case STORE:
        return is_width(i->arg);
    case RMW:
        return i->arg < LITMUS_RMWS && is_width((unsigned)(i->imm >> 8) & 0xff) && i->imm >= 0 && i->imm < 1 << 16 &&
               (i->imm & 0xff) < LITMUS_REGISTERS;
    case JUMP:
    case JUMP_IF_ZERO:
    case JUMP_IF_NOT_ZERO:
        return i->imm >= 0 && i->imm <= UINT32_MAX;
    default:
        return i->op < LITMUS_OPS;
    }
}

/* Registers and operands in range? The interpreter does not look again. */
static int check_code(const struct litmus *test)
{
    for (unsigned t = 0; t < test->threads; t++)
        for (uint32_t i = 0; i < test->thread[t].length; i++) {
            const struct amp_insn *insn = &test->thread[t].code[i];

            if (insn->dst >= LITMUS_REGISTERS || insn->a >= LITMUS_REGISTERS || insn->b >= LITMUS_REGISTERS ||
                insn->order >= test->orderings || !is_operand(insn)) {
                PyErr_Format(PyExc_ValueError, "thread %u, instruction %u: a register, width or ordering out of range",
                             t, (unsigned)i);
                return -1;
            }
        }
    return 0;
}

static int prepare(struct litmus *test, struct explorer *x, PyObject *const *args)
{
    uint64_t domain[AMP_CPUS], observed[2 * LITMUS_OBSERVED];
    char *orders, *implicit;
    Py_ssize_t length;
    unsigned levels = (unsigned)PyLong_AsUnsignedLong(args[3]);
    int n, copies = PyObject_IsTrue(args[12]);

    if (copies < 0 || PyErr_Occurred() || take_threads(test, args[0]) || xp_open(x, test->threads, levels))
        return -1;
    n = take_numbers(args[1], LITMUS_LOCATIONS, "locations", test->initial);
    if (n < 0)
        return -1;
    test->locations = (unsigned)n;
    if (take_numbers(args[10], LITMUS_LOCATIONS, "sizes", observed) != n) {
        PyErr_SetString(PyExc_ValueError, "one size for each location");
        return -1;
    }
    for (int i = 0; i < n; i++)
        test->size[i] = (uint8_t)observed[i];
    test->faults = (uint8_t)PyLong_AsUnsignedLong(args[11]);
    if (PyErr_Occurred())
        return -1;
    litmus_lay_out(test);
    if (PyBytes_AsStringAndSize(args[2], &orders, &length))
        return -1;
    test->orders = (const struct xp_orders *)(void *)orders;
    test->orderings = (unsigned)(length / (Py_ssize_t)sizeof(struct xp_orders));
    if (take_numbers(args[4], AMP_CPUS, "domains", domain) != (int)test->threads) {
        PyErr_SetString(PyExc_ValueError, "one domain for each thread");
        return -1;
    }
    if (PyBytes_AsStringAndSize(args[5], &implicit, &length) || length != XP_LEVELS) {
        PyErr_SetString(PyExc_ValueError, "implicit orders: one byte a level");
        return -1;
    }
    for (unsigned i = 0; i < test->threads; i++) {
        x->graph.cpu[i].domain = (uint8_t)domain[i];
        x->graph.cpu[i].copies = copies != 0;
        for (unsigned level = 0; level < XP_LEVELS; level++)
            x->graph.cpu[i].implicit[level] = (uint8_t)implicit[level];
    }
    xp_graph_lay_out(&x->graph);
    n = take_numbers(args[6], 2 * LITMUS_OBSERVED, "observed registers", observed);
    if (n < 0)
        return -1;
    test->observed_registers = (unsigned)n / 2;
    for (unsigned i = 0; i < test->observed_registers; i++) {
        test->observed[i][0] = (uint16_t)(observed[2 * i] % test->threads);
        test->observed[i][1] = (uint16_t)(observed[2 * i + 1] % LITMUS_REGISTERS);
    }
    n = take_numbers(args[7], LITMUS_OBSERVED - test->observed_registers, "observed locations", observed);
    if (n < 0)
        return -1;
    test->observed_locations = (unsigned)n;
    for (unsigned i = 0; i < test->observed_locations; i++)
        test->observed[test->observed_registers + i][0] = (uint16_t)(observed[i] % test->locations);
    return check_code(test);
}

static const char *reason(int error)
{
    switch (error) {
    case -EFAULT:
        return "a thread used a value as an address that is no location's";
    case -EDOM:
        return "an access is not aligned, or leaves the location at which it begins";
    case -ERANGE:
        return "a location has accesses of several widths, one of them wider than it is declared";
    case -ENOTSUP:
        return "a load that takes some of its bytes from a dependent store or an atomic of its own thread, and others from "
               "elsewhere, is not supported";
    case -ELOOP:
        return "a thread does not end";
    case -E2BIG:
        return "an execution has more events than the core holds";
    case -EINVAL:
        return "a thread has an instruction that the core does not know";
    default:
        return "out of memory";
    }
}

/* (threads, initial, orders, levels, domains, implicit, registers, locations, executions, ns, sizes, faults, copies) ->
 * ([(values, count)], executions, runs, complete) */
PyObject *py_litmus(PyObject *module, PyObject *const *args, Py_ssize_t n)
{
    struct litmus *test;
    struct explorer *x;
    struct limits limits;
    PyObject *result = NULL;
    int done;

    (void)module;
    if (n != 13) {
        PyErr_SetString(PyExc_TypeError, "litmus takes 13 arguments");
        return NULL;
    }
    limits = (struct limits){PyLong_AsUnsignedLongLong(args[8]), PyLong_AsUnsignedLongLong(args[9])};
    if (PyErr_Occurred())
        return NULL;
    test = calloc(1, sizeof *test);
    x = calloc(1, sizeof *x);
    if (!test || !x) {
        free(test);
        free(x);
        return PyErr_NoMemory();
    }
    test->x = x;
    test->max_steps = 10000;
    if (prepare(test, x, args) == 0) {
        Py_BEGIN_ALLOW_THREADS
        done = run_all(test, &limits);
        Py_END_ALLOW_THREADS
        if (done < 0)
            PyErr_SetString(PyExc_RuntimeError, reason(done));
        else
            result = Py_BuildValue("(NKKN)", outcome_list(test), (unsigned long long)x->counts.executions,
                                   (unsigned long long)x->counts.runs, PyBool_FromLong(done));
    }
    xp_close(x);
    free(test->outcome);
    free(test);
    free(x);
    return result;
}
