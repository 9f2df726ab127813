/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * litmus.h - a litmus test as bytes, and all its outcomes. The form is amp/litmus/program.py's: see there.
 *
 * A location is one granule. It is cut into cells where accesses begin and end: which ones there are is known when they
 * happen (a pointer may lead anywhere), so a run that meets a new cut ends, and all begins again with one more cell.
 */
#ifndef AMP_LITMUS_H
#define AMP_LITMUS_H

#include "explore.h"

#define LITMUS_REGISTERS 64
#define LITMUS_LOCATIONS 32
#define LITMUS_OBSERVED 64
#define LITMUS_BASE 0x6DA1C000
#define LITMUS_STEP 16

enum litmus_op { END, CONST, ALU, LOAD, STORE, RMW, FENCE, ISB, JUMP, JUMP_IF_ZERO, JUMP_IF_NOT_ZERO, LITMUS_OPS };
enum litmus_rmw { RMW_XCHG, RMW_ADD, RMW_SUB, RMW_AND, RMW_OR, RMW_XOR, RMW_CMPXCHG, LITMUS_RMWS };
enum litmus_flag { FULL = 1, SIGNED = 2, ACQUIRE = 4, RELEASE = 8, NO_RESULT = 16, FROM_EXPECTED = 32, FENCED = 64 };

/* Errors that there have been, so that tests can show that they would notice. */
enum litmus_fault {
    LITMUS_UNUSED_OPERAND = 1, /* a result depends on the operand that its operation has not */
    LITMUS_WHOLE_LOCATION = 2, /* an access of any width is one to the whole location */
    LITMUS_NO_PICK = 4,        /* what a compare-and-swap compares with does not hold back its store */
    LITMUS_READ_IN_STORE = 8,  /* what an exchange has read is part of what it stores */
    LITMUS_NO_HAZARD = 16,     /* a narrow read does not come before what a wider one missed */
};

struct amp_insn {
    uint8_t op, dst, a, b, arg, flags;
    uint16_t order;
    int64_t imm;
};

/* Where a value came from. `depends`: the loads that it was computed from. `picks`: those, and the loads that decided
 * which value it is without being part of it (Arm's pick dependencies: by way of a compare-and-swap that succeeded). */
struct litmus_taint {
    struct xp_set depends, picks;
};

struct litmus_thread {
    const struct amp_insn *code;
    uint32_t length, pc;
    uint64_t value[LITMUS_REGISTERS];
    struct litmus_taint taint[LITMUS_REGISTERS];
    struct xp_set unwanted; /* reads of atomics without a result: barriers for loads do not wait for them */
    xp_event_id read;       /* of the read-modify-write under way */
};

struct litmus_outcome {
    uint64_t count;
    uint64_t value[LITMUS_OBSERVED];
};

struct litmus {
    struct explorer *x;
    unsigned threads, locations, orderings, observed_registers, observed_locations;
    struct litmus_thread thread[AMP_CPUS];
    uint64_t initial[LITMUS_LOCATIONS];
    uint8_t size[LITMUS_LOCATIONS];        /* in bytes, as declared */
    uint8_t cuts[LITMUS_LOCATIONS];        /* bit n: a cell begins at byte n */
    uint8_t widest[LITMUS_LOCATIONS];      /* access so far */
    uint16_t first_cell[LITMUS_LOCATIONS + 1];
    uint8_t faults;                        /* bits of enum litmus_fault; 0 but in tests */
    const struct xp_orders *orders; /* of each ordering; [0] orders nothing */
    uint16_t observed[LITMUS_OBSERVED][2]; /* registers (thread, register), then locations (number, -) */
    struct litmus_outcome *outcome;
    uint32_t outcomes, room;
    uint32_t max_steps; /* of one thread in one run */
    struct litmus_taint stored[XP_EVENTS]; /* WRITE: what was stored there, and where */
};

/* All cells anew, as `cuts` has them; every run so far is forgotten. */
void litmus_lay_out(struct litmus *test);

/* One run of all threads: 0, or -EINVAL (not an instruction), -EFAULT (an address that is no location), -EDOM (one that
 * is not aligned, or leaves the location), -ERANGE (accesses of several widths, one beyond what is declared), -ELOOP (too
 * many steps), -ENOTSUP (a load of more than its thread stored), -ENOMEM; -ESTALE: `cuts` has changed, lay out and begin again. */
int litmus_run(struct litmus *test);

/* litmus_access.c: one instruction on memory; an xp_result or a negative errno. */
int litmus_load(struct litmus *test, unsigned number, const struct amp_insn *i);
int litmus_store(struct litmus *test, unsigned number, const struct amp_insn *i);
int litmus_read_modify_write(struct litmus *test, unsigned number, const struct amp_insn *i);
void litmus_fence(struct litmus *test, unsigned number, const struct xp_orders *orders);

static inline void litmus_join_taint(struct litmus_taint *taint, const struct litmus_taint *other)
{
    xp_unite(&taint->depends, &other->depends, XP_WORDS);
    xp_unite(&taint->picks, &other->picks, XP_WORDS);
}

#endif
