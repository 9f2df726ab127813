/* SPDX-License-Identifier: BSD-3-Clause */
#include "rows.h"

#include <errno.h>
#include <string.h>

#include "granule.h"

int amp_rows_check(const struct amp_rows *rows, size_t *bad)
{
    for (size_t i = 0; i < rows->n; i++) {
        *bad = i;
        if (rows->lengths[i] > rows->width)
            return -EINVAL;
        if (amp_check_range(rows->start, rows->end, rows->addresses[i], rows->lengths[i]))
            return -EFAULT;
    }
    return 0;
}

void amp_rows_write(const struct amp_rows *rows, const uint8_t *matrix)
{
    for (size_t i = 0; i < rows->n; i++)
        memcpy(rows->memory + rows->addresses[i], matrix + i * rows->width, rows->lengths[i]);
}

void amp_rows_read(const struct amp_rows *rows, uint8_t *matrix)
{
    for (size_t i = 0; i < rows->n; i++)
        memcpy(matrix + i * rows->width, rows->memory + rows->addresses[i], rows->lengths[i]);
}
