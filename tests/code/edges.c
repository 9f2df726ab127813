/* SPDX-License-Identifier: BSD-3-Clause */
/* Where a processor would stop, one way each. See test_code_edges.py. */
#include <stdint.h>

#include "amp_code.h"

AMP_SHARED volatile uint32_t shared[8];

static uint32_t private_words[8] __attribute__((aligned(8)));
const uint32_t constant = 1;

typedef void (*function)(void);

static char *unaligned(volatile void *memory)
{
    volatile uintptr_t at = (uintptr_t)memory + 2;

    return (char *)at;
}

#if defined(__aarch64__)
#define EXCLUSIVE(at) __asm__ volatile("ldxr w9, [%0]" : : "r"(at) : "w9", "memory")
#define ORDERED(at) __asm__ volatile("ldar w9, [%0]" : : "r"(at) : "w9", "memory")
#define MULTIPLE(at) __asm__ volatile("stlr wzr, [%0]" : : "r"(at) : "memory")
#elif defined(__arm__)
#define EXCLUSIVE(at) __asm__ volatile("ldrex r4, [%0]" : : "r"(at) : "r4", "memory")
#define ORDERED(at) __asm__ volatile("ldrd r4, r5, [%0]" : : "r"(at) : "r4", "r5", "memory")
#define MULTIPLE(at) __asm__ volatile("stmia %0, {r4, r5}" : : "r"(at) : "memory")
#elif defined(__riscv)
#define EXCLUSIVE(at) __asm__ volatile("lr.w t0, (%0)" : : "r"(at) : "t0", "memory")
#define ORDERED(at) __asm__ volatile("amoadd.w t0, t0, (%0)" : : "r"(at) : "t0", "memory")
#define MULTIPLE(at) __asm__ volatile("amoswap.w t0, t0, (%0)" : : "r"(at) : "t0", "memory")
#endif

#ifdef EXCLUSIVE
void exclusive_shared(void)
{
    EXCLUSIVE(unaligned(shared));
}

void exclusive_private(void)
{
    EXCLUSIVE(unaligned(private_words));
}

void ordered_shared(void)
{
    ORDERED(unaligned(shared));
}

void ordered_private(void)
{
    ORDERED(unaligned(private_words));
}

void multiple_private(void)
{
    MULTIPLE(unaligned(private_words));
}
#endif

void touches(void)
{
    shared[0] = 1;
}

void writes_a_constant(void)
{
    volatile uintptr_t at = (uintptr_t)&constant;

    *(volatile uint32_t *)at = 2;
}

void writes_code(void)
{
    volatile uintptr_t at = (uintptr_t)touches & ~(uintptr_t)1;

    *(volatile uint32_t *)at = 0;
}

void jumps_into_data(void)
{
    volatile uintptr_t at = (uintptr_t)private_words | ((uintptr_t)touches & 1);

    ((function)at)();
}

void jumps_nowhere(void)
{
    volatile uintptr_t at = 0x66660000 | ((uintptr_t)touches & 1);

    ((function)at)();
}

void jumps_to_null(void)
{
    volatile uintptr_t at = (uintptr_t)touches & 1;

    ((function)at)();
}

__attribute__((noinline)) static int deep(volatile int *above)
{
    volatile int here[64];

    here[0] = *above;
    return deep(here) + here[1];
}

void overflows(void)
{
    volatile int first = 1;

    shared[1] = deep(&first);
}

void undefined(void)
{
    __builtin_trap();
}

void reads_null(void)
{
    volatile uintptr_t at = 0;

    shared[0] = *(volatile uint32_t *)at;
}
