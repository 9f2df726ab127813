/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * schedule_stages.c - lockstep by a schedule where some CPUs are siblings and some are not: a store takes two steps, each with
 * a goal of its own or none.
 */
#include "schedule_parts.h"

static bool is_of_store(const struct amp_goal *goal)
{
    return goal->kind == AMP_GOAL_VISIBLE || goal->kind == AMP_GOAL_NEAR;
}

/* The goal's store among those that not all see; the number of places if it is not. */
static unsigned inner_slot(const struct amp_model *m, const struct amp_goal *goal)
{
    unsigned slot = 0;

    while (slot < AMP_INNERS && !(m->inner[slot].kind && m->inner[slot].owner == goal->cpu &&
                                  m->inner[slot].number == goal->access && m->inner[slot].part == goal->part))
        slot++;
    return slot;
}

/* With observers, where all are at one distance, there is but one goal of a store: it is made, and all see it. */
static uint8_t first_goal(const struct amp_model *m)
{
    return m->one_distance ? AMP_GOAL_VISIBLE : AMP_GOAL_NEAR;
}

/* The goal of a step, if it is still to be reached. */
static struct amp_goal *goal_of_step(struct amp_model *m, unsigned owner, unsigned step)
{
    const struct amp_cpu_state *state = &m->cpu[owner];
    const struct amp_inner *inner;
    uint8_t kind = AMP_GOAL_VISIBLE;

    if (step < AMP_STEP_FAR)
        return amp_schedule_goal_of(m, first_goal(m), owner, state->pending[step].number, state->pending[step].part);
    if (step >= AMP_STEP_SEEN) {
        step -= AMP_STEP_SEEN;
        if (m->domain[step % AMP_CPUS] == m->domain[owner])
            kind = first_goal(m);
        step = AMP_STEP_FAR + step / AMP_CPUS;
    }
    inner = &m->inner[step - AMP_STEP_FAR];
    return amp_schedule_goal_of(m, kind, owner, inner->number, inner->part);
}

static bool is_step(const struct amp_model *m, unsigned owner, unsigned step)
{
    unsigned list[AMP_STEPS], n = amp_steps(m, owner, list);

    for (unsigned i = 0; i < n; i++)
        if (list[i] == step)
            return true;
    return false;
}

/* A step of that CPU, or one by which all see a store, for which no goal is left. */
static bool make_free_step(struct amp_cpu *cpu, unsigned owner, bool far_only)
{
    struct amp_model *m = cpu->model;
    unsigned list[AMP_STEPS], n = amp_steps(m, owner, list);

    for (unsigned i = 0; i < n; i++)
        if ((!far_only || list[i] >= AMP_STEP_FAR) && !goal_of_step(m, owner, list[i])) {
            amp_make_step(cpu, owner, list[i]);
            return true;
        }
    return false;
}

/* What stands in the goal's way may go if no goal says when. */
static bool clear_way(struct amp_cpu *cpu)
{
    for (unsigned owner = 0; owner < cpu->model->config.cpus; owner++)
        if (make_free_step(cpu, owner, true))
            return true;
    return false;
}

/* The step that the goal wants: AMP_STEPS if its store is not there. */
static unsigned wanted_step(const struct amp_model *m, const struct amp_goal *goal)
{
    unsigned entry = amp_schedule_entry(&m->cpu[goal->cpu], goal), slot = inner_slot(m, goal);

    if (goal->kind == first_goal(m))
        return entry < m->cpu[goal->cpu].entries ? entry : AMP_STEPS;
    return slot < AMP_INNERS ? AMP_STEP_FAR + slot : AMP_STEPS;
}

/* With observers a goal says that all at a distance see the store. */
static void show_at_distance(struct amp_cpu *cpu, unsigned owner, uint32_t number, uint32_t part)
{
    const struct amp_goal store = {.cpu = (uint8_t)owner, .access = number, .part = part};
    struct amp_model *m = cpu->model;
    unsigned slot = inner_slot(m, &store);

    for (unsigned by = 0; amp_observed(m) && slot < AMP_INNERS && by < m->config.cpus; by++)
        if (amp_may_see(m, slot, by))
            amp_make_seen(cpu, slot, by);
}

void amp_schedule_shown(struct amp_cpu *cpu, uint32_t number)
{
    show_at_distance(cpu, cpu->id, number, 0);
}

unsigned amp_schedule_advance_stages(struct amp_cpu *cpu)
{
    struct amp_model *m = cpu->model;
    unsigned done = 0;

    while (amp_following(m) && is_of_store(amp_schedule_next(m))) {
        struct amp_goal *goal = amp_schedule_next(m);
        unsigned step = wanted_step(m, goal);

        if (step == AMP_STEPS) {
            if (goal->access < m->cpu[goal->cpu].stores)
                amp_schedule_refuse(m, goal, AMP_MF_VISIBLE_BEFORE);
            break;
        }
        if (!is_step(m, goal->cpu, step)) {
            if (clear_way(cpu))
                continue;
            amp_schedule_refuse(m, goal, AMP_MF_HELD_BACK);
            break;
        }
        amp_make_step(cpu, goal->cpu, step);
        show_at_distance(cpu, goal->cpu, goal->access, goal->part);
        amp_schedule_reach(m, goal);
        done++;
    }
    return done;
}

/* An access of this CPU waits for its stores: one step for which no goal is left, its own first. */
unsigned amp_schedule_drain_stages(struct amp_cpu *cpu)
{
    struct amp_model *m = cpu->model;
    unsigned list[AMP_STEPS], n;

    if (!amp_following(m))
        return amp_push_on(cpu);
    if (make_free_step(cpu, cpu->id, false) || clear_way(cpu))
        return 1;
    n = amp_steps(m, cpu->id, list);
    for (unsigned owner = 0; n == 0 && owner < m->config.cpus; owner++)
        if ((n = amp_steps(m, owner, list))) {
            amp_schedule_refuse(m, goal_of_step(m, owner, list[0]), AMP_MF_NEEDED_BEFORE);
            return amp_push_on(cpu);
        }
    if (n)
        amp_schedule_refuse(m, goal_of_step(m, cpu->id, list[0]), AMP_MF_NEEDED_BEFORE);
    return n ? amp_push_on(cpu) : 0;
}
