/* SPDX-License-Identifier: BSD-3-Clause */
/* Protocols of atomics in the compiler's own words, for every target: a spin lock, tickets, a counter that announces. */
#include <stdint.h>

#include "amp_code.h"

#define WORD(offset) ((volatile uint32_t *)(0x40000000u + (offset)))
#define LOCK WORD(0)
#define TICKET WORD(8)
#define SERVING WORD(16)
#define COUNT WORD(24)
#define DONE WORD(32)
#define DATA (*WORD(40))

#ifndef ACQUIRE
#define ACQUIRE __ATOMIC_ACQUIRE
#endif
#ifndef RELEASE
#define RELEASE __ATOMIC_RELEASE
#endif

static inline void inside(void)
{
    amp_assert(DATA == 0);
    DATA = 1;
    DATA = 0;
}

void spin(void)
{
    while (__atomic_exchange_n(LOCK, 1, ACQUIRE))
        ;
    inside();
    __atomic_store_n(LOCK, 0, RELEASE);
}

void ticket(void)
{
    uint32_t mine = __atomic_fetch_add(TICKET, 1, __ATOMIC_RELAXED);

    while (__atomic_load_n(SERVING, ACQUIRE) != mine)
        ;
    inside();
    __atomic_store_n(SERVING, mine + 1, RELEASE);
}

/* By compare-and-swap: a pair of exclusives where the target has no other. */
static inline uint32_t add(volatile uint32_t *counter, int order)
{
    uint32_t old = 0;

    while (!__atomic_compare_exchange_n(counter, &old, old + 1, 1, order, __ATOMIC_RELAXED))
        ;
    return old;
}

void announce(void)
{
    DATA = 1;
    add(COUNT, RELEASE);
}

void look(void)
{
    if (__atomic_load_n(COUNT, ACQUIRE) == 1)
        amp_assert(DATA == 1);
}

/* Nothing is lost of what both add: an atomic reads the newest, whatever the barriers before it are worth. */
void thrice(void)
{
    for (int i = 0; i < 3; i++)
        __atomic_fetch_add(COUNT, 1, __ATOMIC_RELAXED);
    add(DONE, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(DONE, __ATOMIC_ACQUIRE) != 2)
        ;
    amp_assert(__atomic_fetch_add(COUNT, 0, __ATOMIC_RELAXED) == 6);
}

void _start(void)
{
    spin();
}
