/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * direct.h - one CPU's accesses to the bare region: this machine's own loads, stores and fences, with the bounds and the
 * alignment checked as the model checks them. Scalars are single accesses of their size; bulk copies promise no order.
 * Errors as in core.h.
 */
#ifndef AMP_DIRECT_H
#define AMP_DIRECT_H

#include "core.h"

struct amp_direct {
    uint8_t *memory; /* the region's first byte */
    uint32_t *board; /* bell.h */
    uint64_t shared_start, shared_end;
    uint64_t spin_ns;
    unsigned id, cpus;
};

int amp_direct_load(struct amp_direct *cpu, uint64_t address, unsigned size, int acquire, uint64_t *value);
int amp_direct_store(struct amp_direct *cpu, uint64_t address, unsigned size, uint64_t value, int release);
int amp_direct_atomic(struct amp_direct *cpu, uint64_t address, unsigned size, enum amp_atomic op, uint64_t operand,
                      uint64_t expected, uint64_t *old);
int amp_direct_read(struct amp_direct *cpu, uint64_t address, uint8_t *bytes, uint64_t length);
int amp_direct_write(struct amp_direct *cpu, uint64_t address, const uint8_t *bytes, uint64_t length);

#endif
