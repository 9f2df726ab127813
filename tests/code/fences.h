/* SPDX-License-Identifier: BSD-3-Clause */
/* Barriers as headers have them: inline functions, one that calls another. See test_code_inlined.py. */
#define INLINE static inline __attribute__((always_inline))

INLINE void order(void)
{
    __asm__ volatile("dmb osh" : : : "memory");
}

INLINE void publish(volatile unsigned *flag)
{
    order();
    *flag = 1;
}
