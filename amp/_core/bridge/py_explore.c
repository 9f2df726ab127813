/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * py_explore.c - what the module offers of the explorer.
 */
#include "py_explore.h"

static PyMethodDef functions[] = {
    {"litmus", (PyCFunction)(void (*)(void))py_litmus, METH_FASTCALL, "All outcomes of a litmus test."},
    {NULL, NULL, 0, NULL},
};

int py_explore_init(PyObject *module)
{
    return PyModule_AddFunctions(module, functions) ? -1 : py_explored_init(module);
}
