/* SPDX-License-Identifier: BSD-3-Clause */
/* The part of <stdlib.h> that `amp code build` links: a heap of 64 KiB a part, in its private memory. */
#ifndef AMP_STDLIB_H
#define AMP_STDLIB_H

#include <stddef.h>

void *malloc(size_t n);
void *calloc(size_t count, size_t n);
void free(void *memory);
_Noreturn void abort(void);

#endif
