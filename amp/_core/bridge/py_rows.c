/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * py_rows.c - write_rows and read_rows of the DirectPort: rows.h with numpy's arrays, or any contiguous buffers.
 */
#include "virtio/rows.h"

#include "py_port.h"
#include "py_ring.h"

/* What a row that cannot be copied raises; NULL. */
static PyObject *refuse(struct port *port, const char *name, const struct amp_rows *rows, size_t bad, int error)
{
    if (error == -EFAULT)
        return py_fail_access(port, name, rows->addresses[bad], rows->lengths[bad], error);
    return PyErr_Format(py_ring_errors.usage, "%s: lengths[%zu] is %u, a row has %zu bytes", name, bad,
                        (unsigned)rows->lengths[bad], rows->width);
}

static PyObject *copy_rows(PyObject *self, PyObject *const *args, Py_ssize_t n, int write, const char *name)
{
    struct port *port = (struct port *)self;
    struct py_ring_array addresses, lengths;
    PyObject *result = NULL;
    Py_buffer matrix;

    if (n != 3)
        return PyErr_Format(PyExc_TypeError, "%s takes 3 arguments, %zd given", name, n);
    if (PyObject_GetBuffer(args[2], &matrix, PyBUF_C_CONTIGUOUS | (write ? 0 : PyBUF_WRITABLE)))
        return NULL;
    if (py_ring_array(args[0], "addresses", sizeof(uint64_t), 0, 0, &addresses) == 0) {
        if (py_ring_array(args[1], "lengths", sizeof(uint32_t), 0, addresses.n, &lengths) == 0) {
            if (matrix.ndim != 2 || matrix.itemsize != 1 || matrix.shape[0] < addresses.n) {
                PyErr_Format(PyExc_ValueError, "%s: rows are bytes, [%zd, width]", name, addresses.n);
            } else {
                struct amp_rows rows = {port->region.buf,     port->shared_start,   port->shared_end,
                                        addresses.buffer.buf, lengths.buffer.buf,   (size_t)addresses.n,
                                        (size_t)matrix.shape[1]};
                size_t bad = 0;
                int error = amp_rows_check(&rows, &bad);

                if (error)
                    refuse(port, name, &rows, bad, error);
                else
                    result = Py_NewRef(Py_None);
                if (!error && write)
                    amp_rows_write(&rows, matrix.buf);
                else if (!error)
                    amp_rows_read(&rows, matrix.buf);
            }
            PyBuffer_Release(&lengths.buffer);
        }
        PyBuffer_Release(&addresses.buffer);
    }
    PyBuffer_Release(&matrix);
    return result;
}

PyObject *py_write_rows(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    return copy_rows(self, args, n, 1, "write_rows");
}

PyObject *py_read_rows(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    return copy_rows(self, args, n, 0, "read_rows");
}
