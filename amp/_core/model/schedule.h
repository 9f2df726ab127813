/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * schedule.h - lockstep by a schedule: what schedule.c offers to the files that make accesses. All of it is for who has the
 * turn. `amp_following` is false, and costs one comparison, where no schedule is set.
 */
#ifndef AMP_SCHEDULE_H
#define AMP_SCHEDULE_H

#include "model.h"

/* Accesses on the way to one goal: who polls for what comes later never gets there. */
#define AMP_PATIENCE (UINT64_C(1) << 20)

/* Why a goal cannot be reached; in words in schedule_room.c. */
enum amp_misfit {
    AMP_MF_FITS,
    AMP_MF_HELD_BACK,
    AMP_MF_VISIBLE_BEFORE,
    AMP_MF_NEEDED_BEFORE,
    AMP_MF_ATOMIC_BEFORE,
    AMP_MF_LOADED_BEFORE,
    AMP_MF_PERFORMED_BEFORE,
    AMP_MF_FORWARDED,
    AMP_MF_NOT_VISIBLE,
    AMP_MF_TOO_OLD,
    AMP_MF_RETIRED,
    AMP_MF_WAITS,
    AMP_MF_NOT_RUNG,
    AMP_MF_NOT_REACHED,
    AMP_MF_TAKEN_BEFORE,
};

static inline bool amp_following(const struct amp_model *m)
{
    return m->schedule.next < m->schedule.goals;
}

static inline struct amp_goal *amp_goals(struct amp_model *m)
{
    return (struct amp_goal *)((uint8_t *)m + m->schedule_offset);
}

/* Before an access: wait until the schedule wants one of this CPU. */
int amp_schedule_enter(struct amp_cpu *cpu, unsigned needs);
/* Whose access the next goal needs, once all that needs none has happened; -1: no goal is left, or it does not fit. */
int amp_schedule_turn(struct amp_cpu *cpu);
/* An access cannot go on before a store of this CPU is visible. How many became so: 0 only if none is pending. */
unsigned amp_schedule_drain(struct amp_cpu *cpu);
/* A store that is visible together with its access: an atomic's. */
void amp_schedule_at_once(struct amp_cpu *cpu, const struct amp_pending *store);
/* With observers, once such a store is made: those who may see it by then do. */
void amp_schedule_shown(struct amp_cpu *cpu, uint32_t number);
/* How many of the `steps` allowed ones this load goes back; `missing` bytes do not come from own pending stores. */
unsigned amp_schedule_back(struct amp_cpu *cpu, struct amp_part part, uint32_t granule, uint8_t missing, unsigned steps);
/* The same without going: nothing is reached, nothing refused. */
unsigned amp_schedule_would_go_back(struct amp_cpu *cpu, struct amp_part part, uint32_t granule, uint8_t missing,
                                  unsigned steps);
/* The load has taken all its bytes from own pending stores, the newest of which is this. */
void amp_schedule_forwarded(struct amp_cpu *cpu, struct amp_part part, uint64_t store);
/* With siblings: the goal of a load; the same of one that is performed now; and whether it could be reached, and why not. */
struct amp_goal *amp_schedule_goal(struct amp_cpu *cpu, struct amp_part part);
struct amp_goal *amp_schedule_read(struct amp_cpu *cpu, struct amp_part part);
void amp_schedule_answer(struct amp_cpu *cpu, struct amp_goal *goal, int why);
void amp_schedule_taken(struct amp_cpu *cpu);
/* The program drops a deferred load. True: its goal was due, and it has been performed. */
bool amp_schedule_forget(struct amp_cpu *cpu, const struct amp_deferred *load);
void amp_schedule_rewind(struct amp_model *m);

#endif
