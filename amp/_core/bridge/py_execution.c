/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * py_execution.c - what a run was, as rows of Python values: its graph, the barriers it came to, what is left in memory.
 */
#include "py_explored.h"

/* final(address) -> the 8 bytes there, as the run left them */
PyObject *py_execution_final(PyObject *object, PyObject *address)
{
    unsigned long long at = PyLong_AsUnsignedLongLong(address);

    if (PyErr_Occurred())
        return NULL;
    return PyLong_FromUnsignedLongLong(xp_program_final(&py_explorer_of(object)->program, at));
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
PyObject *py_execution_events(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    struct explorer_object *self = py_explorer_of(object);
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
PyObject *py_execution_passages(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    const struct xp_program *program = &py_explorer_of(object)->program;
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
