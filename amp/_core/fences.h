/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fences.h - real fences of the CPU this is compiled for: what Linux's barrier primitives become on it.
 *
 * One row per primitive and CPU. Each row makes `amp_fence_<name>()`, a number AMP_FENCE_<NAME> and a case of
 * `amp_fence_real(number)`. The instructions follow
 *   x86-64   Linux arch/x86/include/asm/barrier.h and io.h (smp_store_mb is an xchg there; its fence is the lock);
 *   aarch64  Linux arch/arm64/include/asm/barrier.h and io.h (stlr and ldar are accesses, not fences: their rows give
 *            the weakest dmb that orders as much; __io_ar's control dependency is the caller's to make);
 *   dma_mb   Linux include/asm-generic/barrier.h where the CPU has none of its own: mb();
 *   virt_*   Linux include/asm-generic/barrier.h: what smp_* is with CONFIG_SMP, however the kernel is built.
 * Any other CPU gets C11 fences: acquire and release where Linux has smp_rmb and smp_wmb, seq_cst for all else. They
 * order ordinary memory between CPUs that run C programs. C11 has no word for draining towards a device, so there the
 * mandatory rows promise no more than that.
 *
 * A fence that belongs to an access stands where the access leaves it: STORE_RELEASE and WRITEL before their store,
 * LOAD_ACQUIRE and READL after their load, VIRT_STORE_MB after its store. Nothing here loads or stores for the caller.
 */
#ifndef AMP_FENCES_H
#define AMP_FENCES_H

#include <assert.h>
#include <stdatomic.h>

#define AMP_FENCE_ASM(text) __asm__ volatile(text ::: "memory", "cc")
#define AMP_FENCE_C11(order) atomic_thread_fence(memory_order_##order)

#if defined(__x86_64__)

/* Linux's own smp_mb(): cheaper than mfence, and below the stack pointer so as not to wait for a recent push. */
#define AMP_LOCKED_ADD "lock; addl $0,-4(%%rsp)"

#define AMP_FENCE_ROWS(ROW)                               \
    ROW(MB, mb, AMP_FENCE_ASM("mfence"))                  \
    ROW(RMB, rmb, AMP_FENCE_ASM("lfence"))                \
    ROW(WMB, wmb, AMP_FENCE_ASM("sfence"))                \
    ROW(SMP_MB, smp_mb, AMP_FENCE_ASM(AMP_LOCKED_ADD))    \
    ROW(SMP_RMB, smp_rmb, AMP_FENCE_ASM(""))              \
    ROW(SMP_WMB, smp_wmb, AMP_FENCE_ASM(""))              \
    ROW(DMA_MB, dma_mb, AMP_FENCE_ASM("mfence"))          \
    ROW(DMA_RMB, dma_rmb, AMP_FENCE_ASM(""))              \
    ROW(DMA_WMB, dma_wmb, AMP_FENCE_ASM(""))              \
    ROW(VIRT_MB, virt_mb, AMP_FENCE_ASM(AMP_LOCKED_ADD))  \
    ROW(VIRT_RMB, virt_rmb, AMP_FENCE_ASM(""))            \
    ROW(VIRT_WMB, virt_wmb, AMP_FENCE_ASM(""))            \
    ROW(VIRT_STORE_MB, virt_store_mb, AMP_FENCE_ASM(AMP_LOCKED_ADD)) \
    ROW(STORE_RELEASE, store_release, AMP_FENCE_ASM(""))  \
    ROW(LOAD_ACQUIRE, load_acquire, AMP_FENCE_ASM(""))    \
    ROW(WRITEL, writel, AMP_FENCE_ASM(""))                \
    ROW(READL, readl, AMP_FENCE_ASM(""))

#elif defined(__aarch64__)

#define AMP_FENCE_ROWS(ROW)                               \
    ROW(MB, mb, AMP_FENCE_ASM("dsb sy"))                  \
    ROW(RMB, rmb, AMP_FENCE_ASM("dsb ld"))                \
    ROW(WMB, wmb, AMP_FENCE_ASM("dsb st"))                \
    ROW(SMP_MB, smp_mb, AMP_FENCE_ASM("dmb ish"))         \
    ROW(SMP_RMB, smp_rmb, AMP_FENCE_ASM("dmb ishld"))     \
    ROW(SMP_WMB, smp_wmb, AMP_FENCE_ASM("dmb ishst"))     \
    ROW(DMA_MB, dma_mb, AMP_FENCE_ASM("dmb osh"))         \
    ROW(DMA_RMB, dma_rmb, AMP_FENCE_ASM("dmb oshld"))     \
    ROW(DMA_WMB, dma_wmb, AMP_FENCE_ASM("dmb oshst"))     \
    ROW(VIRT_MB, virt_mb, AMP_FENCE_ASM("dmb ish"))       \
    ROW(VIRT_RMB, virt_rmb, AMP_FENCE_ASM("dmb ishld"))   \
    ROW(VIRT_WMB, virt_wmb, AMP_FENCE_ASM("dmb ishst"))   \
    ROW(VIRT_STORE_MB, virt_store_mb, AMP_FENCE_ASM("dmb ish")) \
    ROW(STORE_RELEASE, store_release, AMP_FENCE_ASM("dmb ish")) \
    ROW(LOAD_ACQUIRE, load_acquire, AMP_FENCE_ASM("dmb ishld")) \
    ROW(WRITEL, writel, AMP_FENCE_ASM("dmb oshst"))       \
    ROW(READL, readl, AMP_FENCE_ASM("dmb oshld"))

