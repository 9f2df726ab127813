/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * access.h - what the accesses of one CPU (model.c) and its atomics (atomics.c) have in common.
 */
#ifndef AMP_ACCESS_H
#define AMP_ACCESS_H

#include "schedule.h"

/* Primitive numbers are amp.ordering's; the core needs to know these few by name. */
enum { AMP_SMP_MB = 5, AMP_STORE_RELEASE = 15, AMP_LOAD_ACQUIRE = 16 };

/* Where a scalar lies: its granule, its bytes there. Passed on by address: parts written one by one and read as one word wait
 * for the store buffer. */
struct amp_place {
    uint32_t granule;
    uint8_t mask;
    unsigned shift; /* bits */
};

/* May a scalar of that size lie there? 0, -EFAULT, -EINVAL. */
int amp_check_at(const struct amp_model *m, uint64_t address, unsigned size);
struct amp_place amp_place_of(const struct amp_model *m, uint64_t address, unsigned size);
/* What a primitive orders for this CPU, towards its siblings and towards the others. */
struct amp_kept amp_orders_of(struct amp_cpu *cpu, unsigned primitive);
/* A barrier that orders these. */
void amp_apply_orders(struct amp_cpu *cpu, struct amp_kept orders);
/* Whom a store-release of these orders waits for. */
uint8_t amp_towards(struct amp_kept orders, bool staged);
/* The load number `number`: an acquire of these orders; `newest`: of nothing but the newest. */
void amp_read_scalar(struct amp_cpu *cpu, uint32_t number, const struct amp_place *where, uint64_t after,
                     struct amp_kept orders, bool newest, struct amp_seen *seen);
uint64_t amp_trace_load(struct amp_cpu *cpu, uint32_t number, uint64_t address, unsigned size,
                        const struct amp_seen *seen, const struct amp_place *where, uint8_t flags);
uint64_t amp_trace_store(struct amp_cpu *cpu, uint64_t address, uint64_t size, uint64_t value, uint8_t flags);

#endif
