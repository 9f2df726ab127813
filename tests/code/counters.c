/* SPDX-License-Identifier: BSD-3-Clause */
/* Counters that all parts increment, each way that compilers have for it: nothing is lost, but of the one that is planted. */
#include <stdint.h>

#include "amp_code.h"

#define WORD(offset) ((volatile uint32_t *)((uintptr_t)0x40000000 + (offset)))
#define COUNT WORD(0)
#define LOCK WORD(8)
#define BEGUN WORD(16)
#define DONE WORD(24)

#ifndef PARTS
#define PARTS 2
#endif
#ifndef ORDER
#define ORDER __ATOMIC_RELAXED
#endif

static void gather(volatile uint32_t *here)
{
    __atomic_fetch_add(here, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(here, __ATOMIC_ACQUIRE) != PARTS)
        ;
}

/* Every part has done its share, and all of it is in the counter. */
static void meet(uint32_t share)
{
    gather(DONE);
    amp_assert(__atomic_load_n(COUNT, __ATOMIC_RELAXED) == PARTS * share);
}

void by_add(uint32_t share)
{
    gather(BEGUN);
    for (uint32_t n = 0; n < share; n++)
        __atomic_fetch_add(COUNT, 1, ORDER);
    meet(share);
}

void by_compare(uint32_t share)
{
    gather(BEGUN);
    for (uint32_t n = 0; n < share; n++) {
        uint32_t old = __atomic_load_n(COUNT, __ATOMIC_RELAXED);

        while (!__atomic_compare_exchange_n(COUNT, &old, old + 1, 1, ORDER, __ATOMIC_RELAXED))
            ;
    }
    meet(share);
}

/* Under a lock that is taken by an exchange. */
void by_lock(uint32_t share)
{
    gather(BEGUN);
    for (uint32_t n = 0; n < share; n++) {
        while (__atomic_exchange_n(LOCK, 1, __ATOMIC_ACQUIRE))
            ;
        *COUNT = *COUNT + 1;
        __atomic_store_n(LOCK, 0, __ATOMIC_RELEASE);
    }
    meet(share);
}

#ifndef __riscv /* its atomics are of words */
void by_half(uint32_t share)
{
    gather(BEGUN);
    for (uint32_t n = 0; n < share; n++)
        __atomic_fetch_add((volatile uint16_t *)COUNT, 1, ORDER);
    meet(share);
}
#endif

void planted(uint32_t share)
{
    gather(BEGUN);
    for (uint32_t n = 0; n < share; n++)
        *COUNT = *COUNT + 1;
    meet(share);
}

/*
 * Two litmus tests whose stores, or flag, are atomics, again and again, each time elsewhere. What the two parts have read is
 * one number, and must not be `not`.
 */
#define FIRST WORD(64 * round)
#define SECOND WORD(64 * round + 16)
#define RESULT WORD(64 * round + 32)
#define TOGETHER WORD(64 * round + 48)

static void compare(uint32_t round, uint32_t mine, uint32_t not)
{
    uint32_t other;

    do
        other = __atomic_load_n(RESULT, __ATOMIC_ACQUIRE);
    while (!other);
    amp_assert(2 * mine + other - 1 != not);
}

void buffers(uint32_t rounds, uint32_t not)
{
    for (uint32_t round = 1; round <= rounds; round++) {
        uint32_t read;

        gather(TOGETHER);
        __atomic_exchange_n(FIRST, 1, ORDER);
        read = *SECOND;
        compare(round, read, not);
    }
}

void buffers_too(uint32_t rounds)
{
    for (uint32_t round = 1; round <= rounds; round++) {
        gather(TOGETHER);
        __atomic_exchange_n(SECOND, 1, ORDER);
        __atomic_store_n(RESULT, 1 + *FIRST, __ATOMIC_RELEASE);
    }
}

void passes(uint32_t rounds, uint32_t not)
{
    for (uint32_t round = 1; round <= rounds; round++) {
        gather(TOGETHER);
        *FIRST = 1;
        __atomic_fetch_add(SECOND, 1, ORDER);
        compare(round, 0, not);
    }
}

void takes(uint32_t rounds)
{
    for (uint32_t round = 1; round <= rounds; round++) {
        uint32_t flag, data;

        gather(TOGETHER);
        flag = __atomic_fetch_or(SECOND, 0, ORDER);
        data = *FIRST;
        __atomic_store_n(RESULT, 1 + 2 * flag + data, __ATOMIC_RELEASE);
    }
}

void _start(void)
{
    by_add(1);
}
