/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ring_access.h - the ring's barriers.
 *
 * What keeps the ring's accesses in order are the barriers alone. `how` is a constant wherever speed matters: the functions
 * are inlined and one fence is left of the switch. Each load of the ring's decides a branch at once: is there anything,
 * and is it within the rules?
 */
#ifndef AMP_RING_ACCESS_H
#define AMP_RING_ACCESS_H

#include "ring.h"

#if defined(AMP_RING_PORTED) == defined(AMP_PORT_DIRECT)
#error "amp.h was included before, for the other way"
#endif

#define AMP_INLINE static inline __attribute__((always_inline))
#define AMP_LIKELY(condition) __builtin_expect(!!(condition), 1)
#define AMP_UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/*
 * Where the ring's accesses go. On the bare region they are made with addresses as the CPU has them, through a port whose
 * memory starts at 0, so that no base is added to each; on other ports with those of the region.
 */
#ifdef AMP_PORT_DIRECT
static const struct amp_port amp_ring_flat;
#define AMP_RING_DOOR(side) (&amp_ring_flat)
#define AMP_RING_AT(side, address) ((uintptr_t)(side)->port.memory + (address))
#else
#define AMP_RING_DOOR(side) (&(side)->port)
#define AMP_RING_AT(side, address) (address)
#endif

#define AMP_RING_FIELD(side, field) AMP_RING_AT(side, (side)->config.layout.field)
#define AMP_RING_LOAD(type, side, at) amp_load_ctrl_##type(AMP_RING_DOOR(side), at)
#define AMP_RING_STORE(type, side, at, value) amp_store_##type(AMP_RING_DOOR(side), at, value)

/* amp_ring_mb, amp_ring_rmb, amp_ring_wmb: what a site of that kind asks for. */
#define AMP_RING_KIND(kind, KIND)                                                           \
    AMP_INLINE void amp_ring_##kind(const struct amp_port *port, unsigned how, bool weak)   \
    {                                                                                       \
        switch (how) {                                                                      \
        case AMP_RING_NONE: return;                                                         \
        case AMP_RING_COMPILER: amp_fence(port, AMP_FENCE_COMPILER); return;                \
        case AMP_RING_SMP: amp_fence(port, AMP_FENCE_SMP_##KIND); return;                   \
        case AMP_RING_DMA: amp_fence(port, AMP_FENCE_DMA_##KIND); return;                   \
        case AMP_RING_BRANCH:                                                               \
            if (weak)                                                                       \
                amp_fence(port, AMP_FENCE_SMP_##KIND);                                      \
            else                                                                            \
                amp_fence(port, AMP_FENCE_##KIND);                                          \
            return;                                                                         \
        default: amp_fence(port, AMP_FENCE_##KIND); return;                                 \
        }                                                                                   \
    }
AMP_RING_KIND(mb, MB)
AMP_RING_KIND(rmb, RMB)
AMP_RING_KIND(wmb, WMB)
#undef AMP_RING_KIND

/* The barrier at `site`, which asks for one of that kind; `side` is a driver or a device. */
#define AMP_RING_BARRIER(side, how, kind, site)              \
    do {                                                     \
        if ((how) == AMP_RING_TABLE)                         \
            amp_barrier(&(side)->port, site);                \
        else                                                 \
            amp_ring_##kind(&(side)->port, how, (side)->weak); \
    } while (0)

/* Did the index pass `event` on its way from `old` to `now`? (virtio 1.2, 2.7.7.2) */
AMP_INLINE bool amp_ring_need_event(uint16_t event, uint16_t now, uint16_t old)
{
    return (uint16_t)(now - event - 1) < (uint16_t)(now - old);
}

#endif
