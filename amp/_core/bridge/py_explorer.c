/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * py_explorer.c - Explorer: runs and their choices, for amp.explore.explorer. What a run was is py_execution.c's, how its
 * parts wait and look py_explored.c's.
 */
#include "py_explored.h"

static PyTypeObject *explorer_type;

/* (domain, implicit, orders of each primitive towards siblings, and towards the others, four bytes each, whether its stores
 * reach the others one by one) of one CPU */
static int take_orders(struct explorer_object *self, unsigned cpu, PyObject *row)
{
    unsigned int domain, implicit;
    int copies;
    Py_buffer table[XP_LEVELS];

    if (!PyArg_ParseTuple(row, "IIy*y*p", &domain, &implicit, &table[0], &table[1], &copies))
        return -1;
    self->program.x->graph.cpu[cpu].domain = (uint8_t)domain;
    self->program.x->graph.cpu[cpu].copies = copies != 0;
    for (unsigned level = 0; level < XP_LEVELS; level++) {
        const uint32_t *orders = table[level].buf;

        self->program.x->graph.cpu[cpu].implicit[level] = (uint8_t)implicit;
        for (size_t i = 0; i < (size_t)table[level].len / sizeof *orders && i < AMP_PRIMITIVES; i++)
            memcpy(&self->program.orders[cpu][i].level[level], &orders[i], sizeof *orders);
        PyBuffer_Release(&table[level]);
    }
    return 0;
}

/* Explorer(shared_start, shared_end, levels, rows, unlook, over, broken) */
static PyObject *explorer_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(kwargs))
{
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    struct explorer_object *self;
    unsigned long long start, end;
    unsigned int levels;
    PyObject *tables, *unlook, *over, *broken;
    Py_ssize_t cpus;
    int error;

    if (!PyArg_ParseTuple(args, "KKIO!OOO:Explorer", &start, &end, &levels, &PyTuple_Type, &tables, &unlook, &over,
                          &broken))
        return NULL;
    cpus = PyTuple_Size(tables);
    self = (struct explorer_object *)allocate(type, 0);
    if (!self)
        return NULL;
    self->unlook = Py_NewRef(unlook);
    self->over = Py_NewRef(over);
    self->broken = Py_NewRef(broken);
    self->merging = true;
    error = xp_program_open(&self->program, (unsigned)cpus, levels, start, end);
    if (error) {
        Py_DECREF(self);
        if (error != -EINVAL)
            return PyErr_NoMemory();
        return PyErr_Format(PyExc_ValueError, "%zd CPUs, %u levels, or memory not of whole granules, or over %u bytes",
                            cpus, levels, XP_MEMORY_LIMIT);
    }
    for (unsigned i = 0; i < cpus; i++)
        if (take_orders(self, i, PyTuple_GetItem(tables, i))) {
            Py_DECREF(self);
            return NULL;
        }
    xp_graph_lay_out(&self->program.x->graph);
    return (PyObject *)self;
}

static void explorer_free(PyObject *object)
{
    struct explorer_object *self = py_explorer_of(object);
    PyTypeObject *type = Py_TYPE(object);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);

    xp_program_close(&self->program);
    Py_XDECREF(self->unlook);
    Py_XDECREF(self->over);
    Py_XDECREF(self->broken);
    release(object);
    Py_DECREF(type);
}

/* begin(again=False) */
static PyObject *explorer_begin(PyObject *object, PyObject *args)
{
    struct explorer_object *self = py_explorer_of(object);
    int again = 0;

    if (!PyArg_ParseTuple(args, "|p:begin", &again))
        return NULL;
    xp_program_begin(&self->program, again);
    Py_RETURN_NONE;
}

static PyObject *explorer_next(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromLong(xp_next(py_explorer_of(object)->program.x));
}

static PyObject *explorer_ending(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromLong((long)xp_program_ending(&py_explorer_of(object)->program));
}

static PyObject *explorer_advance(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(xp_advance(py_explorer_of(object)->program.x));
}

static PyObject *explorer_restart(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    xp_restart(py_explorer_of(object)->program.x);
    Py_RETURN_NONE;
}

