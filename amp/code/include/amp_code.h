/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * amp_code.h - for code that is compiled and handed to amp as an ELF file: what it may say of itself. Freestanding; for
 * any target, gcc or clang. The functions are known to amp by their symbols; they are called, never inlined, and do nothing
 * that matters anywhere else.
 *
 *   amp_assert(condition)   a violation if it does not hold
 *   amp_fail("text")        a violation, in these words
 *   amp_kick(cpu)           rings that processor's doorbell; amp_wait() sleeps until one's own rings
 *   amp_choose(n)           0 to n - 1: an exploration tries each
 *   amp_smp_wmb(), ...      Linux's barriers by name: what the platform has for them, whatever the compiler targets
 *   amp_print("text")       a line of the story; printf() of `amp code build` ends here
 *   AMP_SHARED              for variables in shared memory: a section of its own, .amp_shared, which begins as zeroes.
 *                           `amp code build` puts it where --shared says; other linkers have --section-start or a script
 */
#ifndef AMP_CODE_H
#define AMP_CODE_H

/* Called as they stand: no compiler makes a copy of one for some argument, under another name. */
#if defined(__clang__)
#define AMP_CODE_CALLED __attribute__((__noinline__, __used__, __unused__))
#else
#define AMP_CODE_CALLED __attribute__((__noipa__, __used__, __unused__))
#endif
#define AMP_SHARED __attribute__((__section__(".amp_shared")))

AMP_CODE_CALLED static void amp_code_fail(const char *text)
{
    for (;;)
        __asm__ volatile("" : : "r"(text) : "memory");
}

AMP_CODE_CALLED static void amp_code_kick(unsigned cpu)
{
    __asm__ volatile("" : : "r"(cpu) : "memory");
}

AMP_CODE_CALLED static void amp_code_wait(void)
{
    __asm__ volatile("" : : : "memory");
}

AMP_CODE_CALLED static unsigned amp_code_choose(unsigned n)
{
    __asm__ volatile("" : "+r"(n) : : "memory");
    return n;
}

AMP_CODE_CALLED static void amp_code_print(const char *text)
{
    __asm__ volatile("" : : "r"(text) : "memory");
}

#define amp_fail(text) amp_code_fail(text)
#define amp_kick(cpu) amp_code_kick(cpu)
#define amp_wait() amp_code_wait()
#define amp_choose(n) amp_code_choose(n)
#define amp_print(text) amp_code_print(text)
#define AMP_CODE_TEXT_OF(x) #x
#define AMP_CODE_TEXT(x) AMP_CODE_TEXT_OF(x)
#define amp_assert(condition)                                                                     \
    do {                                                                                          \
        if (!(condition))                                                                         \
            amp_code_fail("assertion failed: " #condition);                                       \
    } while (0)

#define AMP_CODE_BARRIER(name)                        \
    AMP_CODE_CALLED static void amp_##name(void)      \
    {                                                 \
        __asm__ volatile("" : : : "memory");          \
    }
AMP_CODE_BARRIER(mb)
AMP_CODE_BARRIER(rmb)
AMP_CODE_BARRIER(wmb)
AMP_CODE_BARRIER(smp_mb)
AMP_CODE_BARRIER(smp_rmb)
AMP_CODE_BARRIER(smp_wmb)
AMP_CODE_BARRIER(dma_mb)
AMP_CODE_BARRIER(dma_rmb)
AMP_CODE_BARRIER(dma_wmb)
AMP_CODE_BARRIER(virt_mb)
AMP_CODE_BARRIER(virt_rmb)
AMP_CODE_BARRIER(virt_wmb)

#endif
