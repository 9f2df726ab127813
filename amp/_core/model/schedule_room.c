/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * schedule_room.c - a schedule in the room: set, started anew, and why it did not fit, in words.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "schedule.h"

_Static_assert(sizeof(struct amp_goal) == 16, "the schedule's format");
_Static_assert(AMP_PATIENCE == 1048576, "NOT_REACHED says so");

static const char *const reasons[] = {
    [AMP_MF_HELD_BACK] = "it may not become visible yet: a barrier, a release or an overlapping store holds it back",
    [AMP_MF_VISIBLE_BEFORE] = "it is visible already, or the store has no such part",
    [AMP_MF_NEEDED_BEFORE] = "the CPU's access cannot go on before this store is visible, and other goals come first",
    [AMP_MF_ATOMIC_BEFORE] = "an atomic's store is visible at once, and other goals come first",
    [AMP_MF_LOADED_BEFORE] = "the CPU performs the load on its way to an earlier goal",
    [AMP_MF_PERFORMED_BEFORE] = "the load is performed already, was dropped unread, or has no such part",
    [AMP_MF_FORWARDED] = "the load takes its bytes from another store, its own CPU's that is still pending",
    [AMP_MF_NOT_VISIBLE] = "the source has not become visible there, or wrote none of the bytes",
    [AMP_MF_TOO_OLD] = "the source is older than a barrier, an interrupt, a dependency or what the CPU knows allows",
    [AMP_MF_RETIRED] = "the CPU has retired",
    [AMP_MF_WAITS] = "the CPU waits for an interrupt",
    [AMP_MF_NOT_RUNG] = "the CPU waits, and no doorbell of its own has become visible",
    [AMP_MF_TAKEN_BEFORE] = "a CPU takes its interrupt on its way to it",
    [AMP_MF_NOT_REACHED] = "the CPU has made more than 1,048,576 accesses without reaching it",
};

void amp_schedule_rewind(struct amp_model *m)
{
    m->schedule.next = m->schedule.misfit = m->schedule.failed = 0;
    m->schedule.event = m->schedule.since = 0;
    for (uint32_t i = 0; i < m->schedule.goals; i++)
        amp_goals(m)[i].reached = 0;
}

static bool makes_sense(const struct amp_model *m, const struct amp_goal *goal)
{
    if (goal->kind < AMP_GOAL_VISIBLE || goal->kind > AMP_GOAL_NEAR || goal->cpu >= m->config.cpus || goal->reached)
        return false;
    if (goal->kind == AMP_GOAL_NEAR && !amp_staged(m))
        return false;
    return goal->kind != AMP_GOAL_READ || goal->source_cpu < m->config.cpus || goal->source_cpu == AMP_INITIAL;
}

int amp_model_set_schedule(void *room, size_t size, const void *goals, size_t n)
{
    struct amp_model *m = amp_model_in(room, size);

    if (!m)
        return -EPROTO;
    if (n > AMP_GOALS)
        return -E2BIG;
    if (m->config.mode != AMP_LOCKSTEP)
        return -EINVAL;
    m->schedule.goals = 0;
    amp_schedule_rewind(m);
    if (n)
        memcpy(amp_goals(m), goals, n * sizeof(struct amp_goal));
    for (size_t i = 0; i < n; i++)
        if (!makes_sense(m, &amp_goals(m)[i]))
            return -EINVAL;
    m->schedule.set = 1;
    m->schedule.goals = (uint32_t)n;
    return 0;
}

static int describe(const struct amp_goal *goal, char *text, size_t length)
{
    if (goal->kind == AMP_GOAL_TAKEN)
        return snprintf(text, length, "CPU %u takes its interrupt", goal->cpu);
    if (goal->kind == AMP_GOAL_NEAR)
        return snprintf(text, length, "CPU %u's store %u, part %u, becomes visible to its siblings", goal->cpu,
                        goal->access, goal->part);
    if (goal->kind == AMP_GOAL_VISIBLE)
        return snprintf(text, length, "CPU %u's store %u, part %u, becomes visible", goal->cpu, goal->access,
                        goal->part);
    if (goal->source_cpu == AMP_INITIAL)
        return snprintf(text, length, "CPU %u's load %u, part %u, reads initial memory", goal->cpu, goal->access,
                        goal->part);
    return snprintf(text, length, "CPU %u's load %u, part %u, reads CPU %u's store %u", goal->cpu, goal->access,
                    goal->part, goal->source_cpu, goal->source);
}

int amp_model_misfit(const void *room, size_t size, uint64_t *goal, char *text, size_t length)
{
    struct amp_model *m = amp_model_in(room, size);
    char what[96];

    if (!m)
        return -EPROTO;
    if (!m->schedule.misfit)
        return 0;
    if (m->schedule.misfit >= sizeof reasons / sizeof reasons[0] || m->schedule.failed >= m->schedule.goals)
        return -EPROTO;
    describe(&amp_goals(m)[m->schedule.failed], what, sizeof what);
    *goal = m->schedule.failed + 1;
    snprintf(text, length, "the schedule does not fit: goal %u of %u (%s): %s; after event %llu", m->schedule.failed + 1,
             m->schedule.goals, what, reasons[m->schedule.misfit], (unsigned long long)m->schedule.event);
    return 1;
}
