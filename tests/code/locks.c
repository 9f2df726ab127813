/* SPDX-License-Identifier: BSD-3-Clause */
/* Atomics in the compiler's own words, for every target: a lock, a counter, a flag that is exchanged. */
#include <stdint.h>

#include "amp_code.h"

#define SHARED(offset) (*(volatile uint32_t *)(0x40000000u + (offset)))
#define LOCK SHARED(0)
#define DATA SHARED(8)
#define COUNT SHARED(16)

#ifndef LOCK_ORDER
#define LOCK_ORDER __ATOMIC_ACQUIRE
#endif
#ifndef UNLOCK_ORDER
#define UNLOCK_ORDER __ATOMIC_RELEASE
#endif

static inline void lock(void)
{
    uint32_t none = 0;

    while (!__atomic_compare_exchange_n(&LOCK, &none, 1, 0, LOCK_ORDER, __ATOMIC_RELAXED))
        none = 0;
}

void locked(void)
{
    lock();
    amp_assert(DATA == 0);
    DATA = 1;
    DATA = 0;
    __atomic_store_n(&LOCK, 0, UNLOCK_ORDER);
}

void count(void)
{
    __atomic_fetch_add(&COUNT, 1, __ATOMIC_SEQ_CST);
}

/* More loads than an exploration has room for, in loops of fewer rounds than their bound. */
void count_often(void)
{
    for (unsigned i = 0; i < 8; i++)
        for (unsigned j = 0; j < 150; j++)
            count();
}

void count_and_look(void)
{
    __atomic_fetch_add(&COUNT, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&COUNT, __ATOMIC_ACQUIRE) != 2)
        ;
}

void first(void)
{
    if (__atomic_exchange_n(&LOCK, 1, __ATOMIC_SEQ_CST) == 0)
        DATA = DATA + 1;
    amp_assert(DATA < 2);
}

void _start(void)
{
    locked();
}
