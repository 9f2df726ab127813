/* SPDX-License-Identifier: BSD-3-Clause */
/* Small things that a part may do, each in a function of its own: what they must come to is in test_code_shapes.py. */
#include <stdint.h>

#include "amp_code.h"

#define SHARED(type, offset) (*(volatile type *)(0x40000000 + (offset)))
#define FLAG SHARED(uint32_t, 0)
#define DATA SHARED(uint32_t, 8)
#define LOCK SHARED(uint32_t, 16)
#define COUNT SHARED(uint32_t, 24)
#define RELEASE(x, v) __atomic_store_n(&(x), (v), __ATOMIC_RELEASE)
#define ACQUIRE(x) __atomic_load_n(&(x), __ATOMIC_ACQUIRE)

int counter; /* private: each part has its own, and each run a fresh one */

void nothing(void)
{
}

/* --- message passing */

void send_release(void)
{
    DATA = 42;
    RELEASE(FLAG, 1);
}

void receive_acquire(void)
{
    while (!ACQUIRE(FLAG))
        ;
    amp_assert(DATA == 42);
}

void ping(int messages)
{
    for (int i = 1; i <= messages; i++) {
        DATA = i;
        RELEASE(FLAG, i);
        while (ACQUIRE(COUNT) != (uint32_t)i)
            ;
    }
}

void pong(int messages)
{
    for (int i = 1; i <= messages; i++) { /* gcc gives the wait and the loop around it one head */
        while (ACQUIRE(FLAG) != (uint32_t)i)
            ;
        amp_assert(DATA == (uint32_t)i);
        RELEASE(COUNT, i);
    }
}

void send_plain(void)
{
    DATA = 42;
    FLAG = 1;
}

void receive_plain(void)
{
    while (!FLAG)
        ;
    amp_assert(DATA == 42);
}

void receive_impatient(void)
{
    for (int i = 0; i < 100000; i++)
        if (FLAG)
            return;
}

void receive_never(void)
{
    while (FLAG != 7)
        ;
}

/* --- the index of a pointer to the data: an address dependency */

void receive_by_address(void)
{
    uint32_t flag;

    while (!(flag = FLAG))
        ;
    amp_assert(*(volatile uint32_t *)(0x40000000ul + 8 * flag) == 42);
}

void send_barrier(void)
{
    DATA = 42;
    __asm__ volatile("dmb osh" : : : "memory");
    FLAG = 1;
}

/* --- the value goes over the stack */

static __attribute__((noinline)) uint64_t spilled(uint64_t value)
{
    volatile uint64_t kept = value;

    return kept;
}

void receive_by_spilled_address(void)
{
    uint32_t flag;

    while (!(flag = FLAG))
        ;
    amp_assert(*(volatile uint32_t *)(0x40000000 + 8 * spilled(flag)) == 42);
}

/* --- symbolic barriers */

void send_symbolic(void)
{
    DATA = 42;
    amp_dma_wmb();
    FLAG = 1;
}

void receive_symbolic(void)
{
    while (!FLAG)
        ;
    amp_dma_rmb();
    amp_assert(DATA == 42);
}

/* --- atomics */

void count(void)
{
    __atomic_fetch_add(&COUNT, 1, __ATOMIC_ACQ_REL);
}

void count_twice_and_look(void)
{
    __atomic_fetch_add(&COUNT, 1, __ATOMIC_ACQ_REL);
    while (ACQUIRE(COUNT) != 2)
        ;
}

void count_badly(void)
{
    COUNT = COUNT + 1;
}

void count_badly_and_look(void)
{
    COUNT = COUNT + 1;
    FLAG = 1;
    amp_assert(COUNT != 1 || !DATA);
}

static void lock(void)
{
    uint32_t none = 0;

    while (!__atomic_compare_exchange_n(&LOCK, &none, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        none = 0;
}

void locked(void)
{
    lock();
    amp_assert(DATA == 0);
    DATA = 1;
    DATA = 0;
    RELEASE(LOCK, 0);
}

/* --- what ends a part */

void wild(void)
{
    *(volatile uint32_t *)0x50000008 = 1;
}

void overflow(void)
{
    volatile char much[200000];

    much[0] = 1;
    counter = much[0];
}

void undefined(void)
{
    __asm__ volatile(".inst 0x00000000");
}

void trapped(void)
{
    __builtin_trap();
}

void system_call(void)
{
    __asm__ volatile("svc #0");
}

void jumped(void)
{
    ((void (*)(void))0x60000000)();
}

void said(void)
{
    amp_fail("so it said");
}

void forgets(void)
{
    amp_assert(counter == 0);
    counter = 1;
    FLAG = 1;
}

void chooses(void)
{
    if (amp_choose(3) == 2)
        amp_fail("the third way");
}

/* --- a doorbell */

void rings(void)
{
    DATA = 42;
    __asm__ volatile("dsb st" : : : "memory");
    amp_kick(1);
}

void sleeps(void)
{
    amp_wait();
    __asm__ volatile("dmb oshld" : : : "memory");
    amp_assert(DATA == 42);
}

void rings_by_mailbox(void)
{
    DATA = 42;
    __asm__ volatile("dsb st" : : : "memory");
    *(volatile uint32_t *)0x48000000 = 1;
}

void polls_mailbox(void)
{
    while (!(*(volatile uint32_t *)0x48000000 & 1))
        ;
}

void sleeps_by_wfi(void)
{
    __asm__ volatile("wfi");
    __asm__ volatile("dmb oshld" : : : "memory");
    amp_assert(DATA == 42);
}

void unaligned(void)
{
    *(volatile uint32_t *)0x40000002 = 0x01020304;
}

void wide(void)
{
    __asm__ volatile("ldxp x2, x3, [%0]" : : "r"(0x40000000L) : "x2", "x3", "memory");
}

void _start(void)
{
    nothing();
}
