/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * native_clock.h - the clock that all processors share, on which compiled litmus tests agree when to start.
 *
 * LEAD_TICKS is how far ahead the moment lies, LATE_TICKS how much later than that a start no longer counts as aligned:
 * some 300 and 80 ns at a time-stamp counter of 2.5 GHz, 400 and 100 ns on aarch64.
 */
#ifndef AMP_NATIVE_CLOCK_H
#define AMP_NATIVE_CLOCK_H

#include <stdint.h>

#if defined(__x86_64__)

/* Constant, and equal on all processors, where Linux uses it as its clock. */
static inline uint64_t amp_ticks(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high)::"memory");
    return (uint64_t)high << 32 | low;
}

#define LEAD_TICKS 800u
#define LATE_TICKS 200u

#elif defined(__aarch64__)

static inline uint64_t amp_ticks(void)
{
    uint64_t ticks;

    __asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(ticks)::"memory");
    return ticks;
}

static inline uint64_t amp_ticks_per_s(void)
{
    uint64_t frequency;

    __asm__ volatile("mrs %0, cntfrq_el0" : "=r"(frequency));
    return frequency;
}

#define LEAD_TICKS (amp_ticks_per_s() / 2500000 + 1)
#define LATE_TICKS (amp_ticks_per_s() / 10000000 + 1)

#else
#error "no clock that all processors share is known for this CPU"
#endif

#endif
