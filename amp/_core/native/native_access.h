/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * native_access.h - the accesses and atomics of a litmus test in C, when amp compiles it for this CPU.
 *
 * What Linux makes of its primitives on the same CPU. Sources, Linux v6.1: include/asm-generic/rwonce.h (READ_ONCE and
 * WRITE_ONCE are volatile accesses), arch/x86/include/asm/barrier.h (smp_store_mb is an xchg), cmpxchg.h and atomic.h
 * beside it (locked instructions, each a full barrier: Intel SDM vol. 3A, 8.2.5), Documentation/atomic_t.txt for other
 * CPUs. Fences alone are fences.h's. The compiler moves none of these past one another: volatile accesses keep their
 * order, and everything else here says "memory".
 */
#ifndef AMP_NATIVE_ACCESS_H
#define AMP_NATIVE_ACCESS_H

#include "fences.h"

#define load(p) (*(const volatile __typeof__(*(p)) *)(p))
#define store(p, value) ((void)(*(volatile __typeof__(*(p)) *)(p) = (__typeof__(*(p)))(value)))
#define load_acquire(p) __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define store_release(p, value) __atomic_store_n(p, (__typeof__(*(p)))(value), __ATOMIC_RELEASE)

/* The value, of which the compiler knows nothing: what depends on it keeps doing so. */
#define opaque(value)                             \
    __extension__({                               \
        __auto_type value_ = (value);             \
        __asm__ volatile("" : "+r"(value_));      \
        value_;                                   \
    })

/*
 * atomic(ORDER, builtin, p, operand): gcc's `builtin` on *p, ordered as Linux orders an atomic operation of this kind:
 * RELAXED, ACQUIRE, RELEASE or FULL. compare_exchange gives the old value, as cmpxchg() does.
 */
#define atomic(order, builtin, p, operand) \
    AMP_ATOMIC_##order(builtin, p, (__typeof__(*(p)))(operand))

#define compare_exchange(order, p, expected, value)                                               \
    __extension__({                                                                               \
        __auto_type where_ = (p);                                                                 \
        __typeof__(*where_) old_ = (__typeof__(*where_))(expected);                               \
        AMP_COMPARE_EXCHANGE_##order(where_, &old_, (__typeof__(*where_))(value));                \
        old_;                                                                                     \
    })

#define AMP_CMPXCHG(p, old, value, order) \
    ((void)__atomic_compare_exchange_n(p, old, value, 0, order, __ATOMIC_RELAXED))

#if defined(__x86_64__)

/* A locked instruction is a full barrier, whatever its name asks for, also when a cmpxchg fails. */
#define AMP_ATOMIC_FULL(builtin, p, operand) builtin(p, operand, __ATOMIC_SEQ_CST)
#define AMP_ATOMIC_RELAXED AMP_ATOMIC_FULL
#define AMP_ATOMIC_ACQUIRE AMP_ATOMIC_FULL
#define AMP_ATOMIC_RELEASE AMP_ATOMIC_FULL

#define AMP_COMPARE_EXCHANGE_FULL(p, old, value) \
    ((void)__atomic_compare_exchange_n(p, old, value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
#define AMP_COMPARE_EXCHANGE_RELAXED AMP_COMPARE_EXCHANGE_FULL
#define AMP_COMPARE_EXCHANGE_ACQUIRE AMP_COMPARE_EXCHANGE_FULL
#define AMP_COMPARE_EXCHANGE_RELEASE AMP_COMPARE_EXCHANGE_FULL

#define amp_around_atomic() ((void)0)
#define store_mb(p, value) ((void)atomic(FULL, __atomic_exchange_n, p, value))

/* A store past the caches: it waits in a write-combining buffer until sfence, a locked instruction, or chance. */
#define store_non_temporal(p, value)                                                                   \
    __extension__({                                                                                    \
        __typeof__(*(p)) value_ = (__typeof__(*(p)))(value);                                           \
        _Static_assert(sizeof value_ == 4 || sizeof value_ == 8, "movnti stores 4 or 8 bytes");        \
        __asm__ volatile("movnti %1,%0" : "=m"(*(p)) : "r"(value_) : "memory");                        \
    })

#else

#define AMP_ATOMIC_FULL(builtin, p, operand)                             \
    __extension__({                                                      \
        amp_fence_smp_mb();                                              \
        __auto_type result_ = builtin(p, operand, __ATOMIC_RELAXED);     \
        amp_fence_smp_mb();                                              \
        result_;                                                         \
    })
#define AMP_ATOMIC_RELAXED(builtin, p, operand) builtin(p, operand, __ATOMIC_RELAXED)
#define AMP_ATOMIC_ACQUIRE(builtin, p, operand) builtin(p, operand, __ATOMIC_ACQUIRE)
#define AMP_ATOMIC_RELEASE(builtin, p, operand) builtin(p, operand, __ATOMIC_RELEASE)

#define AMP_COMPARE_EXCHANGE_FULL(p, old, value)        \
    do {                                                \
        amp_fence_smp_mb();                             \
        AMP_CMPXCHG(p, old, value, __ATOMIC_RELAXED);   \
        amp_fence_smp_mb();                             \
    } while (0)
#define AMP_COMPARE_EXCHANGE_RELAXED(p, old, value) AMP_CMPXCHG(p, old, value, __ATOMIC_RELAXED)
#define AMP_COMPARE_EXCHANGE_ACQUIRE(p, old, value) AMP_CMPXCHG(p, old, value, __ATOMIC_ACQUIRE)
#define AMP_COMPARE_EXCHANGE_RELEASE(p, old, value) AMP_CMPXCHG(p, old, value, __ATOMIC_RELEASE)

#define amp_around_atomic() amp_fence_smp_mb()
#define store_mb(p, value)      \
    do {                        \
        store(p, value);        \
        amp_fence_smp_mb();     \
    } while (0)

#endif

#endif
