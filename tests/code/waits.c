/* SPDX-License-Identifier: BSD-3-Clause */
/* Loops that wait, and remember something: what a look in vain forgets must not matter. See test_code_waits.py. */
#include <stdint.h>

#include "amp_code.h"

#define SHARED(offset) (*(volatile uint32_t *)(0x40000000ul + (offset)))

void counts_to_three(void)
{
    SHARED(0) = 1;
    SHARED(0) = 2;
    SHARED(0) = 3;
}

/* In a register: has it seen 1? */
void remembers_one(void)
{
    int seen = 0;
    uint32_t value;

    while ((value = SHARED(0)) != 3)
        if (value == 1)
            seen = 1;
    if (seen)
        amp_fail("seen 1");
}

static volatile uint32_t last;

/* In private memory: the last value before 3. */
void remembers_last(void)
{
    uint32_t value;

    while ((value = SHARED(0)) != 3)
        last = value;
    if (last == 2)
        amp_fail("last was 2");
}

void sets_second(void)
{
    SHARED(8) = 1;
}

void waits_for_either(void)
{
    while (!SHARED(0) && !SHARED(8))
        ;
    if (SHARED(8))
        amp_fail("the second");
}

void sets_third(void)
{
    SHARED(0x20 + 8 * 2) = 1;
}

/* A loop inside of the loop that waits. */
void waits_for_one_of_four(void)
{
    int i;

    for (;;)
        for (i = 0; i < 4; i++)
            if (SHARED(0x20 + 8 * i))
                goto found;
found:
    if (i == 2)
        amp_fail("the third");
}

void buffers_load(void)
{
    uint32_t a = SHARED(0);

    SHARED(8) = 1;
    SHARED(0x40) = a;
}

void buffers_load_too(void)
{
    uint32_t b = SHARED(8);

    SHARED(0) = 1;
    if (b && SHARED(0x40))
        amp_fail("both loads came after both stores");
}

void buffers_store(void)
{
    SHARED(0) = 1;
    if (!SHARED(8))
        SHARED(0x48) = 1;
}

void buffers_store_too(void)
{
    SHARED(8) = 1;
    if (SHARED(0))
        return;
    if (SHARED(0x48))
        amp_fail("neither saw the other");
}

void _start(void)
{
}
