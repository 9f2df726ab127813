/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * py_code.c - Code: an engine for compiled code as a Python object, for amp.code; and a port's run_code.
 */
#include <stdlib.h>
#include <string.h>

#include "code/code.h"
#include "py_port.h"

static PyTypeObject *code_type;

struct code_object {
    PyObject_HEAD
    struct code_engine engine;
    PyObject *owner; /* has compile(pc) and ended(error, text, pc, before) */
};

static struct code_engine *engine_of(PyObject *object)
{
    return &((struct code_object *)object)->engine;
}

static int compile(struct code_engine *e, uint64_t pc)
{
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *result = PyObject_CallMethod(((struct code_object *)e->owner)->owner, "compile", "K", (unsigned long long)pc);

    Py_XDECREF(result);
    PyGILState_Release(state);
    return result ? 0 : -ECHILD; /* an exception is set */
}

static int take_registers(struct code_engine *e, PyObject *list)
{
    Py_ssize_t n = PyTuple_Size(list);

    if (n < 0 || n > CODE_SLOTS)
        return -1;
    for (Py_ssize_t i = 0; i < n; i++)
        e->register_id[i] = (int)PyLong_AsLong(PyTuple_GetItem(list, i));
    e->registers = (unsigned)n;
    return PyErr_Occurred() ? -1 : 0;
}

/* Code(owner, functions, uc, registers, (pc, flags, stack, frame, link, argument), shift, thumb) */
static PyObject *code_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(kwargs))
{
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    PyObject *owner, *functions, *registers;
    unsigned long long uc;
    struct code_object *self;
    struct code_engine *e;
    int slot[6];
    unsigned int shift, thumb;

    if (!PyArg_ParseTuple(args, "OO!KO!(iiiiii)II:Code", &owner, &PyTuple_Type, &functions, &uc, &PyTuple_Type, &registers,
                          &slot[0], &slot[1], &slot[2], &slot[3], &slot[4], &slot[5], &shift, &thumb))
        return NULL;
    if (PyTuple_Size(functions) != CODE_UNICORN_FUNCTIONS)
        return PyErr_Format(PyExc_ValueError, "%zd functions, expected %zu", PyTuple_Size(functions),
                            CODE_UNICORN_FUNCTIONS);
    self = (struct code_object *)allocate(type, 0);
    if (!self)
        return NULL;
    e = &self->engine;
    for (Py_ssize_t i = 0; i < (Py_ssize_t)CODE_UNICORN_FUNCTIONS; i++) {
        void *address = PyLong_AsVoidPtr(PyTuple_GetItem(functions, i));

        memcpy((char *)&e->functions + (size_t)i * sizeof address, &address, sizeof address);
    }
    e->uc = (uc_engine *)(uintptr_t)uc;
    e->pc_id = slot[0];
    e->flags_slot = slot[1];
    e->stack_slot = slot[2];
    e->frame_slot = slot[3];
    e->link_slot = slot[4];
    e->argument_slot = slot[5];
    e->shift = shift;
    e->thumb = thumb;
    e->compile = compile;
    e->holds = code_arm_holds;
    e->owner = self;
    e->max_loop = 1000;
    e->max_steps = 10000000;
    e->rows_room = 256;
    e->row = calloc(e->rows_room, sizeof *e->row); /* number 0 is of what has none */
    e->rows = 1;
    self->owner = Py_NewRef(owner);
    if (!e->row || take_registers(e, registers)) {
        Py_DECREF(self);
        return PyErr_Occurred() ? NULL : PyErr_NoMemory();
    }
    return (PyObject *)self;
}

static void code_free(PyObject *object)
{
    struct code_object *self = (struct code_object *)object;
    PyTypeObject *type = Py_TYPE(object);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);

    for (unsigned i = 0; i < self->engine.segments; i++)
        free(self->engine.segment[i].host);
    for (unsigned i = 0; i < self->engine.windows; i++)
        free(self->engine.window[i].host);
    code_close(&self->engine);
    Py_XDECREF(self->owner);
    release(object);
    Py_DECREF(type);
}

