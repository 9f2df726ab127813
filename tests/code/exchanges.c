/* SPDX-License-Identifier: BSD-3-Clause */
/* Locks that are taken by an exchange, again and again: the attempt in vain stores, and leaves there what was there. */
#include <stdint.h>

#include "amp_code.h"

#define WORD(offset) ((volatile uint32_t *)((uintptr_t)0x40000000 + (offset)))
#define LOCK WORD(0)
#define DATA WORD(16)
#define RESULT WORD(32)
#define SECOND WORD(48)
#define GAVE_UP 0x100

#ifndef TAKE
#define TAKE __ATOMIC_ACQUIRE
#endif
#ifndef GIVE
#define GIVE __ATOMIC_RELEASE
#endif

#ifdef TRIES /* as often as this, and then nothing is said */
#define TAKES(lock) tries(lock)
static int tries(volatile uint32_t *lock)
{
    for (int n = 0; n < TRIES; n++)
        if (!__atomic_exchange_n(lock, 1, TAKE))
            return 1;
    return 0;
}
#else
#define TAKES(lock) takes(lock)
static inline int takes(volatile uint32_t *lock)
{
    while (__atomic_exchange_n(lock, 1, TAKE))
        ;
    return 1;
}
#endif

/* What both have read is one number, and must not be `not`. */
static void compare(uint32_t mine, uint32_t not)
{
    uint32_t other;

    do
        other = __atomic_load_n(RESULT, __ATOMIC_ACQUIRE);
    while (!other);
    amp_assert(4 * mine + other - 1 != not);
}

/* It has the lock, if nobody was there before it, gives it away, and looks who has it. */
void gives(uint32_t not)
{
    uint32_t seen;

    *LOCK = 1;
    *DATA = 1;
    __atomic_store_n(LOCK, 0, GIVE);
    seen = *LOCK;
    compare(seen, not);
}

void takes_it(void)
{
    __atomic_store_n(RESULT, TAKES(LOCK) ? 1 + *DATA : GAVE_UP, __ATOMIC_RELEASE);
}

/* The same by a bit, and behind a store that the other looks for. */
void gives_behind(uint32_t not)
{
    uint32_t seen;

    *LOCK = 1;
    seen = *SECOND;
    __atomic_store_n(LOCK, 0, GIVE);
    compare(seen, not);
}

void takes_behind(void)
{
    *SECOND = 1;
    __atomic_store_n(RESULT, TAKES(LOCK) ? 1 + *DATA : GAVE_UP, __ATOMIC_RELEASE);
}

void by_a_bit(void)
{
    while (__atomic_fetch_or(LOCK, 2, __ATOMIC_ACQUIRE) & 2)
        ;
    amp_assert(*DATA == 0);
    *DATA = 1;
    *DATA = 0;
    __atomic_fetch_and(LOCK, ~2u, __ATOMIC_RELEASE);
}

/* Nobody gives it back. */
void keeps(void)
{
    while (__atomic_exchange_n(LOCK, 1, __ATOMIC_ACQUIRE))
        ;
}

/* What is done in vain is told: it is no wait. */
void counts(void)
{
    uint32_t vain = 0;

    while (__atomic_exchange_n(LOCK, 1, __ATOMIC_ACQUIRE))
        vain++;
    amp_assert(vain != 2);
    __atomic_store_n(LOCK, 0, __ATOMIC_RELEASE);
}

void looks_elsewhere(void)
{
    while (__atomic_exchange_n(LOCK, 1, __ATOMIC_ACQUIRE))
        amp_assert(*SECOND == 0);
}

void stores_elsewhere(void)
{
    *LOCK = 1;
    *SECOND = 1;
    __atomic_store_n(LOCK, 0, __ATOMIC_RELEASE);
}

#ifdef __aarch64__
/* An attempt in vain that fails for no reason is not tried again, but told. */
void fails_at_once(void)
{
    uint32_t old, failed;

    do {
        __asm__ volatile("ldaxr %w0, [%2]\n\tstxr %w1, %w3, [%2]" : "=&r"(old), "=&r"(failed) : "r"(LOCK), "r"(1) : "memory");
        amp_assert(!(failed && old));
    } while (old);
}

void holds(void)
{
    *LOCK = 1;
    *LOCK = 0;
}
#endif

void _start(void)
{
    keeps();
}
