/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * explore_looks.c - the looks of a poll, which are undone if they find nothing; and how a CPU ends.
 */
#include "explore_parts.h"

#include <errno.h>
#include <string.h>

static void stop(struct explorer *x, unsigned cpu)
{
    x->cpu[cpu].status = XP_ENDED;
    x->cpu[cpu].pending = 0;
}

void xp_end(struct explorer *x, unsigned cpu)
{
    stop(x, cpu);
}

void xp_fail(struct explorer *x, unsigned cpu)
{
    stop(x, cpu);
    if (x->over) /* it was told so, and speaks of a run that was given up */
        return;
    x->failed = true;
    if (!x->promised)
        x->over = true;
}

void xp_look_begin(struct explorer *x, unsigned cpu)
{
    struct xp_graph *g = &x->graph;
    struct xp_look *look = &x->look;

    if (x->over)
        return;
    look->events = g->events;
    look->words = g->words;
    memcpy(look->event, g->event, g->events * sizeof g->event[0]);
    memcpy(look->before, g->before, g->events * g->nodes * sizeof g->before[0]);
    look->cpu = g->cpu[cpu];
    look->log = x->cpu[cpu].log;
    look->made = x->cpu[cpu].made;
    x->cpu[cpu].in_look = true;
    x->cpu[cpu].looked = 0;
    x->cpu[cpu].path = 0;
}

static void undo(struct explorer *x, unsigned cpu)
{
    struct xp_graph *g = &x->graph;
    const struct xp_look *look = &x->look;

    for (unsigned r = look->events; r < g->events; r++)
        x->promised -= g->event[r].promised;
    g->events = look->events;
    g->words = look->words;
    memcpy(g->event, look->event, g->events * sizeof g->event[0]);
    memcpy(g->before, look->before, g->events * g->nodes * sizeof g->before[0]);
    g->cpu[cpu] = look->cpu;
    x->cpu[cpu].log = look->log;
    x->cpu[cpu].made = look->made;
    x->cpu[cpu].pending = 0;
    x->cpu[cpu].in_look = x->cpu[cpu].unlooked = false;
    x->cpu[cpu].status = XP_POLLING;
}

uint64_t xp_look_place(const struct explorer *x, unsigned cpu)
{
    return xp_mix(cpu, x->cpu[cpu].log);
}

uint64_t xp_look_path(const struct explorer *x, unsigned cpu)
{
    return xp_mix(xp_mix(cpu, x->look.log), x->cpu[cpu].path);
}

void xp_look_undone(struct explorer *x, unsigned cpu)
{
    if (!x->over)
        undo(x, cpu);
}

bool xp_saw_newest(const struct explorer *x, unsigned cpu)
{
    const struct xp_cpu *state = &x->cpu[cpu];

    for (unsigned i = 0; i < state->wakes; i++) {
        const struct xp_cell *cell = &x->graph.cell[state->wake_cell[i]];

        if (state->wake_source[i] != cell->co[cell->writes - 1])
            return false;
    }
    return true;
}

/* A look that found nothing: as if it had not been. It is worth repeating when something that it read has changed. */
static void fruitless(struct explorer *x, unsigned cpu)
{
    struct xp_graph *g = &x->graph;
    struct xp_cpu *state = &x->cpu[cpu];
    unsigned repeated = state->forced;

    /* What a look that stood still repeated may have been overtaken meanwhile. */
    state->wake = repeated > 0;
    state->wakes = state->forced = 0;
    state->voluntary = false;
    for (unsigned r = 0; r < state->looked; r++) {
        const struct xp_seen *seen = &state->seen[r];

        for (unsigned i = 0; i < seen->cells; i++) {
            if (state->wakes == XP_LOOKS) {
                xp_fatal(x, -E2BIG);
                return;
            }
            state->wake_cell[state->wakes] = seen->cell[i];
            state->wake_source[state->wakes++] = seen->promised ? XP_UNREAD : seen->source[i];
        }
        if (r >= repeated) /* the choices before it were made when the look stood still: other ways lead on from there */
            x->choice[seen->choice].postponed = true; /* that is what this was */
    }
    undo(x, cpu);
    /* Of several reads any may be the one that returns something new; a lone one must. */
    state->mark = state->looked == 1 ? (xp_event_id)g->events : 0;
}

void xp_look_end(struct explorer *x, unsigned cpu, bool found)
{
    struct xp_cpu *state = &x->cpu[cpu];

    if (x->over)
        return;
    if (!found) {
        fruitless(x, cpu);
        return;
    }
    state->in_look = false;
    state->mark = 0;
    state->forced = 0;
}

void xp_log(struct explorer *x, unsigned cpu, uint64_t what)
{
    struct xp_cpu *state = &x->cpu[cpu];

    state->log = xp_mix(state->log, what);
    state->path = xp_mix(state->path, what);
    x->trail = xp_mix(x->trail, what ^ cpu);
}
