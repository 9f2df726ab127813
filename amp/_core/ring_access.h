/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ring_access.h - how the ring's code touches shared memory, and its barriers.
 *
 * An access is one load or one store of the CPU: volatile, so that the compiler neither repeats, splits nor drops it. What
 * keeps accesses in order are the barriers alone. `how` is a constant wherever speed matters: the functions are inlined
 * and one fence is left of the switch.
 */
#ifndef AMP_RING_ACCESS_H
#define AMP_RING_ACCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "fences.h"
#include "ring.h"

#define AMP_INLINE static inline __attribute__((always_inline))
#define AMP_LIKELY(condition) __builtin_expect(!!(condition), 1)
#define AMP_UNLIKELY(condition) __builtin_expect(!!(condition), 0)

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the ring's fields are little endian, and so must this CPU be"
#endif

struct amp_u64_at_4 { /* a used entry: id and len are 32-bit fields, aligned to 4 (virtio 1.2, 2.7.8) */
    uint64_t value;
} __attribute__((packed, aligned(4), may_alias));
typedef uint16_t __attribute__((may_alias)) amp_u16;
typedef uint64_t __attribute__((may_alias)) amp_u64;

AMP_INLINE uint16_t amp_ring_load16(const uint8_t *at)
{
    return *(const volatile amp_u16 *)at;
}

AMP_INLINE void amp_ring_store16(uint8_t *at, uint16_t value)
{
    *(volatile amp_u16 *)at = value;
}

AMP_INLINE uint64_t amp_ring_load64(const uint8_t *at)
{
    return *(const volatile amp_u64 *)at;
}

AMP_INLINE void amp_ring_store64(uint8_t *at, uint64_t value)
{
    *(volatile amp_u64 *)at = value;
}

AMP_INLINE uint64_t amp_ring_load_used(const uint8_t *at)
{
    return ((const volatile struct amp_u64_at_4 *)at)->value;
}

AMP_INLINE void amp_ring_store_used(uint8_t *at, uint64_t value)
{
    ((volatile struct amp_u64_at_4 *)at)->value = value;
}

/* amp_ring_mb, amp_ring_rmb, amp_ring_wmb: what a site of that kind asks for. */
#define AMP_RING_KIND(kind)                                    \
    AMP_INLINE void amp_ring_##kind(unsigned how, bool weak)   \
    {                                                          \
        switch (how) {                                         \
        case AMP_RING_NONE: return;                            \
        case AMP_RING_COMPILER: amp_fence_compiler(); return;  \
        case AMP_RING_SMP: amp_fence_smp_##kind(); return;     \
        case AMP_RING_DMA: amp_fence_dma_##kind(); return;     \
        case AMP_RING_BRANCH:                                  \
            if (weak)                                          \
                amp_fence_smp_##kind();                        \
            else                                               \
                amp_fence_##kind();                            \
            return;                                            \
        default: amp_fence_##kind(); return;                   \
        }                                                      \
    }
AMP_RING_KIND(mb)
AMP_RING_KIND(rmb)
AMP_RING_KIND(wmb)
#undef AMP_RING_KIND

/* The barrier at `site`, which asks for one of that kind; `side` is a driver or a device. */
#define AMP_RING_BARRIER(side, how, kind, site)              \
    do {                                                     \
        if ((how) == AMP_RING_TABLE)                         \
            amp_fence_real((side)->config.sites[site]);      \
        else                                                 \
            amp_ring_##kind(how, (side)->weak);              \
    } while (0)

/* Did the index pass `event` on its way from `old` to `now`? (virtio 1.2, 2.7.7.2) */
AMP_INLINE bool amp_ring_need_event(uint16_t event, uint16_t now, uint16_t old)
{
    return (uint16_t)(now - event - 1) < (uint16_t)(now - old);
}

#endif
