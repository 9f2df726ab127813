/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * py_module.c - the module amp._core._bridge: its types, the room of the model, the bare silicon.
 */
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "model/bell.h"
#include "py_bridge.h"
#include "py_explore.h"
#include "bench/silicon.h"

struct py_errors py_errors;

/* A writable buffer argument from `offset` on, as a room for the core. */
struct room {
    Py_buffer buffer;
    uint8_t *start;
    size_t size;
};

static int open_room(PyObject *object, unsigned long long offset, struct room *room)
{
    if (PyObject_GetBuffer(object, &room->buffer, PyBUF_WRITABLE))
        return -1;
    if (offset > (unsigned long long)room->buffer.len) {
        PyBuffer_Release(&room->buffer);
        PyErr_SetString(PyExc_ValueError, "the offset lies behind the buffer's end");
        return -1;
    }
    room->start = (uint8_t *)room->buffer.buf + offset;
    room->size = (size_t)room->buffer.len - offset;
    return 0;
}

static PyObject *finish(struct room *room, int error)
{
    PyBuffer_Release(&room->buffer);
    if (error) {
        errno = -error;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    Py_RETURN_NONE;
}

/* (cpus, mode, shared_start, shared_end, store_depth, log_writes, trace_events, seed) */
static int parse_config(PyObject *tuple, struct amp_model_config *config)
{
    unsigned int cpus, mode, depth, writes, events;
    unsigned long long start, end, seed;

    if (!PyArg_ParseTuple(tuple, "IIKKIIIK", &cpus, &mode, &start, &end, &depth, &writes, &events, &seed))
        return -1;
    *config = (struct amp_model_config){.cpus = cpus,
                                        .mode = mode,
                                        .shared_start = start,
                                        .shared_end = end,
                                        .store_depth = depth,
                                        .log_writes = writes,
                                        .trace_events = events,
                                        .seed = seed};
    return 0;
}

static PyObject *model_room(PyObject *Py_UNUSED(self), PyObject *tuple)
{
    struct amp_model_config config;
    size_t size;

    if (parse_config(tuple, &config))
        return NULL;
    size = amp_model_room(&config);
    return size ? PyLong_FromSize_t(size) : PyErr_Format(PyExc_ValueError, "the model cannot be of these sizes");
}

static PyObject *model_init(PyObject *Py_UNUSED(self), PyObject *args)
{
    struct amp_model_config config;
    PyObject *buffer, *tuple;
    unsigned long long offset;
    struct room room;

    if (!PyArg_ParseTuple(args, "OKO", &buffer, &offset, &tuple) || parse_config(tuple, &config) ||
        open_room(buffer, offset, &room))
        return NULL;
    return finish(&room, amp_model_init(room.start, room.size, &config));
}

static PyObject *model_set_orders(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *buffer;
    unsigned long long offset;
    unsigned int cpu, implicit;
    const char *orders;
    Py_ssize_t n;
    struct room room;

    if (!PyArg_ParseTuple(args, "OKIIy#", &buffer, &offset, &cpu, &implicit, &orders, &n) ||
        open_room(buffer, offset, &room))
        return NULL;
    return finish(&room, amp_model_set_orders(room.start, room.size, cpu, (uint8_t)implicit, (const uint8_t *)orders,
                                              (size_t)n));
}

/* model_set_domains(buffer, offset, domains, [orders of each primitive towards siblings, of each CPU]) */
static PyObject *model_set_domains(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *buffer, *near;
    unsigned long long offset;
    const char *domains;
    Py_ssize_t cpus;
    struct room room;
    int error;

    if (!PyArg_ParseTuple(args, "OKy#O!", &buffer, &offset, &domains, &cpus, &PyTuple_Type, &near) ||
        open_room(buffer, offset, &room))
        return NULL;
    error = amp_model_set_domains(room.start, room.size, (const uint8_t *)domains, (size_t)cpus);
    for (Py_ssize_t cpu = 0; !error && cpu < PyTuple_Size(near); cpu++) {
        char *orders;
        Py_ssize_t n;

        if (PyBytes_AsStringAndSize(PyTuple_GetItem(near, cpu), &orders, &n)) {
            PyBuffer_Release(&room.buffer);
            return NULL;
        }
        error = amp_model_set_near(room.start, room.size, (unsigned)cpu, (const uint8_t *)orders, (size_t)n);
    }
    return finish(&room, error);
}

static PyObject *model_set_schedule(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *buffer;
    unsigned long long offset;
    const char *bytes;
    Py_ssize_t n;
    struct room room;

    if (!PyArg_ParseTuple(args, "OKy#", &buffer, &offset, &bytes, &n) || open_room(buffer, offset, &room))
        return NULL;
    if ((size_t)n % sizeof(struct amp_goal))
        return finish(&room, -EINVAL);
    return finish(&room, amp_model_set_schedule(room.start, room.size, bytes, (size_t)n / sizeof(struct amp_goal)));
}

/* model_misfit(buffer, offset) -> (goal, text), or None if the schedule fits. */
/* model_set_copies(buffer, offset, cpus) */
static PyObject *model_set_copies(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *buffer;
    unsigned long long offset;
    unsigned char copied;
    struct room room;

    if (!PyArg_ParseTuple(args, "OKb", &buffer, &offset, &copied) || open_room(buffer, offset, &room))
        return NULL;
    return finish(&room, amp_model_set_copies(room.start, room.size, copied));
}

static PyObject *model_misfit(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *buffer;
    unsigned long long offset;
    uint64_t goal = 0;
    struct room room;
    char text[320];
    int error;

    if (!PyArg_ParseTuple(args, "OK", &buffer, &offset) || open_room(buffer, offset, &room))
        return NULL;
    error = amp_model_misfit(room.start, room.size, &goal, text, sizeof text);
    if (error <= 0)
        return finish(&room, error);
    PyBuffer_Release(&room.buffer);
    return Py_BuildValue("Ks", (unsigned long long)goal, text);
}

static PyObject *model_reset(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *buffer;
    unsigned long long offset, seed;
    struct room room;

    if (!PyArg_ParseTuple(args, "OKK", &buffer, &offset, &seed) || open_room(buffer, offset, &room))
        return NULL;
    return finish(&room, amp_model_reset(room.start, room.size, seed));
}

/* What somebody outside the machine does to one CPU of the model. */
static PyObject *on_model(PyObject *args, int (*act)(void *room, size_t size, unsigned cpu))
{
    PyObject *buffer;
    unsigned long long offset;
    unsigned int cpu;
    struct room room;

    if (!PyArg_ParseTuple(args, "OKI", &buffer, &offset, &cpu) || open_room(buffer, offset, &room))
        return NULL;
    return finish(&room, act(room.start, room.size, cpu));
}

static PyObject *model_lost(PyObject *Py_UNUSED(self), PyObject *args)
{
    return on_model(args, amp_model_lost);
}

static PyObject *model_ring(PyObject *Py_UNUSED(self), PyObject *args)
{
    return on_model(args, amp_model_ring);
}

static PyObject *model_state(PyObject *Py_UNUSED(self), PyObject *args)
{
    struct amp_model_state state;
    PyObject *buffer;
    unsigned long long offset;
    struct room room;
    int error;

    if (!PyArg_ParseTuple(args, "OK", &buffer, &offset) || open_room(buffer, offset, &room))
        return NULL;
    error = amp_model_state(room.start, room.size, &state);
    PyBuffer_Release(&room.buffer);
    if (error)
        return PyErr_Format(PyExc_ValueError, "no model of this version at that offset");
    return Py_BuildValue("{sKsKsKsKsKsKsKsKsK}", "events", state.events, "digest", state.digest, "writes", state.writes,
                         "trace_offset", state.trace_offset, "trace_events", state.trace_events, "stalls", state.stalls,
                         "turns", state.turns, "goals", state.goals, "reached", state.reached);
}

/* board_lost(buffer, offset): the same for a machine without a model. */
static PyObject *board_lost(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *buffer;
    unsigned long long offset;
    struct room room;

    if (!PyArg_ParseTuple(args, "OK", &buffer, &offset) || open_room(buffer, offset, &room))
        return NULL;
    if (room.size < sizeof(uint32_t) || offset % sizeof(uint32_t))
        return finish(&room, -EINVAL);
    amp_bell_lost((uint32_t *)room.start);
    return finish(&room, 0);
}

/* board_ring(buffer, offset, cpu) */
static PyObject *board_ring(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *buffer;
    unsigned long long offset;
    unsigned int cpu;
    struct room room;

    if (!PyArg_ParseTuple(args, "OKI", &buffer, &offset, &cpu) || open_room(buffer, offset, &room))
        return NULL;
    if (room.size < sizeof(uint32_t) || offset % sizeof(uint32_t) || cpu >= AMP_CPUS)
        return finish(&room, -EINVAL);
    amp_bell_ring((uint32_t *)room.start, cpu);
    return finish(&room, 0);
}

/* die_with_parent(parent_pid) -> False if that parent is gone already. */
static PyObject *die_with_parent(PyObject *Py_UNUSED(self), PyObject *arg)
{
    long parent = PyLong_AsLong(arg);

    if (parent == -1 && PyErr_Occurred())
        return NULL;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL))
        return PyErr_SetFromErrno(PyExc_OSError);
    return PyBool_FromLong(getppid() == parent); /* it may have died before the request */
}

