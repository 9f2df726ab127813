/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rows.h - payloads of many buffers at once: row i of a matrix, its first lengths[i] bytes, to or from addresses[i].
 *
 * Plain copies: no order, no atomicity. Nothing is copied unless all of it lies in [start, end) and in its rows.
 */
#ifndef AMP_ROWS_H
#define AMP_ROWS_H

#include <stddef.h>
#include <stdint.h>

struct amp_rows {
    uint8_t *memory; /* the region's first byte */
    uint64_t start, end;
    const uint64_t *addresses;
    const uint32_t *lengths;
    size_t n, width; /* rows, and bytes of each */
};

/* 0, -EFAULT outside the shared memory, -EINVAL for a length above the width; then `bad` is the row. */
int amp_rows_check(const struct amp_rows *rows, size_t *bad);
void amp_rows_write(const struct amp_rows *rows, const uint8_t *matrix);
void amp_rows_read(const struct amp_rows *rows, uint8_t *matrix);

#endif
