/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls by pointers, and a switch, which a compiler may make returns to a register's address. */
#include <stdint.h>

#include "amp_code.h"

#define DATA ((volatile uint32_t *)0x40000000)
#define FLAG ((volatile uint32_t *)0x40000040)

static uint32_t get(volatile uint32_t *from, uint32_t mask)
{
    return *from & mask;
}

static void put(volatile uint32_t *to, uint32_t value)
{
    *to = value;
}

static uint32_t (*const volatile getter)(volatile uint32_t *from, uint32_t mask) = get;
static void (*const volatile putter)(volatile uint32_t *to, uint32_t value) = put;

void gives(void)
{
    putter(DATA, 42);
#ifndef NO_BARRIER
    amp_wmb();
#endif
    putter(FLAG, 1);
}

/* Each round of the wait is a call. */
void takes(void)
{
    while (!getter(FLAG, 1))
        ;
    amp_rmb();
    amp_assert(getter(DATA, ~0u) == 42);
}

void takes_one_of(uint32_t which)
{
    while (!*FLAG)
        ;
    amp_rmb();
    switch (which) {
    case 0: putter(DATA, 1); break;
    case 1: putter(FLAG, 2); break;
    case 2: putter(DATA, 3); break;
    case 3: amp_assert(getter(DATA, ~0u) == 42); break;
    case 4: putter(FLAG, 5); break;
    case 5: putter(DATA + 1, 7); break;
    default: break;
    }
}

void _start(void)
{
    gives();
}
