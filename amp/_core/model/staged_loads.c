/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * staged_loads.c - what a load may return where some CPUs are siblings and some are not: the memory as of two moments, one
 * for what siblings wrote, when they saw it, and one for what the others did, when all saw it. Neither is before the
 * load's floor for it; and no byte is older, in the order of the writes there, than what the CPU knows of it.
 */
#include <string.h>

#include "schedule.h"

#define MOST 1024 /* writes of one granule that a load looks at; what is older than those all see */

/* The writes that a load may return, newest first, and what memory was before all of them. */
struct view {
    unsigned n;
    uint64_t write[MOST];
    uint64_t before;
    uint8_t missing;
    int base[AMP_GRANULE]; /* by byte: nothing behind this place is returned; n: there is no such place */
};

/* What a choice of both moments shows: by byte, the place of its write; n: what was before all. */
struct shown {
    unsigned place[AMP_GRANULE];
};

static bool is_near(const struct amp_cpu *cpu, const struct amp_write *write)
{
    return cpu->model->domain[write->owner] == cpu->model->domain[cpu->id];
}

/* From when on this CPU may return it; 0: not yet. Who sees a newer one owes nothing to it, and may still have to wait. */
static uint64_t time_of(const struct amp_cpu *cpu, uint64_t number)
{
    const struct amp_write *write = amp_log(cpu->model, number);
    uint64_t may_come = is_near(cpu, write) ? number : write->far, seen;

    if (!amp_observed(cpu->model) || !may_come)
        return may_come;
    seen = amp_sights(cpu->model, number)->at[cpu->id];
    return seen ? amp_max(seen, may_come) : 0;
}

/* Is it visible at these moments? */
static bool is_visible(const struct amp_cpu *cpu, uint64_t number, struct amp_floors moment)
{
    uint64_t time = time_of(cpu, number);

    return time && time <= (is_near(cpu, amp_log(cpu->model, number)) ? moment.near : moment.far);
}

static struct view view_of(struct amp_cpu *cpu, uint32_t granule, uint8_t missing, struct amp_floors floors)
{
    struct amp_model *m = cpu->model;
    struct view view = {.missing = missing};
    uint8_t open = missing;

    for (unsigned byte = 0; byte < AMP_GRANULE; byte++)
        view.base[byte] = MOST;
    memcpy(&view.before, cpu->memory + m->config.shared_start + (uint64_t)granule * AMP_GRANULE, sizeof view.before);
    for (uint64_t t = amp_newest(cpu, granule); open && view.n < MOST && amp_logged(m, t); t = amp_log(m, t)->older) {
        const struct amp_write *write = amp_log(m, t);
        uint8_t settled = is_visible(cpu, t, floors) ? write->mask : write->known[cpu->id];

        if (write->mask & missing) {
            for (unsigned byte = 0; byte < AMP_GRANULE; byte++)
                if (settled & open & 1u << byte)
                    view.base[byte] = (int)view.n;
            open &= (uint8_t)~settled;
            view.write[view.n++] = t;
        }
        view.before = (view.before & ~amp_bits(write->mask)) | write->before;
    }
    return view;
}

static struct shown show(const struct amp_cpu *cpu, const struct view *view, struct amp_floors moment)
{
    struct shown shown;

    for (unsigned byte = 0; byte < AMP_GRANULE; byte++)
        shown.place[byte] = view->n;
    for (unsigned i = view->n; i-- > 0;) {
        uint8_t mask = is_visible(cpu, view->write[i], moment) ? amp_log(cpu->model, view->write[i])->mask : 0;

        for (unsigned byte = 0; byte < AMP_GRANULE; byte++)
            if (mask & view->missing & 1u << byte)
                shown.place[byte] = i;
    }
    return shown;
}

static bool is_coherent(const struct view *view, const struct shown *shown)
{
    for (unsigned byte = 0; byte < AMP_GRANULE; byte++)
        if (view->missing >> byte & 1 && (int)shown->place[byte] > view->base[byte])
            return false;
    return true;
}

/* Moments before which something is seen: of what siblings wrote, or of what the others did. Newest first, down to `floor`. */
static unsigned moments(const struct amp_cpu *cpu, const struct view *view, bool near, uint64_t floor, uint64_t out[MOST])
{
    unsigned n = 0;

    for (unsigned i = 0; i < view->n; i++) {
        const struct amp_write *write = amp_log(cpu->model, view->write[i]);
        uint64_t time = time_of(cpu, view->write[i]);

        if (is_near(cpu, write) != near || time <= floor)
            continue;
        for (unsigned at = n++; ; at--) {
            if (at == 0 || out[at - 1] >= time) {
                out[at] = time;
                break;
            }
            out[at] = out[at - 1];
        }
    }
    return n;
}

