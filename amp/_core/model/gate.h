/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gate.h - the two ways an access comes about (free.c, turns.c), and what they share.
 */
#ifndef AMP_GATE_H
#define AMP_GATE_H

#include "model.h"

int amp_free_enter(struct amp_model *m);
void amp_free_background(struct amp_cpu *cpu); /* then unlock */
int amp_free_wait(struct amp_cpu *cpu, int64_t timeout_ns);

int amp_await_turn(struct amp_cpu *cpu);
void amp_pass_turn(struct amp_cpu *cpu);
int amp_turns_wait(struct amp_cpu *cpu, bool limited);

/* A kick that is there is taken, as the interrupt it is. 0 or -EAGAIN. */
int amp_take(struct amp_cpu *cpu);
/* How many stores leave at a time. */
unsigned amp_leaving(const struct amp_cpu_state *state);

#endif
