/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A heap of 64 KiB for each part, in its private memory: what is taken from it is never given back, for a run is short and
 * begins anew. NULL where it is used up.
 */
#include <stdlib.h>

#include <string.h>

#include "amp_code.h"

#define HEAP_BYTES 65536
#define ALIGN 16
#define WEAK __attribute__((weak))

static unsigned char heap[HEAP_BYTES] __attribute__((aligned(ALIGN)));
static size_t used;

WEAK void *malloc(size_t n)
{
    size_t at = used;

    if (n > HEAP_BYTES - at)
        return NULL;
    used = at + ((n + ALIGN - 1) & ~(size_t)(ALIGN - 1));
    if (used > HEAP_BYTES)
        used = HEAP_BYTES;
    return heap + at;
}

WEAK void *calloc(size_t count, size_t n)
{
    size_t all;

    return __builtin_mul_overflow(count, n, &all) ? NULL : malloc(all); /* as it was loaded: zeroes */
}

WEAK void free(void *memory)
{
    (void)memory;
}

WEAK _Noreturn void abort(void)
{
    amp_fail("abort()");
    __builtin_unreachable();
}
