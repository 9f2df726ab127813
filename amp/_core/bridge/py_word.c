/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * py_word.c - Word: an unsigned 64-bit integer that remembers when the write it was read from became visible.
 *
 * What is computed from words is a word with the latest of their times, so an address computed from a loaded value
 * carries its dependency to the next load without anybody passing it along. A result outside 0..2**64-1 is a plain int:
 * no address is. Words compare, hash, index, format and pickle as the int they hold, and a copy of one is the Word itself.
 *
 * An explored program's Word is the only way to its value, and whatever a program can learn from it is either another
 * Word or is told to the explorer (looked_into): each operation below does one or the other, and which of the two it does
 * is seen by what it does. So what a program knows is what it was told and the Words that are alive.
 *
 * Not a subclass of int: an int's digits end the object, so a field behind them needs a dict per instance, which costs
 * more than the access itself.
 */
#include "py_bridge.h"
#include "py_explore.h"

struct word {
    PyObject_HEAD
    uint64_t value, time;
};

static PyTypeObject *word_type;

/* Words that are free: most live for a line of Python, and the next takes the same memory. Guarded by the GIL. */
#define IDLE_WORDS 32
static struct word *idle_words[IDLE_WORDS];
static unsigned idle;

static int is_word(PyObject *object)
{
    return Py_TYPE(object) == word_type;
}

PyObject *py_word_new(uint64_t value, uint64_t time)
{
    struct word *word = idle ? (struct word *)PyObject_Init((PyObject *)idle_words[--idle], word_type)
                             : PyObject_New(struct word, word_type);

    if (word) {
        word->value = value;
        word->time = time;
        if (time & XP_TAGGED)
            xp_tag_value(time, value);
    }
    return (PyObject *)word;
}

/* An explored program sees this of a value: its dependencies become control dependencies. */
static void looked_into(PyObject *object, uint64_t what)
{
    if (is_word(object) && ((struct word *)object)->time & XP_TAGGED)
        xp_tag_looked(((struct word *)object)->time, what);
}

void py_word_look(PyObject *object)
{
    if (is_word(object))
        looked_into(object, ((struct word *)object)->value);
}

static PyObject *as_int(PyObject *object)
{
    if (is_word(object)) {
        looked_into(object, ((struct word *)object)->value);
        return PyLong_FromUnsignedLongLong(((struct word *)object)->value);
    }
    return PyNumber_Index(object);
}

int py_word_value(PyObject *object, uint64_t *value, uint64_t *time)
{
    PyObject *number;

    *time = 0;
    if (is_word(object)) {
        *value = ((struct word *)object)->value;
        *time = ((struct word *)object)->time;
        return 0;
    }
    if (PyLong_Check(object)) { /* enums too */
        *value = PyLong_AsUnsignedLongLong(object);
    } else {
        number = PyNumber_Index(object);
        if (!number)
            return -1;
        *value = PyLong_AsUnsignedLongLong(number);
        Py_DECREF(number);
    }
    return *value == UINT64_MAX && PyErr_Occurred() ? -1 : 0;
}

static uint64_t time_of(PyObject *object)
{
    return is_word(object) ? ((struct word *)object)->time : 0;
}

uint64_t py_word_later(uint64_t x, uint64_t y)
{
    return (x | y) & XP_TAGGED ? xp_tag_join(x, y) : x > y ? x : y;
}

static uint64_t later(PyObject *a, PyObject *b)
{
    return py_word_later(time_of(a), time_of(b));
}

/* Any operation by way of int; a result that is an address again is a word again. */
static PyObject *by_int(PyObject *a, PyObject *b, PyObject *(*operation)(PyObject *, PyObject *))
{
    PyObject *x, *y = NULL, *result = NULL;
    uint64_t value;

    if ((!is_word(a) && !PyLong_Check(a)) || (!is_word(b) && !PyLong_Check(b)))
        Py_RETURN_NOTIMPLEMENTED;
    x = as_int(a);
    if (x)
        y = as_int(b);
    if (y)
        result = operation(x, y);
    Py_XDECREF(x);
    Py_XDECREF(y);
    if (!result || !PyLong_CheckExact(result))
        return result;
    value = PyLong_AsUnsignedLongLong(result);
    if (value == UINT64_MAX && PyErr_Occurred()) {
        PyErr_Clear();
        return result;
    }
    Py_DECREF(result);
    return py_word_new(value, later(a, b));
}