static uint8_t *pages(struct code_engine *e, uint64_t address, uint64_t size, uint32_t permissions)
{
    uint8_t *host = size && address % CODE_PAGE == 0 && size % CODE_PAGE == 0 ? aligned_alloc(CODE_PAGE, size) : NULL;

    if (host)
        memset(host, 0, size);
    if (host && e->functions.mem_map_ptr(e->uc, address, size, permissions, host)) {
        free(host);
        host = NULL;
    }
    return host;
}

/* map(address, bytes, permissions): private memory, whole pages */
static PyObject *code_map(PyObject *object, PyObject *args)
{
    struct code_engine *e = engine_of(object);
    struct code_segment *segment = &e->segment[e->segments];
    unsigned long long address;
    unsigned int permissions;
    Py_buffer bytes;
    uint64_t size;

    if (!PyArg_ParseTuple(args, "Ky*I:map", &address, &bytes, &permissions))
        return NULL;
    size = (uint64_t)bytes.len;
    if (e->segments == CODE_SEGMENTS || !(segment->host = pages(e, address, size, permissions))) {
        PyBuffer_Release(&bytes);
        return PyErr_Format(PyExc_ValueError, "map: not whole pages, too many segments, or two at one place");
    }
    memcpy(segment->host, bytes.buf, size);
    PyBuffer_Release(&bytes);
    segment->start = address;
    segment->size = size;
    segment->permissions = permissions;
    e->segments++;
    if (permissions & UC_PROT_WRITE) {
        segment->pristine = malloc(size);
        segment->dirty = calloc(1, size / CODE_PAGE);
        if (segment->pristine)
            memcpy(segment->pristine, segment->host, size);
    }
    if (permissions & UC_PROT_EXEC)
        segment->index = calloc((size >> e->shift) + 1, sizeof *segment->index);
    if ((permissions & UC_PROT_WRITE && (!segment->pristine || !segment->dirty)) ||
        (permissions & UC_PROT_EXEC && !segment->index))
        return PyErr_NoMemory();
    Py_RETURN_NONE;
}

/* window(address, size, region): shared memory; in the region it begins at `region` */
static PyObject *code_window(PyObject *object, PyObject *args)
{
    struct code_engine *e = engine_of(object);
    struct code_window *window = &e->window[e->windows];
    unsigned long long address, size, region;

    if (!PyArg_ParseTuple(args, "KKK:window", &address, &size, &region))
        return NULL;
    if (e->windows == CODE_WINDOWS || !(window->host = pages(e, address, size, UC_PROT_READ | UC_PROT_WRITE)))
        return PyErr_Format(PyExc_ValueError, "window: not whole pages, too many windows, or two at one place");
    window->start = address;
    window->size = size;
    window->region = region;
    e->windows++;
    Py_RETURN_NONE;
}

/* mailbox(address, cpu): a store there rings that CPU's doorbell */
static PyObject *code_mailbox(PyObject *object, PyObject *args)
{
    struct code_engine *e = engine_of(object);
    unsigned long long address;
    unsigned int target;

    if (!PyArg_ParseTuple(args, "KI:mailbox", &address, &target))
        return NULL;
    if (e->mailboxes == CODE_MAILBOXES)
        return PyErr_Format(PyExc_ValueError, "mailbox: more than %d", CODE_MAILBOXES);
    e->mailbox[e->mailboxes++] = (struct code_mailbox){address, target};
    Py_RETURN_NONE;
}

/* drain(address): a store there drains the outer cache */
static PyObject *code_add_drain(PyObject *object, PyObject *number)
{
    struct code_engine *e = engine_of(object);
    unsigned long long address = PyLong_AsUnsignedLongLong(number);

    if (PyErr_Occurred())
        return NULL;
    if (e->drains == CODE_DRAINS)
        return PyErr_Format(PyExc_ValueError, "drain: more than %d", CODE_DRAINS);
    e->drain[e->drains++] = address;
    Py_RETURN_NONE;
}