/* The moment right before the newest `back` of these; none: now. */
static uint64_t moment_before(const uint64_t *times, unsigned back)
{
    return back ? times[back - 1] - 1 : UINT64_MAX;
}

struct choice {
    struct amp_floors moment;
    struct shown shown;
};

static bool may_be(const struct amp_cpu *cpu, const struct view *view, struct choice *choice)
{
    choice->shown = show(cpu, view, choice->moment);
    return is_coherent(view, &choice->shown);
}

static struct choice newest_of(const struct amp_cpu *cpu, const struct view *view)
{
    struct choice choice = {.moment = {UINT64_MAX, UINT64_MAX}};

    choice.shown = show(cpu, view, choice.moment);
    return choice;
}

static struct choice by_chance(struct amp_cpu *cpu, const struct view *view, struct amp_floors floors)
{
    struct choice choice = newest_of(cpu, view), tried;
    uint64_t times[MOST];

    for (unsigned near = 0; near < 2; near++) {
        unsigned n = moments(cpu, view, !near, near ? floors.far : floors.near, times), most = 0, back;

        for (tried = choice; most < n; most++) {
            *(near ? &tried.moment.far : &tried.moment.near) = moment_before(times, most + 1);
            if (!may_be(cpu, view, &tried))
                break;
        }
        back = most ? cpu->choose(cpu, most + 1, AMP_WHICH_WRITE) : 0;
        *(near ? &choice.moment.far : &choice.moment.near) = moment_before(times, back);
        choice.shown = show(cpu, view, choice.moment);
    }
    return choice;
}

/* The place of the newest write that is returned; n: none is. */
static unsigned newest_shown(const struct view *view, const struct shown *shown)
{
    unsigned newest = view->n;

    for (unsigned byte = 0; byte < AMP_GRANULE; byte++)
        if (view->missing >> byte & 1 && shown->place[byte] < newest)
            newest = shown->place[byte];
    return newest;
}

static bool is_wanted(const struct amp_cpu *cpu, const struct view *view, const struct shown *shown,
                      const struct amp_goal *goal)
{
    unsigned newest = newest_shown(view, shown);
    const struct amp_write *write = newest < view->n ? amp_log(cpu->model, view->write[newest]) : NULL;

    if (!write)
        return goal->source_cpu == AMP_INITIAL;
    return write->owner == goal->source_cpu && write->number == goal->source;
}

/* The latest moments that show what the goal wants. 0, or why there are none. */
static int by_goal(const struct amp_cpu *cpu, const struct view *view, struct amp_floors floors, const struct amp_goal *goal,
                   struct choice *choice)
{
    const struct amp_floors now = {UINT64_MAX, UINT64_MAX};
    uint64_t near[MOST], far[MOST];
    unsigned n_near = moments(cpu, view, true, floors.near, near), n_far = moments(cpu, view, false, floors.far, far);

    for (unsigned i = 0; i <= n_near; i++)
        for (unsigned j = 0; j <= n_far; j++) {
            choice->moment = (struct amp_floors){moment_before(near, i), moment_before(far, j)};
            if (!may_be(cpu, view, choice))
                break;
            if (is_wanted(cpu, view, &choice->shown, goal))
                return 0;
        }
    for (unsigned i = 0; i < view->n; i++) {
        const struct amp_write *write = amp_log(cpu->model, view->write[i]);

        if (write->owner == goal->source_cpu && write->number == goal->source && is_visible(cpu, view->write[i], now))
            return AMP_MF_TOO_OLD;
    }
    return goal->source_cpu == AMP_INITIAL ? AMP_MF_TOO_OLD : AMP_MF_NOT_VISIBLE;
}

static uint64_t value_of(const struct amp_cpu *cpu, const struct view *view, const struct shown *shown)
{
    uint64_t value = 0;

    for (unsigned byte = 0; byte < AMP_GRANULE; byte++) {
        unsigned place = shown->place[byte];
        uint64_t from = place < view->n ? amp_log(cpu->model, view->write[place])->value : view->before;

        if (view->missing >> byte & 1)
            value |= from & amp_bits((uint8_t)(1u << byte));
    }
    return value;
}