/* Both operands as u64 without an exception, for the common case. */
static int quick(PyObject *object, uint64_t *value)
{
    if (is_word(object)) {
        *value = ((struct word *)object)->value;
        return 1;
    }
    if (!PyLong_CheckExact(object))
        return 0;
    {
        int overflow;
        long long small = PyLong_AsLongLongAndOverflow(object, &overflow);

        *value = (uint64_t)small;
        return !overflow && small >= 0;
    }
}

#define OPERATION(name, fits, expression, general)                       \
    static PyObject *word_##name(PyObject *a, PyObject *b)               \
    {                                                                    \
        uint64_t x, y, result;                                           \
                                                                         \
        if (quick(a, &x) && quick(b, &y) && (fits)) {                    \
            result = (expression);                                       \
            return py_word_new(result, later(a, b));                     \
        }                                                                \
        return by_int(a, b, general);                                    \
    }

OPERATION(add, x + y >= x, x + y, PyNumber_Add)
OPERATION(subtract, x >= y, x - y, PyNumber_Subtract)
OPERATION(multiply, !__builtin_mul_overflow_p(x, y, (uint64_t)0), x * y, PyNumber_Multiply)
OPERATION(floor_divide, y != 0, x / y, PyNumber_FloorDivide)
OPERATION(remainder, y != 0, x % y, PyNumber_Remainder)
OPERATION(lshift, y < 64 && x << y >> y == x, x << y, PyNumber_Lshift)
OPERATION(rshift, y < 64, x >> y, PyNumber_Rshift)
OPERATION(and, 1, x & y, PyNumber_And)
OPERATION(or, 1, x | y, PyNumber_Or)
OPERATION(xor, 1, x ^ y, PyNumber_Xor)

static PyObject *word_true_divide(PyObject *a, PyObject *b)
{
    return by_int(a, b, PyNumber_TrueDivide);
}

static PyObject *word_divmod(PyObject *a, PyObject *b)
{
    PyObject *quotient = word_floor_divide(a, b), *rest;

    if (!quotient || quotient == Py_NotImplemented)
        return quotient;
    rest = word_remainder(a, b);
    if (!rest) {
        Py_DECREF(quotient);
        return NULL;
    }
    return Py_BuildValue("(NN)", quotient, rest);
}

static PyObject *plain_power(PyObject *a, PyObject *b)
{
    return PyNumber_Power(a, b, Py_None);
}

static PyObject *word_power(PyObject *a, PyObject *b, PyObject *modulus)
{
    if (modulus != Py_None)
        Py_RETURN_NOTIMPLEMENTED;
    return by_int(a, b, plain_power);
}

static PyObject *word_itself(PyObject *self)
{
    return Py_NewRef(self);
}

static PyObject *word_int(PyObject *self)
{
    return as_int(self);
}

static PyObject *word_negative(PyObject *self)
{
    PyObject *number = as_int(self), *result = number ? PyNumber_Negative(number) : NULL;

    Py_XDECREF(number);
    return result;
}

static PyObject *word_invert(PyObject *self)
{
    PyObject *number = as_int(self), *result = number ? PyNumber_Invert(number) : NULL;

    Py_XDECREF(number);
    return result;
}

static int word_bool(PyObject *self)
{
    looked_into(self, ((struct word *)self)->value != 0);
    return ((struct word *)self)->value != 0;
}

static PyObject *compared(uint64_t x, uint64_t y, int op)
{
    Py_RETURN_RICHCOMPARE(x, y, op);
}

static PyObject *word_compare(PyObject *a, PyObject *b, int op)
{
    uint64_t x, y;
    PyObject *left, *right, *result = NULL;

    if (quick(a, &x) && quick(b, &y)) {
        result = compared(x, y, op);
        looked_into(a, result == Py_True);
        looked_into(b, result == Py_True);
        return result;
    }
    left = as_int(a);
    if (!left)
        return NULL;
    right = is_word(b) ? as_int(b) : Py_NewRef(b);
    if (right)
        result = PyObject_RichCompare(left, right, op);
    Py_DECREF(left);
    Py_XDECREF(right);
    return result;
}

static Py_hash_t word_hash(PyObject *self)
{
    PyObject *number = as_int(self);
    Py_hash_t hash = number ? PyObject_Hash(number) : -1;

    Py_XDECREF(number);
    return hash;
}