static PyObject *code_open_engine(PyObject *object, PyObject *args)
{
    struct code_engine *e = engine_of(object);
    unsigned long long loop, steps;

    if (!PyArg_ParseTuple(args, "KK:open", &loop, &steps))
        return NULL;
    e->max_loop = loop;
    e->max_steps = steps;
    if (code_open(e))
        return PyErr_NoMemory();
    Py_RETURN_NONE;
}

static void *grown(void *list, uint32_t room, size_t size)
{
    return realloc(list, (size_t)room * size);
}

static int add_row(struct code_engine *e, uint64_t address, const uint8_t *bytes)
{
    struct code_segment *segment = code_segment_at(e, address);
    struct code_row row;

    if (!segment || !segment->index)
        return -1;
    memcpy(&row, bytes, sizeof row);
    if (row.flags & CODE_HEAD) {
        struct code_head *more = grown(e->head, e->heads + 1, sizeof *more);

        if (!more || e->heads >= UINT16_MAX)
            return -1;
        e->head = more;
        e->head[e->heads] = (struct code_head){.spins = row.loop};
        row.loop = (uint16_t)e->heads++;
    }
    if (e->rows == e->rows_room) {
        struct code_row *more = grown(e->row, 2 * e->rows_room, sizeof *more);

        if (!more)
            return -1;
        e->row = more;
        e->rows_room *= 2;
    }
    e->row[e->rows] = row;
    segment->index[(address - segment->start) >> e->shift] = e->rows++;
    return 0;
}

