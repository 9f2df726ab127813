/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * py_explorer.c - Explorer: runs and their choices, for amp.explore.explorer; and the ports of its CPUs.
 */
#include "py_explored.h"

static PyTypeObject *explorer_type;

static struct explorer_object *self_of(PyObject *object)
{
    return (struct explorer_object *)object;
}

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
    struct explorer_object *self = self_of(object);
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
    struct explorer_object *self = self_of(object);
    int again = 0;

    if (!PyArg_ParseTuple(args, "|p:begin", &again))
        return NULL;
    xp_program_begin(&self->program, again);
    Py_RETURN_NONE;
}

static PyObject *explorer_next(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromLong(xp_next(self_of(object)->program.x));
}

static PyObject *explorer_ending(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromLong((long)xp_program_ending(&self_of(object)->program));
}

static PyObject *explorer_advance(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(xp_advance(self_of(object)->program.x));
}

static PyObject *explorer_restart(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    xp_restart(self_of(object)->program.x);
    Py_RETURN_NONE;
}

/* set_chooser(kind, seed, depth) */
static PyObject *explorer_set_chooser(PyObject *object, PyObject *args)
{
    struct explorer *x = self_of(object)->program.x;
    unsigned int kind, depth;
    unsigned long long seed;

    if (!PyArg_ParseTuple(args, "IKI:set_chooser", &kind, &seed, &depth))
        return NULL;
    if (kind > XP_REPLAY || depth > 16)
        return PyErr_Format(PyExc_ValueError, "chooser %u, depth %u: at most %d and 16", kind, depth, XP_REPLAY);
    x->chooser = (uint8_t)kind;
    x->random = seed;
    x->pct_depth = depth;
    x->merging = kind == XP_EXHAUSTIVE && self_of(object)->merging;
    x->depth = 0;
    Py_RETURN_NONE;
}

/* set_merging(bool): with False, every execution is met, whatever state it comes through. */
static PyObject *explorer_set_merging(PyObject *object, PyObject *merging)
{
    struct explorer_object *self = self_of(object);
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
            self_of(object)->program.x->graph.faults |= (uint8_t)known[i].fault;
            Py_RETURN_NONE;
        }
    return PyErr_Format(PyExc_ValueError, "%R is no rule that can be left out", name);
}

