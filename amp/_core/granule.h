/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * granule.h - scalars and the bytes of a granule: the arithmetic that every door to the memory needs.
 */
#ifndef AMP_GRANULE_H
#define AMP_GRANULE_H

#include <errno.h>

#include "core.h"

/* A byte mask (bit i = byte i) as the bits it covers. */
static inline uint64_t amp_bits(uint8_t mask)
{
    uint64_t spread = mask * UINT64_C(0x0101010101010101) & UINT64_C(0x8040201008040201);

    /* any bit of a byte -> all bits of that byte */
    spread |= spread >> 4 & UINT64_C(0x0f0f0f0f0f0f0f0f);
    spread |= spread >> 2 & UINT64_C(0x3f3f3f3f3f3f3f3f);
    spread |= spread >> 1 & UINT64_C(0x7f7f7f7f7f7f7f7f);
    return (spread & UINT64_C(0x0101010101010101)) * 0xff;
}

/* The mask of `length` bytes from byte `first` of a granule on. */
static inline uint8_t amp_byte_mask(unsigned first, uint64_t length)
{
    return (uint8_t)((0xffu >> (AMP_GRANULE - length)) << first);
}

static inline uint64_t amp_narrow(uint64_t value, unsigned size)
{
    return size == 8 ? value : value & ((UINT64_C(1) << 8 * size) - 1);
}

/* 0, or -EFAULT if the bytes are not all in [start, end). */
static inline int amp_check_range(uint64_t start, uint64_t end, uint64_t address, uint64_t length)
{
    return address >= start && address <= end && length <= end - address ? 0 : -EFAULT;
}

/* The same for a scalar, and -EINVAL if its size is none or it is not aligned to it. */
static inline int amp_check_scalar(uint64_t start, uint64_t end, uint64_t address, unsigned size)
{
    if (size == 0 || size > AMP_GRANULE || size & (size - 1) || address & (size - 1))
        return -EINVAL;
    return amp_check_range(start, end, address, size);
}

#endif
