/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * litmus.h - a litmus test as bytes, and all its outcomes. The form is amp/litmus/program.py's: see there.
 */
#ifndef AMP_LITMUS_H
#define AMP_LITMUS_H

#include "explore.h"

#define LITMUS_REGISTERS 64
#define LITMUS_LOCATIONS 32
#define LITMUS_OBSERVED 64
#define LITMUS_BASE 0x10000
#define LITMUS_STEP 16

struct amp_insn {
    uint8_t op, dst, a, b, arg, flags;
    uint16_t order;
    int64_t imm;
};

struct litmus_thread {
    const struct amp_insn *code;
    uint32_t length, pc;
    uint64_t value[LITMUS_REGISTERS];
    struct xp_set depends[LITMUS_REGISTERS]; /* the loads it was computed from */
    xp_event_id read;                        /* of the read-modify-write under way */
};

struct litmus_outcome {
    uint64_t count;
    uint64_t value[LITMUS_OBSERVED];
};

struct litmus {
    struct explorer *x;
    unsigned threads, locations, orderings, observed_registers, observed_locations;
    struct litmus_thread thread[AMP_CPUS];
    const struct xp_orders *orders; /* of each ordering; [0] orders nothing */
    uint16_t observed[LITMUS_OBSERVED][2]; /* registers (thread, register), then locations (number, -) */
    struct litmus_outcome *outcome;
    uint32_t outcomes, room;
    uint32_t max_steps; /* of one thread in one run */
};

/* One run of all threads: 0, or -EINVAL (not an instruction), -EFAULT (an address that is no location), -ELOOP (too many
 * steps), -ENOMEM. */
int litmus_run(struct litmus *test);

#endif