#else

#define AMP_FENCE_ROWS(ROW)                               \
    ROW(MB, mb, AMP_FENCE_C11(seq_cst))                   \
    ROW(RMB, rmb, AMP_FENCE_C11(seq_cst))                 \
    ROW(WMB, wmb, AMP_FENCE_C11(seq_cst))                 \
    ROW(SMP_MB, smp_mb, AMP_FENCE_C11(seq_cst))           \
    ROW(SMP_RMB, smp_rmb, AMP_FENCE_C11(acquire))         \
    ROW(SMP_WMB, smp_wmb, AMP_FENCE_C11(release))         \
    ROW(DMA_MB, dma_mb, AMP_FENCE_C11(seq_cst))           \
    ROW(DMA_RMB, dma_rmb, AMP_FENCE_C11(seq_cst))         \
    ROW(DMA_WMB, dma_wmb, AMP_FENCE_C11(seq_cst))         \
    ROW(VIRT_MB, virt_mb, AMP_FENCE_C11(seq_cst))         \
    ROW(VIRT_RMB, virt_rmb, AMP_FENCE_C11(acquire))       \
    ROW(VIRT_WMB, virt_wmb, AMP_FENCE_C11(release))       \
    ROW(VIRT_STORE_MB, virt_store_mb, AMP_FENCE_C11(seq_cst)) \
    ROW(STORE_RELEASE, store_release, AMP_FENCE_C11(release)) \
    ROW(LOAD_ACQUIRE, load_acquire, AMP_FENCE_C11(acquire)) \
    ROW(WRITEL, writel, AMP_FENCE_C11(seq_cst))           \
    ROW(READL, readl, AMP_FENCE_C11(seq_cst))

#endif

/* The numbers are the project's numbers of the primitives; the assertions below hold the ends in place. */
#define AMP_FENCE_NUMBER(NAME, name, emit) AMP_FENCE_##NAME,
enum amp_fence { AMP_FENCE_NONE, AMP_FENCE_COMPILER, AMP_FENCE_ROWS(AMP_FENCE_NUMBER) AMP_FENCES };
#undef AMP_FENCE_NUMBER
static_assert(AMP_FENCE_MB == 2 && AMP_FENCE_SMP_MB == 5 && AMP_FENCE_DMA_MB == 8, "numbering of the primitives");
static_assert(AMP_FENCE_VIRT_MB == 11 && AMP_FENCE_STORE_RELEASE == 15 && AMP_FENCE_READL == 18, "numbering");

/* The compiler moves no memory access across it, in either direction; the CPU is told nothing. */
static inline void amp_fence_compiler(void)
{
    AMP_FENCE_ASM("");
}

#define AMP_FENCE_FUNCTION(NAME, name, emit) \
    static inline void amp_fence_##name(void) \
    {                                         \
        emit;                                 \
    }
AMP_FENCE_ROWS(AMP_FENCE_FUNCTION)
#undef AMP_FENCE_FUNCTION

/* The fence by its number, enum amp_fence. NONE is nothing at all: the compiler too may reorder. */
static inline __attribute__((always_inline)) void amp_fence_real(unsigned primitive)
{
    assert(primitive < AMP_FENCES);
    switch (primitive) {
    case AMP_FENCE_NONE:
        return;
    case AMP_FENCE_COMPILER:
        amp_fence_compiler();
        return;
#define AMP_FENCE_CASE(NAME, name, emit) \
    case AMP_FENCE_##NAME:               \
        amp_fence_##name();              \
        return;
        AMP_FENCE_ROWS(AMP_FENCE_CASE)
#undef AMP_FENCE_CASE
    default:
        amp_fence_mb(); /* with NDEBUG: a number nobody knows gets the strongest there is */
    }
}

/* One turn of a polling loop: lets a sibling thread run, and costs less power. */
static inline void amp_cpu_relax(void)
{
#if defined(__x86_64__)
    __asm__ volatile("pause" ::: "memory");
#elif defined(__aarch64__)
    __asm__ volatile("yield" ::: "memory");
#else
    amp_fence_compiler();
#endif
}

#endif