/* rows([(address, row)]): what the instructions at these addresses are */
static PyObject *code_rows(PyObject *object, PyObject *list)
{
    struct code_engine *e = engine_of(object);
    Py_ssize_t n = PyList_Size(list);

    for (Py_ssize_t i = 0; i < n; i++) {
        unsigned long long address;
        const char *bytes;
        Py_ssize_t length;

        if (!PyArg_ParseTuple(PyList_GetItem(list, i), "Ky#:rows", &address, &bytes, &length))
            return NULL;
        if (length != (Py_ssize_t)sizeof(struct code_row) || add_row(e, address, (const uint8_t *)bytes))
            return PyErr_Format(PyExc_ValueError, "rows: %zd bytes, or no code at that address", length);
    }
    if (n < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* stack(start, size, red_zone): where the stack begins, its bytes, and how many bytes below its pointer a function may use */
static PyObject *code_stack(PyObject *object, PyObject *args)
{
    struct code_engine *e = engine_of(object);
    unsigned long long start, size, zone;

    if (!PyArg_ParseTuple(args, "KKK:stack", &start, &size, &zone))
        return NULL;
    e->stack_start = start;
    e->stack_size = size;
    e->red_zone = zone;
    Py_RETURN_NONE;
}

/* reached(): the numbers of the sites that runs have come to since it was last asked */
static PyObject *code_reached(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    struct code_engine *e = engine_of(object);
    PyObject *list = PyList_New(0);

    for (unsigned site = 1; list && site < AMP_SITES_LIMIT; site++) {
        PyObject *number = e->reached[site] ? PyLong_FromUnsignedLong(site) : NULL;

        if (e->reached[site] && (!number || PyList_Append(list, number)))
            Py_CLEAR(list);
        Py_XDECREF(number);
    }
    memset(e->reached, 0, sizeof e->reached);
    return list;
}

/* keep(n, general): from now on the last run's accesses are kept, n of each kind, with the first `general` registers */
static PyObject *code_keep(PyObject *object, PyObject *args)
{
    struct code_engine *e = engine_of(object);
    unsigned int room, general;

    if (!PyArg_ParseTuple(args, "II:keep", &room, &general))
        return NULL;
    if (room > 1u << 20 || general > e->registers)
        return PyErr_Format(PyExc_ValueError, "keep: %u accesses, %u registers", room, general);
    for (unsigned i = 0; i < 3; i++) {
        struct code_kept *more = grown(e->place[i], room + 1, sizeof *more);
        uint64_t *registers = more ? grown(e->registers_at[i], CODE_KEPT_REGISTERS * (general + 1), sizeof *registers) : NULL;

        e->place[i] = more ? more : e->place[i];
        if (!registers)
            return PyErr_NoMemory();
        e->registers_at[i] = registers;
    }
    e->places_room = room;
    e->general = general;
    Py_RETURN_NONE;
}

static PyObject *registers_at(const struct code_engine *e, unsigned kind, uint32_t number)
{
    unsigned general = number < CODE_KEPT_REGISTERS ? e->general : 0;
    PyObject *tuple = PyTuple_New(general);

    for (unsigned slot = 0; tuple && slot < general; slot++) {
        PyObject *value = PyLong_FromUnsignedLongLong(e->registers_at[kind][number * e->general + slot]);

        if (!value || PyTuple_SetItem(tuple, slot, value))
            Py_CLEAR(tuple);
    }
    return tuple;
}

/* places(): the last run's loads, stores and barriers, three lists of (address of the instruction, value, registers, how
 * many accesses and barriers were before it) */
static PyObject *code_places(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    const struct code_engine *e = engine_of(object);
    PyObject *lists[3];

    for (unsigned kind = 0; kind < 3; kind++) {
        lists[kind] = PyList_New(0);
        for (uint32_t i = 0; lists[kind] && i < e->places[kind] && i < e->places_room; i++) {
            PyObject *registers = registers_at(e, kind, i);
            const struct code_kept *kept = &e->place[kind][i];
            PyObject *entry = registers ? Py_BuildValue("KKNI", (unsigned long long)kept->pc,
                                                        (unsigned long long)kept->value, registers, kept->before)
                                        : NULL;

            if (!entry || PyList_Append(lists[kind], entry))
                Py_CLEAR(lists[kind]);
            Py_XDECREF(entry);
        }
    }
    return Py_BuildValue("(NNN)", lists[0], lists[1], lists[2]);
}

/* said(): what the last run has printed, [(behind how many accesses and barriers, text)] */
static PyObject *code_said(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    const struct code_engine *e = engine_of(object);
    PyObject *list = PyList_New(0);

    for (uint32_t i = 0; list && i < e->said_used; i++) {
        PyObject *line = Py_BuildValue("Is", e->said[i].at, e->said[i].text);

        if (!line || PyList_Append(list, line))
            Py_CLEAR(list);
        Py_XDECREF(line);
    }
    return list;
}

/* standing(): (address of the instruction, of its last load of shared memory in the region, or 0) */
static PyObject *code_standing(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    const struct code_engine *e = engine_of(object);

    return Py_BuildValue("(KK)", (unsigned long long)e->pc, (unsigned long long)e->watched);
}

static PyObject *code_steps(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromUnsignedLongLong(engine_of(object)->steps);
}

/* registers(): the values at the end of the last run, 64 bits each */
static PyObject *code_registers(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    const struct code_engine *e = engine_of(object);
    PyObject *list = PyList_New(0);

    for (unsigned slot = 0; list && slot < e->registers; slot++) {
        PyObject *value = PyLong_FromUnsignedLongLong(e->register_id[slot] < 0 ? 0 : code_register(e, slot));

        if (!value || PyList_Append(list, value))
            Py_CLEAR(list);
        Py_XDECREF(value);
    }
    return list;
}

/* --- a port's run_code ---------------------------------------------------------------------------------------------- */

static int let_python_handle(struct amp_seat *seat)
{
    PyGILState_STATE state = PyGILState_Ensure();
    int error = PyErr_CheckSignals();

    (void)seat;
    PyGILState_Release(state);
    return error ? -EINTR : 0;
}

static PyObject *ended(struct port *port, struct code_object *code, int error, const char *text)
{
    struct code_engine *e = &code->engine;
    PyObject *exception;

    if (error == -ECHILD || error == -EINTR) /* raised by what the engine called */
        return NULL;
    if (error != AMP_VIOLATED && error != -ELOOP && error != -ENOTSUP && error != -E2BIG && error != -EINVAL &&
        error != -EFAULT)
        return py_fail((PyObject *)port, "run_code", error);
    exception = PyObject_CallMethod(code->owner, "ended", "isKK", error, text, (unsigned long long)e->pc,
                                    (unsigned long long)e->before);
    if (exception)
        PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
    Py_XDECREF(exception);
    return NULL;
}

/* run_code(engine): compiled code as this CPU's part */
PyObject *py_run_code(PyObject *self, PyObject *object)
{
    struct port *port = (struct port *)self;
    struct code_object *code = (struct code_object *)object;
    char text[AMP_TEXT_BYTES];
    int error;

    if (Py_TYPE(object) != code_type || !code->engine.ready || code->engine.busy || port->way == PY_DIRECT)
        return PyErr_Format(PyExc_TypeError, "run_code: not an open Code, one that runs, or a port to the bare region");
    port->seat.sites = port->sites;
    code->engine.busy = true;
    Py_INCREF(object);
    if (port->way == PY_EXPLORED) { /* lets other CPUs of this thread run */
        error = amp_run(&port->c, code_part, &code->engine, text);
    } else {
        Py_BEGIN_ALLOW_THREADS
        port->seat.signalled = let_python_handle;
        error = amp_run(&port->c, code_part, &code->engine, text);
        port->seat.signalled = NULL;
        Py_END_ALLOW_THREADS
    }
    code->engine.busy = false;
    port->seat.sites = NULL;
    if (error)
        ended(port, code, error, text);
    Py_DECREF(object);
    if (error)
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef code_methods[] = {
    {"map", code_map, METH_VARARGS, "map(address, bytes, permissions): private memory, whole pages"},
    {"window", code_window, METH_VARARGS, "window(address, size, region): shared memory"},
    {"stack", code_stack, METH_VARARGS, "stack(start, size, red_zone): the part's own stack"},
    {"reached", code_reached, METH_NOARGS, "reached(): the sites that runs have come to since it was last asked"},
    {"drain", code_add_drain, METH_O, "drain(address): a store there drains the outer cache"},
    {"mailbox", code_mailbox, METH_VARARGS, "mailbox(address, cpu): a store there rings that CPU's doorbell"},
    {"open", code_open_engine, METH_VARARGS, "open(max_loop, max_steps): registers and memory are now as every run finds them"},
    {"rows", code_rows, METH_O, "rows([(address, row)]): what the instructions there are"},
    {"keep", code_keep, METH_VARARGS, "keep(n, general): keep n accesses of a run, with so many registers"},
    {"places", code_places, METH_NOARGS, "the last run's loads, stores and barriers: (address, value, registers, before)"},
    {"said", code_said, METH_NOARGS, "what the last run has printed: [(behind how many accesses and barriers, text)]"},
    {"standing", code_standing, METH_NOARGS, "where the last run stood, and what it loaded last"},
    {"steps", code_steps, METH_NOARGS, "instructions of the last run"},
    {"registers", code_registers, METH_NOARGS, "values of the registers at the end of the last run"},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot code_slots[] = {
    {Py_tp_new, code_new},
    {Py_tp_dealloc, code_free},
    {Py_tp_methods, code_methods},
    {Py_tp_doc, "An engine that runs compiled code: see code.h."},
    {0, NULL},
};

static PyType_Spec code_spec = {"amp._core._bridge.Code", sizeof(struct code_object), 0, Py_TPFLAGS_DEFAULT, code_slots};

int py_code_init(PyObject *module)
{
    code_type = (PyTypeObject *)PyType_FromSpec(&code_spec);
    return !code_type || PyModule_AddType(module, code_type) ? -1 : 0;
}