/* set_chooser(kind, seed, depth) */
static PyObject *explorer_set_chooser(PyObject *object, PyObject *args)
{
    struct explorer *x = py_explorer_of(object)->program.x;
    unsigned int kind, depth;
    unsigned long long seed;

    if (!PyArg_ParseTuple(args, "IKI:set_chooser", &kind, &seed, &depth))
        return NULL;
    if (kind > XP_REPLAY || depth > 16)
        return PyErr_Format(PyExc_ValueError, "chooser %u, depth %u: at most %d and 16", kind, depth, XP_REPLAY);
    x->chooser = (uint8_t)kind;
    x->random = seed;
    x->pct_depth = depth;
    x->merging = kind == XP_EXHAUSTIVE && py_explorer_of(object)->merging;
    x->depth = 0;
    Py_RETURN_NONE;
}

/* set_merging(bool): with False, every execution is met, whatever state it comes through. */
static PyObject *explorer_set_merging(PyObject *object, PyObject *merging)
{
    struct explorer_object *self = py_explorer_of(object);
    int wanted = PyObject_IsTrue(merging);

    if (wanted < 0)
        return NULL;
    self->merging = wanted;
    self->program.x->merging = wanted && self->program.x->chooser == XP_EXHAUSTIVE;
    Py_RETURN_NONE;
}

/* plant(name): leave out a rule of the model from now on. For the tests of the tests: no other caller. */
static PyObject *explorer_plant(PyObject *object, PyObject *name)
{
    static const struct {
        const char *name;
        enum xp_fault fault;
    } known[] = {{"coherence", XP_NO_COHERENCE},
                 {"dependency", XP_NO_DEPENDENCY},
                 {"control", XP_NO_CONTROL},
                 {"cumulativity", XP_NO_CUMULATIVITY},
                 {"observer", XP_BLIND_OBSERVER}};

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, known[i].name) == 0) {
            py_explorer_of(object)->program.x->graph.faults |= (uint8_t)known[i].fault;
            Py_RETURN_NONE;
        }
    return PyErr_Format(PyExc_ValueError, "%R is no rule that can be left out", name);
}

/* The choices of this run: [(branch, index or promised value)]. */
static PyObject *explorer_choices(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    const struct explorer *x = py_explorer_of(object)->program.x;
    PyObject *list = PyList_New(0);

    for (uint32_t i = 0; list && i < x->choices; i++) {
        const struct xp_choice *c = &x->choice[i];
        uint64_t value = c->branch == XP_PROMISE ? c->promised : c->branch == XP_OPTION ? c->index : 0;
        PyObject *pair = Py_BuildValue("(iK)", (int)c->branch, (unsigned long long)value);

        if (!pair || PyList_Append(list, pair))
            Py_CLEAR(list);
        Py_XDECREF(pair);
    }
    return list;
}

/* Of each choice of this run: how many options, and may it be postponed? */
static PyObject *explorer_ways(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    const struct explorer *x = py_explorer_of(object)->program.x;
    PyObject *list = PyList_New(0);

    for (uint32_t i = 0; list && i < x->choices; i++) {
        const struct xp_choice *c = &x->choice[i];
        PyObject *item = Py_BuildValue("(iiii)", (int)c->kind, (int)c->cpu, (int)c->options, (int)c->may_postpone);

        if (!item || PyList_Append(list, item))
            Py_CLEAR(list);
        Py_XDECREF(item);
    }
    return list;
}

/* replay([(branch, value)]): the next run makes these choices, and takes the first option from there on. */
static PyObject *explorer_replay(PyObject *object, PyObject *list)
{
    struct explorer *x = py_explorer_of(object)->program.x;
    Py_ssize_t n = PyList_Size(list);

    if (n < 0)
        return NULL;
    if (n > XP_CHOICES)
        return PyErr_Format(PyExc_ValueError, "%zd choices, at most %d", n, XP_CHOICES);
    x->chooser = XP_REPLAY;
    x->merging = false;
    for (Py_ssize_t i = 0; i < n; i++) {
        unsigned int branch;
        unsigned long long value;

        if (!PyArg_ParseTuple(PyList_GetItem(list, i), "IK", &branch, &value))
            return NULL;
        x->choice[i] = (struct xp_choice){.branch = (uint8_t)branch,
                                          .index = branch == XP_OPTION ? (uint16_t)value : 0,
                                          .promised = value};
    }
    x->depth = (uint32_t)n;
    x->error = 0;
    Py_RETURN_NONE;
}

/* set_hazards(bool): does a read come before what a later, wider read of its CPU that has bytes of it has missed? */
static PyObject *explorer_set_hazards(PyObject *object, PyObject *hazards)
{
    int wanted = PyObject_IsTrue(hazards);

    if (wanted < 0)
        return NULL;
    py_explorer_of(object)->program.x->graph.hazards = wanted;
    Py_RETURN_NONE;
}

