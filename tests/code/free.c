/* SPDX-License-Identifier: BSD-3-Clause */
/* Many messages, one after the other, of which each is read by an address that was computed from its number, or not. */
#include <stdint.h>

#include "amp_code.h"

#define INDEX (*(volatile uint32_t *)0x40000000)
#define TAKEN (*(volatile uint32_t *)0x40000040)
#define DATA ((volatile uint32_t *)0x40000080)

void gives(uint32_t messages)
{
    for (uint32_t n = 1; n <= messages; n++) {
        DATA[n & 7] = n;
        amp_mb();
        INDEX = n;
        while (TAKEN != n)
            ;
    }
}

void takes_by_address(uint32_t messages)
{
    for (uint32_t n = 1; n <= messages; n++) {
        uint32_t now;

        while ((now = INDEX) != n)
            ;
        amp_assert(DATA[now & 7] == n);
        amp_mb();
        TAKEN = n;
    }
}

void takes_by_its_own_count(uint32_t messages)
{
    for (uint32_t n = 1; n <= messages; n++) {
        while (INDEX != n)
            ;
        amp_assert(DATA[n & 7] == n);
        amp_mb();
        TAKEN = n;
    }
}

/* Nothing that it does is worth a look: it would go on for ever. */
void never_ends(uint32_t messages)
{
    for (volatile uint32_t n = messages; n; n++)
        n |= 1;
}
