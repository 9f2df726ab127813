/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * schedule.c - lockstep that follows a schedule: goals are reached in their order, and a CPU has the turn only while the
 * next goal needs an access of it. Nothing is left to chance, so a schedule is a run. The rules are the model's all the
 * same: a goal they do not allow ends the run, for every CPU, with its number and the reason.
 *
 * A CPU on its way to a goal may do anything that needs nothing: stores become pending, loads without a goal read the
 * newest value, deferred loads stay so. What forces a store out for which no goal is left takes the oldest that may go.
 * When no goal is left, the run is finished fairly: stores become visible, oldest first, after every access, loads read
 * the newest value and are not put off, and the CPUs take turns.
 */
#include "schedule_parts.h"

#include "bell.h"
#include "gate.h"

#define QUANTUM 16 /* accesses between two turns once no goal is left: fair, and few hand-overs */

struct amp_goal *amp_schedule_next(struct amp_model *m)
{
    return &amp_goals(m)[m->schedule.next];
}

/* The first reason is the run's. From here on nothing follows the schedule, so the access under way comes to its end. */
void amp_schedule_refuse(struct amp_model *m, const struct amp_goal *goal, enum amp_misfit why)
{
    m->schedule.failed = (uint32_t)(goal - amp_goals(m));
    m->schedule.misfit = why;
    m->schedule.event = m->events;
    m->schedule.next = m->schedule.goals;
}

void amp_schedule_reach(struct amp_model *m, struct amp_goal *goal)
{
    goal->reached = 1;
    m->schedule.since = m->turns;
    while (amp_following(m) && amp_schedule_next(m)->reached)
        m->schedule.next++;
}

/* The goal of that kind for that access, if it is still to be reached. */
struct amp_goal *amp_schedule_goal_of(struct amp_model *m, uint8_t kind, unsigned cpu, uint32_t access, uint32_t part)
{
    struct amp_goal *end = amp_goals(m) + m->schedule.goals;

    for (struct amp_goal *goal = amp_schedule_next(m); goal < end; goal++)
        if (goal->access == access && goal->part == part && goal->kind == kind && goal->cpu == cpu && !goal->reached)
            return goal;
    return NULL;
}

/* --- stores ------------------------------------------------------------------------------------------------------ */

/* The goal's store among its CPU's pending ones; the number of entries if it is not. */
unsigned amp_schedule_entry(const struct amp_cpu_state *state, const struct amp_goal *goal)
{
    for (unsigned i = 0; i < state->entries; i++) {
        const struct amp_pending *store = &state->pending[i];

        if (store->kind != AMP_MARK && store->number == goal->access && store->part == goal->part)
            return i;
    }
    return state->entries;
}

static bool may_go(const struct amp_cpu_state *state, unsigned entry)
{
    unsigned list[AMP_STORES], n = amp_eligible(state, list);

    for (unsigned i = 0; i < n; i++)
        if (list[i] == entry)
            return true;
    return false;
}

/* The goals that need no access: pending stores become visible. How many did. */
static unsigned advance(struct amp_cpu *cpu)
{
    struct amp_model *m = cpu->model;
    unsigned done = 0;

    if (amp_staged(m))
        return amp_schedule_advance_stages(cpu);
    for (; amp_following(m) && amp_schedule_next(m)->kind == AMP_GOAL_VISIBLE; done++) {
        struct amp_goal *goal = amp_schedule_next(m);
        const struct amp_cpu_state *state = &m->cpu[goal->cpu];
        unsigned entry = amp_schedule_entry(state, goal);

        if (entry == state->entries) {
            if (goal->access < state->stores)
                amp_schedule_refuse(m, goal, AMP_MF_VISIBLE_BEFORE);
            break; /* not issued yet */
        }
        if (!may_go(state, entry)) {
            amp_schedule_refuse(m, goal, AMP_MF_HELD_BACK);
            break;
        }
        amp_make_visible(cpu, goal->cpu, entry);
        amp_schedule_reach(m, goal);
    }
    return done;
}

static unsigned perform_wanted(struct amp_cpu *cpu);

unsigned amp_schedule_drain(struct amp_cpu *cpu)
{
    struct amp_model *m = cpu->model;
    const struct amp_cpu_state *state = amp_state(cpu);
    unsigned list[AMP_STORES], n, done = perform_wanted(cpu);
    struct amp_goal *later = NULL;

    done += advance(cpu);
    if (done)
        return done;
    if (amp_staged(m))
        return amp_schedule_drain_stages(cpu);
    n = amp_following(m) ? amp_eligible(state, list) : 0;
    for (unsigned i = 0; i < n; i++) {
        const struct amp_pending *store = &state->pending[list[i]];
        struct amp_goal *goal = amp_schedule_goal_of(m, AMP_GOAL_VISIBLE, cpu->id, store->number, store->part);

        if (!goal) {
            amp_make_visible(cpu, cpu->id, list[i]);
            return 1;
        }
        if (!later)
            later = goal;
    }
    if (later)
        amp_schedule_refuse(m, later, AMP_MF_NEEDED_BEFORE);
    return amp_following(m) ? 0 : amp_drain(cpu, cpu->id, 1);
}