static int parse_silicon(PyObject *tuple, struct amp_silicon_config *config)
{
    unsigned long long messages, budget;
    unsigned int ring, payload, primitive;

    if (!PyArg_ParseTuple(tuple, "KIIIK", &messages, &ring, &payload, &primitive, &budget))
        return -1;
    *config = (struct amp_silicon_config){.messages = messages,
                                          .ring_size = ring,
                                          .payload_bytes = payload,
                                          .primitive = primitive,
                                          .budget_ns = budget};
    return 0;
}

/* silicon_room((messages, ring_size, payload_bytes, primitive, budget_ns)) -> bytes */
static PyObject *silicon_room(PyObject *Py_UNUSED(self), PyObject *tuple)
{
    struct amp_silicon_config config;
    size_t size;

    if (parse_silicon(tuple, &config))
        return NULL;
    size = amp_silicon_room(&config);
    return size ? PyLong_FromSize_t(size) : PyErr_Format(PyExc_ValueError, "no such ring on the silicon");
}

static PyObject *silicon_init(PyObject *Py_UNUSED(self), PyObject *args)
{
    struct amp_silicon_config config;
    PyObject *buffer, *tuple;
    unsigned long long offset;
    struct room room;

    if (!PyArg_ParseTuple(args, "OKO", &buffer, &offset, &tuple) || parse_silicon(tuple, &config) ||
        open_room(buffer, offset, &room))
        return NULL;
    return finish(&room, amp_silicon_init(room.start, room.size, &config));
}

