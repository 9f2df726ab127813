/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * schedule_parts.h - what schedule.c and schedule_stages.c share.
 */
#ifndef AMP_SCHEDULE_PARTS_H
#define AMP_SCHEDULE_PARTS_H

#include "schedule.h"

struct amp_goal *amp_schedule_next(struct amp_model *m); /* the first that is not reached */
void amp_schedule_refuse(struct amp_model *m, const struct amp_goal *goal, enum amp_misfit why);
void amp_schedule_reach(struct amp_model *m, struct amp_goal *goal);
/* The goal of that kind for that access, if it is still to be reached. */
struct amp_goal *amp_schedule_goal_of(struct amp_model *m, uint8_t kind, unsigned cpu, uint32_t access, uint32_t part);
/* The goal's store among its CPU's pending ones; the number of entries if it is not. */
unsigned amp_schedule_entry(const struct amp_cpu_state *state, const struct amp_goal *goal);

/* With siblings: the goals that need no access, and how many were reached. */
unsigned amp_schedule_advance_stages(struct amp_cpu *cpu);
/* An access of this CPU waits for its stores: one step for which no goal is left, its own first. 0: there is none. */
unsigned amp_schedule_drain_stages(struct amp_cpu *cpu);

#endif