void amp_schedule_at_once(struct amp_cpu *cpu, const struct amp_pending *store)
{
    struct amp_model *m = cpu->model;
    uint8_t kind = amp_staged(m) && !m->one_distance ? AMP_GOAL_NEAR : AMP_GOAL_VISIBLE;
    struct amp_goal *goal = amp_schedule_goal_of(m, kind, cpu->id, store->number, store->part);

    if (goal && goal == amp_schedule_next(m))
        amp_schedule_reach(m, goal);
    else if (goal)
        amp_schedule_refuse(m, goal, AMP_MF_ATOMIC_BEFORE);
}

/* --- loads ------------------------------------------------------------------------------------------------------- */

/* The goal of a load that is performed now: among those of this CPU that stand next to each other here. NULL: none. */
static struct amp_goal *goal_now(struct amp_cpu *cpu, struct amp_part part)
{
    struct amp_model *m = cpu->model;
    struct amp_goal *goal = amp_schedule_goal_of(m, AMP_GOAL_READ, cpu->id, part.load, part.part);

    for (struct amp_goal *between = amp_schedule_next(m); goal && between < goal; between++)
        if (between->kind != AMP_GOAL_READ || between->cpu != cpu->id) {
            amp_schedule_refuse(m, goal, AMP_MF_LOADED_BEFORE);
            return NULL;
        }
    return goal;
}

/*
 * How many writes back the source of `goal` is, counted as steps_back() does; -1: it is not there. What has fallen out
 * of the log has no name left, so it cannot be told whether it is the source; there is but one such moment to read.
 */
static int steps_to_source(struct amp_model *m, const struct amp_goal *goal, uint32_t granule, uint8_t missing)
{
    uint64_t t = amp_heads(m)[granule];
    int back = 0;

    for (; amp_logged(m, t); t = amp_log(m, t)->older) {
        const struct amp_write *write = amp_log(m, t);

        if (!(write->mask & missing))
            continue;
        if (write->owner == goal->source_cpu && write->number == goal->source)
            return back;
        back++;
    }
    return goal->source_cpu == AMP_INITIAL || t > m->epoch ? back : -1;
}

unsigned amp_schedule_back(struct amp_cpu *cpu, struct amp_part part, uint32_t granule, uint8_t missing, unsigned steps)
{
    struct amp_model *m = cpu->model;
    struct amp_goal *goal = goal_now(cpu, part);
    int back;

    if (!goal)
        return 0;
    back = steps_to_source(m, goal, granule, missing);
    if (back < 0 || (unsigned)back > steps) {
        amp_schedule_refuse(m, goal, back < 0 ? AMP_MF_NOT_VISIBLE : AMP_MF_TOO_OLD);
        return 0;
    }
    amp_schedule_reach(m, goal);
    return (unsigned)back;
}

unsigned amp_schedule_would_go_back(struct amp_cpu *cpu, struct amp_part part, uint32_t granule, uint8_t missing,
                                  unsigned steps)
{
    const struct amp_goal *goal = amp_schedule_goal_of(cpu->model, AMP_GOAL_READ, cpu->id, part.load, part.part);
    int back = goal ? steps_to_source(cpu->model, goal, granule, missing) : 0;

    return back < 0 || (unsigned)back > steps ? 0 : (unsigned)back;
}

struct amp_goal *amp_schedule_goal(struct amp_cpu *cpu, struct amp_part part)
{
    return amp_schedule_goal_of(cpu->model, AMP_GOAL_READ, cpu->id, part.load, part.part);
}

struct amp_goal *amp_schedule_read(struct amp_cpu *cpu, struct amp_part part)
{
    return goal_now(cpu, part);
}

void amp_schedule_answer(struct amp_cpu *cpu, struct amp_goal *goal, int why)
{
    if (why)
        amp_schedule_refuse(cpu->model, goal, (enum amp_misfit)why);
    else
        amp_schedule_reach(cpu->model, goal);
}

void amp_schedule_forwarded(struct amp_cpu *cpu, struct amp_part part, uint64_t store)
{
    struct amp_goal *goal = goal_now(cpu, part);
    const struct amp_cpu_state *state = amp_state(cpu);
    unsigned entry = 0;

    if (!goal)
        return;
    while (entry < state->entries && state->pending[entry].store != store)
        entry++;
    if (entry < state->entries && goal->source_cpu == cpu->id && goal->source == state->pending[entry].number)
        amp_schedule_reach(cpu->model, goal);
    else
        amp_schedule_refuse(cpu->model, goal, AMP_MF_FORWARDED);
}

static struct amp_deferred *wanted(struct amp_cpu *cpu)
{
    struct amp_model *m = cpu->model;
    struct amp_deferred *load = cpu->deferred;

