/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A flag passed on by accesses that order by themselves: store-release and load-acquire; an exchange; and on x86 a full
 * barrier as compilers write it, a locked instruction on the stack.
 */
#include <stdint.h>

#include "amp_code.h"

struct box {
    uint32_t data, flag, seen;
};

#define BOX ((volatile struct box *)0x40000000)

void send(void)
{
    BOX->data = 1;
    __atomic_store_n(&BOX->flag, 1, __ATOMIC_RELEASE);
}

void receive(void)
{
    while (!__atomic_load_n(&BOX->flag, __ATOMIC_ACQUIRE))
        ;
    amp_assert(BOX->data == 1);
}

void announce(void)
{
    BOX->data = 1;
    __atomic_exchange_n(&BOX->flag, 1, __ATOMIC_ACQ_REL);
}

#if defined(__x86_64__)
void knock(void)
{
    BOX->flag = 1;
    __asm__ volatile("lock orl $0, (%%rsp)" : : : "memory");
    BOX->seen = BOX->data + 1;
}

void answer(void)
{
    BOX->data = 1;
    __asm__ volatile("mfence" : : : "memory");
    if (!BOX->flag) {
        while (!BOX->seen)
            ;
        amp_assert(BOX->seen == 2);
    }
}
#endif

/* The data are written again as soon as they are acknowledged; `take` lets the acknowledgement overtake its look. */
void give(void)
{
    BOX->data = 1;
    __atomic_store_n(&BOX->flag, 1, __ATOMIC_RELEASE);
    while (__atomic_load_n(&BOX->seen, __ATOMIC_ACQUIRE) != 1)
        ;
    BOX->data = 2;
}

void take(void)
{
    uint32_t got;

    while (!__atomic_load_n(&BOX->flag, __ATOMIC_ACQUIRE))
        ;
    got = BOX->data;
    BOX->seen = 1;
    amp_assert(got == 1);
}

void _start(void)
{
    give();
    take();
    send();
    receive();
    announce();
}