/* The choices of this run: [(branch, index or promised value)]. */
static PyObject *explorer_choices(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    const struct explorer *x = self_of(object)->program.x;
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
    const struct explorer *x = self_of(object)->program.x;
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
    struct explorer *x = self_of(object)->program.x;
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

/* final(address) -> the 8 bytes there, as the run left them */
static PyObject *explorer_final(PyObject *object, PyObject *address)
{
    unsigned long long at = PyLong_AsUnsignedLongLong(address);

    if (PyErr_Occurred())
        return NULL;
    return PyLong_FromUnsignedLongLong(xp_program_final(&self_of(object)->program, at));
}

/* set_hazards(bool): does a read come before what a later, wider read of its CPU that has bytes of it has missed? */
static PyObject *explorer_set_hazards(PyObject *object, PyObject *hazards)
{
    int wanted = PyObject_IsTrue(hazards);

    if (wanted < 0)
        return NULL;
    self_of(object)->program.x->graph.hazards = wanted;
    Py_RETURN_NONE;
}

static int cpu_of(PyObject *object, PyObject *number)
{
    unsigned long cpu = PyLong_AsUnsignedLong(number);

    if (PyErr_Occurred())
        return -1;
    if (cpu >= self_of(object)->program.x->graph.cpus) {
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
    xp_end(self_of(object)->program.x, (unsigned)cpu);
    Py_RETURN_NONE;
}

static PyObject *explorer_fail(PyObject *object, PyObject *number)
{
    int cpu = cpu_of(object, number);

    if (cpu < 0)
        return NULL;
    xp_fail(self_of(object)->program.x, (unsigned)cpu);
    Py_RETURN_NONE;
}

static PyObject *explorer_stats(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    const struct explorer *x = self_of(object)->program.x;

    return Py_BuildValue("{s:K,s:K,s:K,s:K,s:K,s:i,s:d,s:I,s:K}", "runs", (unsigned long long)x->counts.runs,
                         "executions", (unsigned long long)x->counts.executions, "redundant",
                         (unsigned long long)x->counts.redundant, "merged", (unsigned long long)x->counts.cut, "states",
                         (unsigned long long)x->states, "error", x->error, "weight", x->weight, "events",
                         x->graph.events, "trail", (unsigned long long)x->trail);
}

static PyObject *source_tuple(const struct xp_event *e)
{
    PyObject *sources = PyTuple_New(e->kind == XP_READ ? e->cells : 0);

    for (unsigned i = 0; sources && e->kind == XP_READ && i < e->cells; i++)
        PyTuple_SetItem(sources, i, PyLong_FromLong(e->source[i] == XP_UNREAD ? -1 : e->source[i]));
    return sources;
}

/* A row, with the nodes of each level alone; `at_once`: an observer's stands for that of its distance. */
static void put_levels(const struct xp_graph *g, const uint64_t *row, bool at_once, struct xp_set *levels)
{
    for (unsigned i = 0; i < g->words; i++)
        for (uint64_t left = row[i]; left; left &= left - 1) {
            unsigned node = 64 * i + (unsigned)__builtin_ctzll(left), e = node / g->nodes, level = node % g->nodes;
            unsigned cpu = g->event[e].cpu, observer = level - g->levels + (level - g->levels >= cpu);

            if (level < g->levels)
                xp_put(levels, g->levels * e + level);
            else if (at_once)
                xp_put(levels, g->levels * e + xp_between(g, cpu, observer));
        }
}

/* What is before the event as seen at that level; empty if there is no such level. With `at_once` (and observers, else
 * empty): as it would be if all at a distance saw a write at once. */
static PyObject *row_bytes(const struct xp_graph *g, unsigned event, unsigned level, bool at_once)
{
    const uint64_t *row = g->before[xp_node(g, (xp_event_id)event, level < g->levels ? level : 0)];
    struct xp_set levels = {{0}};

    if (level >= g->levels || (at_once && !xp_has_observers(g)))
        return PyBytes_FromStringAndSize(NULL, 0);
    if (!xp_has_observers(g))
        return PyBytes_FromStringAndSize((const char *)row, (Py_ssize_t)(g->words * 8));
    put_levels(g, row, at_once, &levels);
    for (unsigned i = 0; at_once && xp_is_copied(g, (xp_event_id)event) && i < g->cpus; i++)
        if (i != g->event[event].cpu && xp_between(g, g->event[event].cpu, i) == level)
            put_levels(g, g->before[xp_seen(g, (xp_event_id)event, i)], true, &levels);
    levels.bit[(g->levels * event + level) >> 6] &= ~(UINT64_C(1) << ((g->levels * event + level) & 63));
    return PyBytes_FromStringAndSize((const char *)levels.bit, (Py_ssize_t)(g->words * 8));
}

/* The bytes of an event in their granule: what it stores, or what it has read. */
static uint64_t value_of(const struct xp_graph *g, const struct xp_event *e)
{
    uint64_t value = 0;

    if (e->kind != XP_READ || e->status)
        return e->value;
    for (unsigned i = 0; i < e->cells; i++)
        for (unsigned byte = 0; e->source[i] && e->source[i] < g->events && byte < AMP_GRANULE; byte++)
            if (g->cell[e->cell[i]].mask >> byte & 1)
                value |= g->event[e->source[i]].value & UINT64_C(0xFF) << 8 * byte;
    return value;
}

/* [(cpu, kind, at, address of its granule, mask, call, part, sources, partner, before: bits, little endian, at which
 * choice of the run it was resolved or -1, before it as the others see it, its bytes, both rows as they would be if all
 * at a distance saw a write at once, of a mailbox: 1 a load of its status, 2 an acknowledgement, else 0)] from event 1
 * on; see struct xp_program for at, call and part. With two levels the bits are of nodes, two for each event. */
static PyObject *explorer_events(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    struct explorer_object *self = self_of(object);
    const struct xp_graph *g = &self->program.x->graph;
    PyObject *list = PyList_New(0);

    for (unsigned i = 1; list && i < g->events; i++) {
        const struct xp_event *e = &g->event[i];
        uint64_t at = e->cells ? self->program.cell_at[e->cell[0]] : 0;
        int status = e->status ? 1 : e->kind == XP_DOORBELL && !xp_rings(e) ? 2 : 0;
        PyObject *item = Py_BuildValue("(iiiKiiiNiNiNKNNi)", (int)e->cpu, (int)e->kind, (int)self->program.at[i],
                                       (unsigned long long)at, (int)e->mask, (int)self->program.call[i],
                                       (int)self->program.part[i], source_tuple(e), (int)e->partner,
                                       row_bytes(g, i, 0, false), (int)e->choice, row_bytes(g, i, 1, false),
                                       (unsigned long long)value_of(g, e), row_bytes(g, i, 0, true),
                                       row_bytes(g, i, 1, true), status);

        if (!item || PyList_Append(list, item))
            Py_CLEAR(list);
        Py_XDECREF(item);
    }
    return list;
}

/* [(cpu, event, primitive, site)]: the barriers that the run came to, each before the event of that number */
static PyObject *explorer_passages(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    const struct xp_program *program = &self_of(object)->program;
    PyObject *list = PyList_New(0);

    for (unsigned i = 0; list && i < program->passages; i++) {
        const struct xp_passage *p = &program->passage[i];
        PyObject *item = Py_BuildValue("(iiii)", (int)p->cpu, (int)p->event, (int)p->primitive, (int)p->site);

        if (!item || PyList_Append(list, item))
            Py_CLEAR(list);
        Py_XDECREF(item);
    }
    return list;
}

/* --- a port's looks ----------------------------------------------------------------------------------------------- */

static struct xp_part *part_of(PyObject *port)
{
    return &((struct port *)port)->cpu.explored.part;
}

/* look_begin(); look_end(found) -> False: it is to be made again; look_undone() */
PyObject *py_look_begin(PyObject *port, PyObject *Py_UNUSED(ignored))
{
    int error = xp_part_begin_look(part_of(port));

    if (error)
        return py_fail(port, "poll", error);
    Py_RETURN_NONE;
}

PyObject *py_look_end(PyObject *port, PyObject *found)
{
    int is_found = PyObject_IsTrue(found), result;

    if (is_found < 0)
        return NULL;
    result = xp_part_end_look(part_of(port), is_found);
    return result < 0 ? py_fail(port, "poll", result) : PyBool_FromLong(result);
}

PyObject *py_look_undone(PyObject *port, PyObject *Py_UNUSED(ignored))
{
    int error = xp_part_undo_look(part_of(port));

    return error ? py_fail(port, "poll", error) : PyBool_FromLong(0);
}

PyObject *py_look_place(PyObject *port, PyObject *Py_UNUSED(ignored))
{
    const struct xp_part *part = part_of(port);

    return PyLong_FromUnsignedLongLong(xp_look_place(part->program->x, part->id));
}

PyObject *py_look_path(PyObject *port, PyObject *Py_UNUSED(ignored))
{
    const struct xp_part *part = part_of(port);

    return PyLong_FromUnsignedLongLong(xp_look_path(part->program->x, part->id));
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
    {"final", explorer_final, METH_O, "final(address) -> the 8 bytes there, as the run left them"},
    {"set_hazards", explorer_set_hazards, METH_O, "set_hazards(bool): of reads of several widths, as Arm has them"},
    {"plant", explorer_plant, METH_O, "plant(name): leave out a rule of the model, for the tests of the tests"},
    {"choices", explorer_choices, METH_NOARGS, "[(branch, value)] of this run"},
    {"ways", explorer_ways, METH_NOARGS, "[(kind, cpu, options, may it be postponed)] of this run"},
    {"replay", explorer_replay, METH_O, "replay([(branch, value)]): make these choices in the next run"},
    {"end", explorer_end, METH_O, "end(cpu): its program has ended"},
    {"fail", explorer_fail, METH_O, "fail(cpu): its program found a violation"},
    {"stats", explorer_stats, METH_NOARGS, "counts"},
    {"events", explorer_events, METH_NOARGS, "the run's graph"},
    {"passages", explorer_passages, METH_NOARGS, "the barriers that the run came to"},
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
    return self_of(explorer)->program.x->graph.cpus;
}
