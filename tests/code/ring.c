/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A split ring of one producer and one consumer: driver -> avail -> device -> used -> driver, with its four barriers. Each
 * may be left out (-DWITHOUT=1 to 4), and all are symbolic with -DSYMBOLIC. MESSAGES, ENTRIES.
 */
#include <stdint.h>

#include "amp_code.h"

#ifndef MESSAGES
#define MESSAGES 1
#endif
#ifndef ENTRIES
#define ENTRIES 2
#endif
#ifndef WITHOUT
#define WITHOUT 0
#endif
#if defined(SYMBOLIC)
#define WMB() amp_dma_wmb()
#define RMB() amp_dma_rmb()
#elif defined(__aarch64__)
#define WMB() __asm__ volatile("dmb oshst" : : : "memory")
#define RMB() __asm__ volatile("dmb oshld" : : : "memory")
#elif defined(__arm__)
#define WMB() __asm__ volatile("dmb" : : : "memory")
#define RMB() __asm__ volatile("dmb" : : : "memory")
#elif defined(__riscv)
#define WMB() __asm__ volatile("fence ow,ow" : : : "memory")
#define RMB() __asm__ volatile("fence ir,ir" : : : "memory")
#else
#define WMB() __asm__ volatile("sfence" : : : "memory")
#define RMB() __asm__ volatile("lfence" : : : "memory")
#endif

struct ring {
    uint32_t payload[ENTRIES];
    uint32_t length[ENTRIES];
    uint16_t avail[ENTRIES];
    uint16_t avail_idx;
    uint16_t used_idx;
    uint16_t used[ENTRIES];
};

#define RING ((volatile struct ring *)0x40000000)

static uint16_t wait_for(const volatile uint16_t *index, uint16_t old)
{
    uint16_t now;

    while ((now = *index) == old)
        ;
    return now;
}

void send(void)
{
    uint16_t avail = 0, used = 0;

    for (int message = 0; message < MESSAGES; message++) {
        uint16_t slot = avail % ENTRIES;

        if (avail - used == ENTRIES) {
            wait_for(&RING->used_idx, used);
#if WITHOUT != 4
            RMB(); /* the device's index before its entry */
#endif
            amp_assert(RING->used[used % ENTRIES] == used % ENTRIES + 1);
            used++;
        }
        RING->payload[slot] = message + 1;
        RING->length[slot] = message + 1;
        RING->avail[slot] = slot + 1;
#if WITHOUT != 1
        WMB(); /* the entry before the index */
#endif
        RING->avail_idx = ++avail;
    }
    while (used != avail) {
        wait_for(&RING->used_idx, used);
#if WITHOUT != 4
        RMB(); /* the device's index before its entry */
#endif
        amp_assert(RING->used[used % ENTRIES] == used % ENTRIES + 1);
        used++;
    }
}

void receive(void)
{
    uint16_t seen = 0;

    for (int message = 0; message < MESSAGES; message++) {
        uint16_t head;

        wait_for(&RING->avail_idx, seen);
#if WITHOUT != 2
        RMB(); /* the driver's index before its entry */
#endif
        head = RING->avail[seen % ENTRIES];
        amp_assert(head >= 1 && head <= ENTRIES);
        amp_assert(RING->length[head - 1] == message + 1);
        amp_assert(RING->payload[head - 1] == message + 1);
        RING->used[seen % ENTRIES] = head;
#if WITHOUT != 3
        WMB(); /* the entry before the index */
#endif
        RING->used_idx = ++seen;
    }
}

void _start(void)
{
    send();
    receive();
}
