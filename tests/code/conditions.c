/* SPDX-License-Identifier: BSD-3-Clause */
/* Both store, and look for the other's store: a full barrier between is needed. See test_code_conditions.py. */
#include <stdint.h>

#include "amp_code.h"

#define SHARED(offset) (*(volatile uint32_t *)(0x40000000ul + (offset)))

static volatile int yes = 1, no;

__attribute__((noinline)) static void last(int wanted)
{
    if (wanted)
        amp_mb();
}

__attribute__((noinline)) static void amidst(int wanted)
{
    if (wanted)
        amp_mb();
    SHARED(32) = 1;
}

static void first(void (*barrier)(int), int wanted)
{
    SHARED(0) = 1;
    barrier(wanted);
    SHARED(16) = SHARED(8) + 1;
}

static void second(void (*barrier)(int), int wanted)
{
    SHARED(8) = 1;
    barrier(wanted);
    if (SHARED(0))
        return;
    while (!SHARED(16))
        ;
    if (SHARED(16) == 1)
        amp_fail("neither saw the other");
}

#define BOTH(name, barrier, wanted)  \
    void first_##name(void)          \
    {                                \
        first(barrier, wanted);      \
    }                                \
    void second_##name(void)         \
    {                                \
        second(barrier, wanted);     \
    }

BOTH(last, last, yes)
BOTH(not_last, last, no)
BOTH(amidst, amidst, yes)
BOTH(not_amidst, amidst, no)

void _start(void)
{
}
