/* SPDX-License-Identifier: BSD-3-Clause */
/* See test_code_inlined.py. */
#include "fences.h"

#include "amp_code.h"

#define SHARED(offset) (*(volatile unsigned *)(0x40000000ul + (offset)))

static inline __attribute__((always_inline)) void wait_for(volatile unsigned *flag)
{
    while (!*flag)
        ;
    order(); /* consumes */
}

void send(void)
{
    SHARED(0) = 42;
    publish(&SHARED(16)); /* publishes */
    wait_for(&SHARED(32)); /* one */
    if (SHARED(0) == 42)
        return;
    order(); /* rare */
    SHARED(48) = 1;
}

void receive(void)
{
    wait_for(&SHARED(16)); /* another */
    amp_assert(SHARED(0) == 42);
    order(); /* gives back */
    SHARED(32) = 1;
}

void _start(void)
{
}
