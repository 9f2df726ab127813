/* SPDX-License-Identifier: BSD-3-Clause */
/* The number that was loaded is put into one half of a double; then the other half is written, and an address comes from it. */
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

#define TAKES(name, half)                                                                              \
    void beside_##name(void)                                                                           \
    {                                                                                                  \
        uint32_t flag, data;                                                                           \
                                                                                                       \
        while (!(flag = FLAG))                                                                         \
            ;                                                                                          \
        __asm__ volatile("mov r3, #0\n"                                                                \
                         "push {r3}\n"                                                                 \
                         "vmov s1, %1\n" half "\n"                                                     \
                         "vmov r2, s1\n"                                                               \
                         "pop {r3}\n"                                                                  \
                         "eor r2, r2, r2\n"                                                            \
                         "ldr %0, [%2, r2]"                                                            \
                         : "=&r"(data)                                                                 \
                         : "r"(flag), "r"(0x40000000)                                                  \
                         : "r2", "r3", "s0", "s1", "memory");                                          \
        amp_assert(data == 42);                                                                        \
    }

TAKES(vmov, "vmov s0, r3")
TAKES(vldr, "vldr s0, [sp]")
TAKES(vmov_lane, "vmov.32 d0[0], r3")

void _start(void)
{
    gives();
}
