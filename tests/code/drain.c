/* SPDX-License-Identifier: BSD-3-Clause */
/* A store to the register of an outer cache that drains it, and what comes before it. See test_code_drain.py. */
#include <stdint.h>

#include "amp_code.h"

#define DATA (*(volatile uint32_t *)0x40000000)
#define FLAG (*(volatile uint32_t *)0x40000010)
#define SYNC (*(volatile uint32_t *)0x48242730)

#if defined(__arm__)
#define dsb(option) __asm__ volatile("dsb " #option : : : "memory")
#define dmb() __asm__ volatile("dmb" : : : "memory")

void waits_and_drains(void)
{
    DATA = 42;
    dsb(sy);
    SYNC = 0;
    FLAG = 1;
}

void waits_for_stores_and_drains(void)
{
    DATA = 42;
    dsb(st);
    SYNC = 0;
    FLAG = 1;
}

void only_waits(void)
{
    DATA = 42;
    dsb(sy);
    FLAG = 1;
}

void only_drains(void)
{
    DATA = 42;
    SYNC = 0;
    FLAG = 1;
}

void orders_and_drains(void)
{
    DATA = 42;
    dmb();
    SYNC = 0;
    FLAG = 1;
}

void waits_for_siblings_and_drains(void)
{
    DATA = 42;
    dsb(ish);
    SYNC = 0;
    FLAG = 1;
}

void stores_behind_the_wait(void)
{
    dsb(sy);
    DATA = 42;
    SYNC = 0;
    FLAG = 1;
}

void receives(void)
{
    while (!FLAG)
        ;
    dmb();
    amp_assert(DATA == 42);
}
#else
void receives(void)
{
}
#endif

void _start(void)
{
}
