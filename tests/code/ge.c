/* SPDX-License-Identifier: BSD-3-Clause */
/* The address of a load is picked by the GE flags, which come from what was loaded before, or from nothing. */
#include <stdint.h>

#include "amp_code.h"

#define DATA (*(volatile uint32_t *)0x40000000)
#define FLAG (*(volatile uint32_t *)0x40000040)

void gives(void)
{
    DATA = 42;
    amp_mb();
    FLAG = 1;
}

#define TAKES(name, sets, between)                                                                                      \
    void name(void)                                                                                                     \
    {                                                                                                                   \
        uint32_t flag, data, spare, at;                                                                                 \
                                                                                                                        \
        while (!(flag = FLAG))                                                                                          \
            ;                                                                                                           \
        __asm__ volatile(sets " %1, %3, %3\n" between "sel %2, %4, %4\nldr %0, [%2]"                                    \
                         : "=&r"(data), "=&r"(spare), "=&r"(at)                                                         \
                         : "r"(flag), "r"(0x40000000), "r"(0)                                                           \
                         : "cc", "memory");                                                                             \
        amp_assert(data == 42);                                                                                         \
    }

TAKES(by_the_flags, "uadd8", "")
TAKES(by_the_flags_of_halves, "ssub16", "adds %1, %5, %5\n") /* which sets N, Z, C and V, and no GE */
TAKES(by_none_for_it_saturates, "uqadd8", "")
TAKES(by_none_for_they_are_set_anew, "uadd8", "usax %1, %5, %5\n")

void _start(void)
{
}