/* The CPU knows these bytes now, and what it has read of siblings. */
static void take(struct amp_cpu *cpu, const struct view *view, const struct shown *shown, struct amp_kept orders,
                 struct amp_seen *seen)
{
    for (unsigned byte = 0; byte < AMP_GRANULE; byte++) {
        unsigned place = shown->place[byte];
        struct amp_write *write;

        if (!(view->missing >> byte & 1) || place == view->n)
            continue;
        write = amp_log(cpu->model, view->write[place]);
        write->known[cpu->id] |= (uint8_t)(1u << byte);
        if (is_near(cpu, write))
            seen->least.near = amp_max(seen->least.near, time_of(cpu, view->write[place]));
        else
            seen->least.far = amp_max(seen->least.far, time_of(cpu, view->write[place]));
        if (write->owner != cpu->id && (is_near(cpu, write) || amp_observed(cpu->model)))
            amp_stage_read(cpu, view->write[place], orders);
    }
}

static struct choice choose(struct amp_cpu *cpu, struct amp_part part, const struct view *view, const struct amp_wish *wish)
{
    struct choice choice = newest_of(cpu, view);
    struct amp_goal *goal = amp_following(cpu->model) ? amp_schedule_read(cpu, part) : NULL;
    int why;

    if (!goal)
        return wish->newest || amp_following(cpu->model) ? choice : by_chance(cpu, view, wish->floors);
    if (wish->newest)
        why = is_wanted(cpu, view, &choice.shown, goal) ? AMP_MF_FITS : AMP_MF_TOO_OLD;
    else
        why = by_goal(cpu, view, wish->floors, goal, &choice);
    amp_schedule_answer(cpu, goal, why);
    return why ? newest_of(cpu, view) : choice;
}

struct amp_seen amp_read_staged(struct amp_cpu *cpu, struct amp_part part, uint32_t granule, uint8_t mask,
                                struct amp_wish wish)
{
    struct amp_cpu_state *state = amp_state(cpu);
    struct amp_seen seen = {.least = wish.floors};
    uint8_t missing = amp_forward(state, granule, mask, &seen);
    struct shown newest;
    struct choice choice;
    struct view view;

    seen.least.near = amp_max(seen.least.near, seen.time);
    seen.least.far = amp_max(seen.least.far, seen.time);
    if (missing) {
        view = view_of(cpu, granule, missing, wish.floors);
        newest = newest_of(cpu, &view).shown;
        choice = choose(cpu, part, &view, &wish);
        if (memcmp(&newest, &choice.shown, sizeof newest)) {
            seen.flags |= AMP_FL_STALE;
            seen.back = newest_shown(&view, &choice.shown) - newest_shown(&view, &newest);
        }
        if (newest_shown(&view, &newest) < view.n)
            seen.newest = amp_log(cpu->model, view.write[newest_shown(&view, &newest)])->store;
        if (!seen.store && newest_shown(&view, &choice.shown) < view.n)
            seen.store = amp_log(cpu->model, view.write[newest_shown(&view, &choice.shown)])->store;
        seen.value |= value_of(cpu, &view, &choice.shown);
        take(cpu, &view, &choice.shown, wish.orders, &seen);
    } else if (amp_following(cpu->model)) {
        amp_schedule_forwarded(cpu, part, seen.store);
    }
    seen.time = amp_max(seen.time, amp_max(seen.least.near, seen.least.far));
    state->seen = amp_max(state->seen, seen.least.near);
    state->seen_far = amp_max(state->seen_far, seen.least.far);
    if (state->implicit & AMP_RR)
        state->floor = state->floor_far = amp_max(amp_max(state->floor, state->floor_far), seen.time);
    return seen;
}

uint64_t amp_would_read_staged(struct amp_cpu *cpu, struct amp_part part, uint32_t granule, uint8_t mask)
{
    struct amp_seen seen = {0};
    struct amp_floors floors = amp_floors_of(cpu, 0);
    uint8_t missing = amp_forward(amp_state(cpu), granule, mask, &seen);
    struct view view = view_of(cpu, granule, missing, floors);
    const struct amp_goal *goal = amp_following(cpu->model) ? amp_schedule_goal(cpu, part) : NULL;
    struct choice choice = newest_of(cpu, &view);

    if (goal && by_goal(cpu, &view, floors, goal, &choice))
        choice = newest_of(cpu, &view);
    return seen.value | value_of(cpu, &view, &choice.shown);
}