    if (!amp_following(m) || amp_schedule_next(m)->kind != AMP_GOAL_READ || amp_schedule_next(m)->cpu != cpu->id)
        return NULL;
    while (load && load->number != amp_schedule_next(m)->access)
        load = load->next;
    return load;
}

/* The deferred loads whose goals are next. They are put off as long as nothing else of this CPU hangs on them. */
static unsigned perform_wanted(struct amp_cpu *cpu)
{
    struct amp_deferred *load;
    unsigned done = 0;

    for (; (load = wanted(cpu)); done++)
        amp_perform_one(cpu, load);
    return done;
}

bool amp_schedule_forget(struct amp_cpu *cpu, const struct amp_deferred *load)
{
    struct amp_model *m = cpu->model;
    struct amp_goal *end = amp_goals(m) + m->schedule.goals;
    bool due = false;

    if (!cpu->kept_turn || !amp_following(m)) /* not: has the turn by now; that would be a race */
        return false;
    for (struct amp_goal *goal = amp_schedule_next(m); goal < end && !due; goal++)
        due = goal->access == load->number && goal->kind == AMP_GOAL_READ && goal->cpu == cpu->id && !goal->reached;
    while (due && load->performed <= 0 && perform_wanted(cpu) + advance(cpu))
        ;
    return load->performed > 0;
}

void amp_schedule_taken(struct amp_cpu *cpu)
{
    struct amp_goal *goal = amp_schedule_next(cpu->model);

    if (goal->kind == AMP_GOAL_TAKEN && goal->cpu == cpu->id)
        amp_schedule_reach(cpu->model, goal);
    else
        amp_schedule_refuse(cpu->model, goal, AMP_MF_TAKEN_BEFORE);
}

/* --- turns ------------------------------------------------------------------------------------------------------- */

static uint32_t choose_plainly(struct amp_cpu *cpu, uint32_t n, enum amp_question question)
{
    if (question == AMP_WHOSE_TURN)
        return cpu->model->turns % QUANTUM == 0 && n > 1;
    return question == AMP_PERFORM_NOW && amp_following(cpu->model) ? n - 1 : 0;
}

/* Can the goal's CPU still reach it by an access of its own? */
static enum amp_misfit obstacle(const struct amp_cpu *cpu, const struct amp_goal *goal)
{
    const struct amp_model *m = cpu->model;
    const struct amp_cpu_state *state = &m->cpu[goal->cpu];

    /* Only the CPU itself knows which of its loads are deferred. */
    if (goal->kind == AMP_GOAL_READ && goal->cpu == cpu->id && goal->access < state->loads) {
        const struct amp_deferred *load = cpu->deferred;

        while (load && load->number != goal->access)
            load = load->next;
        if (!load)
            return AMP_MF_PERFORMED_BEFORE;
    }
    if (state->status == AMP_RETIRED)
        return AMP_MF_RETIRED;
    if (state->status == AMP_WAITING && goal->kind != AMP_GOAL_TAKEN)
        return AMP_MF_WAITS;
    if (state->status == AMP_WAITING && !(m->board & AMP_RUNG(goal->cpu)))
        return AMP_MF_NOT_RUNG;
    return m->turns - m->schedule.since > AMP_PATIENCE ? AMP_MF_NOT_REACHED : AMP_MF_FITS;
}

int amp_schedule_turn(struct amp_cpu *cpu)
{
    struct amp_model *m = cpu->model;
    enum amp_misfit why;

    advance(cpu);
    if (!amp_following(m))
        return -1;
    why = obstacle(cpu, amp_schedule_next(m));
    if (why)
        amp_schedule_refuse(m, amp_schedule_next(m), why);
    return why ? -1 : amp_schedule_next(m)->cpu;
}

/*
 * The goals of deferred loads are reached as late as the access to come allows: other goals may stand between them and
 * what that access needs.
 */
static bool hangs_on_loads(const struct amp_cpu_state *state, unsigned needs)
{
    return needs & AMP_LOADS || (needs & AMP_STORES_OUT && (state->entries || state->inner)) ||
           state->entries > AMP_STORES / 2;
}

int amp_schedule_enter(struct amp_cpu *cpu, unsigned needs)
{
    struct amp_model *m = cpu->model;

    cpu->choose = choose_plainly;
    while (amp_following(m)) {
        bool hangs = hangs_on_loads(amp_state(cpu), needs);
        int error;

        if (hangs)
            perform_wanted(cpu);
        if (amp_schedule_turn(cpu) == (int)cpu->id) {
            if (hangs && wanted(cpu)) /* a store that has become visible stood before it */
                continue;
            break;
        }
        amp_pass_turn(cpu);
        error = amp_await_turn(cpu);
        if (error)
            return error;
    }
    if (!amp_following(cpu->model))
        amp_perform_all(cpu);
    return 0;
}