static int cpu_of(PyObject *object, PyObject *number)
{
    unsigned long cpu = PyLong_AsUnsignedLong(number);

    if (PyErr_Occurred())
        return -1;
    if (cpu >= py_explorer_of(object)->program.x->graph.cpus) {
        PyErr_Format(PyExc_ValueError, "CPU %lu", cpu);
        return -1;
    }
    return (int)cpu;
}

static PyObject *explorer_end(PyObject *object, PyObject *number)
{
    int cpu = cpu_of(object, number);

    if (cpu < 0)
        return NULL;
    xp_end(py_explorer_of(object)->program.x, (unsigned)cpu);
    Py_RETURN_NONE;
}

static PyObject *explorer_fail(PyObject *object, PyObject *number)
{
    int cpu = cpu_of(object, number);

    if (cpu < 0)
        return NULL;
    xp_fail(py_explorer_of(object)->program.x, (unsigned)cpu);
    Py_RETURN_NONE;
}

static PyObject *explorer_stats(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    const struct explorer *x = py_explorer_of(object)->program.x;

    return Py_BuildValue("{s:K,s:K,s:K,s:K,s:K,s:i,s:d,s:I,s:K}", "runs", (unsigned long long)x->counts.runs,
                         "executions", (unsigned long long)x->counts.executions, "redundant",
                         (unsigned long long)x->counts.redundant, "merged", (unsigned long long)x->counts.cut, "states",
                         (unsigned long long)x->states, "error", x->error, "weight", x->weight, "events",
                         x->graph.events, "trail", (unsigned long long)x->trail);
}

static PyMethodDef explorer_methods[] = {
    {"begin", explorer_begin, METH_VARARGS, "begin(again=False): the next run; or the last once more, counted once"},
    {"next", explorer_next, METH_NOARGS, "whose turn it is; -1: nobody can go on"},
    {"ending", explorer_ending, METH_NOARGS, "how the run ended"},
    {"advance", explorer_advance, METH_NOARGS, "to the next list of choices; False: that was the last"},
    {"restart", explorer_restart, METH_NOARGS, "forget choices and states, but not the cells"},
    {"set_chooser", explorer_set_chooser, METH_VARARGS, "set_chooser(kind, seed, depth)"},
    {"set_merging", explorer_set_merging, METH_O,
     "set_merging(bool): cut a run that comes where an earlier one has been?"},
    {"final", py_execution_final, METH_O, "final(address) -> the 8 bytes there, as the run left them"},
    {"set_hazards", explorer_set_hazards, METH_O, "set_hazards(bool): of reads of several widths, as Arm has them"},
    {"plant", explorer_plant, METH_O, "plant(name): leave out a rule of the model, for the tests of the tests"},
    {"choices", explorer_choices, METH_NOARGS, "[(branch, value)] of this run"},
    {"ways", explorer_ways, METH_NOARGS, "[(kind, cpu, options, may it be postponed)] of this run"},
    {"replay", explorer_replay, METH_O, "replay([(branch, value)]): make these choices in the next run"},
    {"end", explorer_end, METH_O, "end(cpu): its program has ended"},
    {"fail", explorer_fail, METH_O, "fail(cpu): its program found a violation"},
    {"stats", explorer_stats, METH_NOARGS, "counts"},
    {"events", py_execution_events, METH_NOARGS, "the run's graph"},
    {"passages", py_execution_passages, METH_NOARGS, "the barriers that the run came to"},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot explorer_slots[] = {
    {Py_tp_new, explorer_new},
    {Py_tp_dealloc, explorer_free},
    {Py_tp_methods, explorer_methods},
    {Py_tp_doc, "Every execution of a program of several CPUs."},
    {0, NULL},
};

static PyType_Spec explorer_spec = {"amp._core._bridge.Explorer", sizeof(struct explorer_object), 0, Py_TPFLAGS_DEFAULT,
                                    explorer_slots};

int py_explored_init(PyObject *module)
{
    explorer_type = (PyTypeObject *)PyType_FromSpec(&explorer_spec);
    if (!explorer_type || PyModule_AddType(module, explorer_type))
        return -1;
    return py_bytes_init(module);
}

int py_is_explorer(PyObject *object)
{
    return Py_TYPE(object) == explorer_type;
}

unsigned py_explorer_cpus(PyObject *explorer)
{
    return py_explorer_of(explorer)->program.x->graph.cpus;
}