static PyObject *word_repr(PyObject *self)
{
    looked_into(self, ((struct word *)self)->value);
    return PyUnicode_FromFormat("%llu", (unsigned long long)((struct word *)self)->value);
}

static PyObject *word_format(PyObject *self, PyObject *spec)
{
    PyObject *number = as_int(self), *result = number ? PyObject_Format(number, spec) : NULL;

    Py_XDECREF(number);
    return result;
}

static PyObject *word_reduce(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    struct word *word = (struct word *)self;

    if (word->time & XP_TAGGED) /* a tag means nothing elsewhere: the int it holds */
        return Py_BuildValue("O(N)", (PyObject *)&PyLong_Type, as_int(self));
    return Py_BuildValue("O(KK)", (PyObject *)word_type, (unsigned long long)word->value,
                         (unsigned long long)word->time);
}

static PyObject *word_copy(PyObject *self, PyObject *Py_UNUSED(memo))
{
    return Py_NewRef(self); /* it never changes */
}

static PyObject *word_create(PyTypeObject *Py_UNUSED(type), PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"value", "time", NULL};
    PyObject *value, *time = NULL;
    uint64_t v, t = 0, own;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O:Word", names, &value, &time))
        return NULL;
    if (!time && is_word(value))
        return Py_NewRef(value);
    py_word_look(value);
    if (py_word_value(value, &v, &own) || (time && py_word_value(time, &t, &own)))
        return NULL;
    if (t & XP_TAGGED)
        return PyErr_Format(PyExc_OverflowError, "Word: a time is less than 2**63");
    return py_word_new(v, t);
}

static PyObject *word_time(PyObject *self, void *Py_UNUSED(closure))
{
    uint64_t time = ((struct word *)self)->time;

    if (time & XP_TAGGED)
        return PyErr_Format(PyExc_AttributeError, "time: an exploration has no clock; its values do not know when");
    return PyLong_FromUnsignedLongLong(time);
}

static void word_free(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);

    if (((struct word *)self)->time & XP_TAGGED)
        xp_tag_drop(((struct word *)self)->time);
    if (idle < IDLE_WORDS)
        idle_words[idle++] = (struct word *)self;
    else
        PyObject_Free(self);
    Py_DECREF(type);
}

static PyGetSetDef word_fields[] = {
    {"time", word_time, NULL, "when the write it was read from became visible; 0: initial or own", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef word_methods[] = {
    {"__format__", word_format, METH_O, NULL},
    {"__reduce__", word_reduce, METH_NOARGS, NULL},
    {"__copy__", word_copy, METH_NOARGS, NULL},
    {"__deepcopy__", word_copy, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic" /* slots are void pointers by CPython's definition */
static PyType_Slot word_slots[] = {
    {Py_tp_new, word_create},
    {Py_tp_dealloc, word_free},
    {Py_tp_repr, word_repr},
    {Py_tp_hash, word_hash},
    {Py_tp_richcompare, word_compare},
    {Py_tp_getset, word_fields},
    {Py_tp_methods, word_methods},
    {Py_tp_doc, "An unsigned 64-bit integer that remembers when the write it was read from became visible."},
    {Py_nb_add, word_add},
    {Py_nb_subtract, word_subtract},
    {Py_nb_multiply, word_multiply},
    {Py_nb_floor_divide, word_floor_divide},
    {Py_nb_remainder, word_remainder},
    {Py_nb_lshift, word_lshift},
    {Py_nb_rshift, word_rshift},
    {Py_nb_and, word_and},
    {Py_nb_or, word_or},
    {Py_nb_xor, word_xor},
    {Py_nb_true_divide, word_true_divide},
    {Py_nb_divmod, word_divmod},
    {Py_nb_power, word_power},
    {Py_nb_positive, word_itself},
    {Py_nb_absolute, word_itself},
    {Py_nb_negative, word_negative},
    {Py_nb_invert, word_invert},
    {Py_nb_int, word_int},
    {Py_nb_index, word_int},
    {Py_nb_bool, word_bool},
    {0, NULL},
};
#pragma GCC diagnostic pop

static PyType_Spec word_spec = {
    .name = "amp._core._bridge.Word",
    .basicsize = sizeof(struct word),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = word_slots,
};

int py_word_init(PyObject *module)
{
    word_type = (PyTypeObject *)PyType_FromSpec(&word_spec);
    return word_type ? PyModule_AddType(module, word_type) : -1;
}
