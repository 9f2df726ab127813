/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * py_process.c - processes of the parts: their end with their parent, and one that forks another beside itself.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "py_bridge.h"

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

/*
 * fork_beside() -> the new process's id; 0 in the new process.
 *
 * As os.fork, but the new process is a child of our parent: it waits for both, and both die with it (clone(2),
 * CLONE_PARENT; what signal tells the parent of its end is then ours, SIGCHLD). The C library offers no such fork, and
 * what it would do besides is for processes with threads, which must not call this.
 */
static PyObject *fork_beside(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(arg))
{
    long pid;
    int error;

    PyOS_BeforeFork();
    pid = syscall(SYS_clone, (unsigned long)(CLONE_PARENT | SIGCHLD), 0UL, 0UL, 0UL, 0UL);
    error = errno;
    if (pid == 0)
        PyOS_AfterFork_Child();
    else
        PyOS_AfterFork_Parent();
    if (pid < 0) {
        errno = error;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    return PyLong_FromLong(pid);
}

static PyMethodDef functions[] = {
    {"die_with_parent", die_with_parent, METH_O, "die_with_parent(pid) -> False if it is dead already"},
    {"fork_beside", fork_beside, METH_NOARGS, "fork_beside() -> pid of a new child of our parent; 0 in it"},
    {NULL, NULL, 0, NULL},
};

int py_process_init(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