static PyObject *silicon_driver(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *buffer;
    unsigned long long offset;
    struct room room;
    int error;

    if (!PyArg_ParseTuple(args, "OK", &buffer, &offset) || open_room(buffer, offset, &room))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    error = amp_silicon_driver(room.start, room.size);
    Py_END_ALLOW_THREADS
    return finish(&room, error);
}

static PyObject *silicon_device(PyObject *Py_UNUSED(self), PyObject *args)
{
    struct amp_silicon_result result;
    PyObject *buffer;
    unsigned long long offset;
    struct room room;
    int error;

    if (!PyArg_ParseTuple(args, "OK", &buffer, &offset) || open_room(buffer, offset, &room))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    error = amp_silicon_device(room.start, room.size, &result);
    Py_END_ALLOW_THREADS
    if (error)
        return finish(&room, error);
    PyBuffer_Release(&room.buffer);
    return Py_BuildValue("{sKsKsKsKsKsKsK}", "messages", result.messages, "corrupted", result.corrupted,
                         "first_number", result.first_number, "first_word", result.first_word, "first_value",
                         result.first_value, "first_expected", result.first_expected, "elapsed_ns", result.elapsed_ns);
}

static PyMethodDef functions[] = {
    {"model_room", model_room, METH_O, "model_room(config) -> bytes the model's state needs"},
    {"model_init", model_init, METH_VARARGS, "model_init(buffer, offset, config)"},
    {"model_set_orders", model_set_orders, METH_VARARGS,
     "model_set_orders(buffer, offset, cpu, implicit, orders): one byte a primitive"},
    {"model_set_copies", model_set_copies, METH_VARARGS,
     "model_set_copies(buffer, offset, cpus): a bit for each CPU whose stores reach the others one by one"},
    {"model_set_domains", model_set_domains, METH_VARARGS,
     "model_set_domains(buffer, offset, domains, near): a byte a CPU; for each, one byte a primitive, towards siblings"},
    {"model_set_schedule", model_set_schedule, METH_VARARGS,
     "model_set_schedule(buffer, offset, goals): 16 bytes a goal; lockstep follows it"},
    {"model_misfit", model_misfit, METH_VARARGS,
     "model_misfit(buffer, offset) -> (goal, why) if the schedule does not fit, else None"},
    {"model_reset", model_reset, METH_VARARGS, "model_reset(buffer, offset, seed)"},
    {"model_lost", model_lost, METH_VARARGS, "model_lost(buffer, offset, cpu): that CPU's process died"},
    {"model_ring", model_ring, METH_VARARGS, "model_ring(buffer, offset, cpu): an interrupt from outside; any thread"},
    {"model_state", model_state, METH_VARARGS, "model_state(buffer, offset) -> dict"},
    {"board_lost", board_lost, METH_VARARGS, "board_lost(buffer, offset): a process died (no model)"},
    {"board_ring", board_ring, METH_VARARGS, "board_ring(buffer, offset, cpu): an interrupt from outside (no model)"},
    {"die_with_parent", die_with_parent, METH_O, "die_with_parent(pid) -> False if it is dead already"},
    {"silicon_room", silicon_room, METH_O, NULL},
    {"silicon_init", silicon_init, METH_VARARGS, NULL},
    {"silicon_driver", silicon_driver, METH_VARARGS, NULL},
    {"silicon_device", silicon_device, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static const struct {
    const char *name;
    long value;
} numbers[] = {
    {"CPUS", AMP_CPUS},
    {"PRIMITIVES", AMP_PRIMITIVES},
    {"STORES", AMP_STORES},
    {"GRANULE", AMP_GRANULE},
    {"GOALS", AMP_GOALS},
    {"INITIAL", AMP_INITIAL},
    {"GOAL_VISIBLE", AMP_GOAL_VISIBLE},
    {"GOAL_READ", AMP_GOAL_READ},
    {"GOAL_TAKEN", AMP_GOAL_TAKEN},
    {"GOAL_NEAR", AMP_GOAL_NEAR},
    {"FREE", AMP_FREE},
    {"LOCKSTEP", AMP_LOCKSTEP},
    {"RR", AMP_RR},
    {"RW", AMP_RW},
    {"WR", AMP_WR},
    {"WW", AMP_WW},
    {"WD", AMP_WD},
    {"RCSC", AMP_RCSC},
    {"EV_STORE", AMP_EV_STORE},
    {"EV_VISIBLE", AMP_EV_VISIBLE},
    {"EV_SEEN", AMP_EV_SEEN},
    {"EV_LOAD", AMP_EV_LOAD},
    {"EV_BARRIER", AMP_EV_BARRIER},
    {"EV_KICK", AMP_EV_KICK},
    {"EV_RUNG", AMP_EV_RUNG},
    {"EV_TAKEN", AMP_EV_TAKEN},
    {"EV_WAIT", AMP_EV_WAIT},
    {"EV_STALL", AMP_EV_STALL},
    {"EV_RETIRE", AMP_EV_RETIRE},
    {"EV_NOTE", AMP_EV_NOTE},
    {"EV_STATUS", AMP_EV_STATUS},
    {"EV_ACKNOWLEDGE", AMP_EV_ACKNOWLEDGE},
    {"EV_ACKNOWLEDGED", AMP_EV_ACKNOWLEDGED},
    {"FL_STALE", AMP_FL_STALE},
    {"FL_FORWARDED", AMP_FL_FORWARDED},
    {"FL_DEFERRED", AMP_FL_DEFERRED},
    {"FL_PART", AMP_FL_PART},
    {"FL_RELEASE", AMP_FL_RELEASE},
    {"FL_ACQUIRE", AMP_FL_ACQUIRE},
    {"FL_ATOMIC", AMP_FL_ATOMIC},
    {"FL_SIBLINGS", AMP_FL_SIBLINGS},
};

static int import_errors(void)
{
    PyObject *errors = PyImport_ImportModule("amp.errors");

    if (!errors)
        return -1;
    py_errors.access_fault = PyObject_GetAttrString(errors, "AccessFault");
    py_errors.peer_died = PyObject_GetAttrString(errors, "PeerDied");
    py_errors.peer_finished = PyObject_GetAttrString(errors, "PeerFinished");
    py_errors.schedule_mismatch = PyObject_GetAttrString(errors, "ScheduleMismatch");
    py_errors.stall = PyObject_GetAttrString(errors, "Stall");
    py_errors.violation = PyObject_GetAttrString(errors, "Violation");
    Py_DECREF(errors);
    return py_errors.access_fault && py_errors.peer_died && py_errors.peer_finished && py_errors.schedule_mismatch &&
                   py_errors.stall && py_errors.violation
               ? 0
               : -1;
}

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_bridge", "The C core as Python sees it.", -1, functions, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__bridge(void)
{
    PyObject *module = PyModule_Create(&definition);

    if (!module)
        return NULL;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (PyModule_AddIntConstant(module, numbers[i].name, numbers[i].value))
            goto failed;
    if (import_errors() || py_word_init(module) || py_port_init(module) || py_explore_init(module) ||
        py_bench_barriers_init(module) || py_bench_work_init(module) || py_ring_init(module) ||
        py_code_init(module))
        goto failed;
    return module;
failed:
    Py_DECREF(module);
    return NULL;
}
