/* SPDX-License-Identifier: BSD-3-Clause */
/* How code comes to a barrier that is a function, and what Thumb makes of conditions. See test_code_named.py. */
#include <stdint.h>

#include "amp_code.h"

AMP_SHARED volatile uint32_t flag, data;

void send(void)
{
    data = 42;
    amp_dma_wmb();
    flag = 1;
}

static void wait_for_flag(void)
{
    while (!flag)
        ;
}

void receive(void)
{
    wait_for_flag();
    amp_dma_rmb();
    amp_assert(data == 42);
}

void send_by_pointer(void)
{
    void (*volatile barrier)(void) = amp_dma_wmb;

    data = 42;
    barrier();
    flag = 1;
}

/* A compiler makes one conditional jump of the last two lines. */
__attribute__((noinline)) void order_if(uint32_t wanted)
{
    if (wanted)
        amp_dma_wmb();
}

void send_and_order_if(uint32_t wanted)
{
    data = 42;
    order_if(wanted);
    flag = 1;
}

#ifdef __thumb__
/* Three rounds of a loop with a conditional store in it. */
void goes_round_three_times(void)
{
    uint32_t place[4] = {0}, rounds = 0, left = 3;

    __asm__ volatile("1: adds %0, %0, #1\n"
                     "cmp %0, %3\n"
                     "it cc\n"
                     "strcc %0, [%2]\n"
                     "subs %1, %1, #1\n"
                     "cmp %1, #0\n"
                     "bgt 1b\n"
                     : "+r"(rounds), "+r"(left)
                     : "r"(place), "r"(100)
                     : "cc", "memory");
    data = rounds;
    amp_assert(rounds == 3);
}

/* What a loop that waits calls: two stores to shared memory in one block, once there is something. */
__attribute__((naked)) uint32_t answers_if(volatile uint32_t *at)
{
    __asm__ volatile("mov r1, r0\n"
                     "ldr r0, [r1]\n"
                     "cmp r0, #0\n"
                     "itt ne\n"
                     "strne r0, [r1, #8]\n"
                     "strne r0, [r1, #12]\n"
                     "movs r1, #0\n"
                     "bx lr\n");
}

__attribute__((naked)) void answers(void)
{
    __asm__ volatile("push {r4, lr}\n"
                     "movw r4, #0x0100\n"
                     "movt r4, #0x4000\n"
                     "1: mov r0, r4\n"
                     "bl answers_if\n"
                     "cbnz r0, 2f\n"
                     "b 1b\n"
                     "2: pop {r4, pc}\n");
}

void asks(void)
{
    volatile uint32_t *at = (volatile uint32_t *)0x40000100;

    at[0] = 1;
    while (!at[3])
        ;
    amp_mb();
    amp_assert(at[2] == 1);
}
#endif
