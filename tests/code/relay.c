/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * WRC: one part writes, a second passes on what it has read, a third reads. With -DFULL there is a dmb in the second, else
 * a data dependency alone.
 */
#include <stdint.h>

#include "amp_code.h"

struct box {
    uint32_t data, flag;
};

#define BOX ((volatile struct box *)0x40000000)
#define DMB() __asm__ volatile("dmb sy" : : : "memory")

void writer(void)
{
    BOX->data = 1;
}

void relay(void)
{
    uint32_t data = BOX->data;

#ifdef FULL
    DMB();
#endif
    BOX->flag = data;
}

void reader(void)
{
    if (BOX->flag != 1)
        return;
    DMB();
    amp_assert(BOX->data == 1);
}
