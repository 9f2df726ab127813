/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * explore_looks.c - the looks of a poll, which are undone if they find nothing; and how a CPU ends.
 */
#include "explore_parts.h"

#include <assert.h>
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
    memcpy(look->before, g->before, g->events * g->levels * sizeof g->before[0]);
    look->cpu = g->cpu[cpu];
    look->log = x->cpu[cpu].log;
    look->made = x->cpu[cpu].made;
    x->cpu[cpu].in_look = true;
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
    memcpy(g->before, look->before, g->events * g->levels * sizeof g->before[0]);
    g->cpu[cpu] = look->cpu;
    x->cpu[cpu].log = look->log;
    x->cpu[cpu].made = look->made;
    x->cpu[cpu].pending = 0;
    x->cpu[cpu].in_look = false;
    x->cpu[cpu].status = XP_POLLING;
}

void xp_look_undone(struct explorer *x, unsigned cpu)
{
    if (x->over)
        return;
    x->cpu[cpu].newest = false;
    undo(x, cpu);
}

/* A look that found nothing: as if it had not been. It is worth repeating when something that it read has changed. */
static void fruitless(struct explorer *x, unsigned cpu)
{
    struct xp_graph *g = &x->graph;
    struct xp_cpu *state = &x->cpu[cpu];
    unsigned reads = 0;

    state->wakes = 0;
    state->voluntary = false;
    state->newest = true;
    state->must_cell = XP_CELLS;
    for (unsigned r = x->look.events; r < g->events; r++) {
        const struct xp_event *read = &g->event[r];

        assert(read->cpu == cpu && read->kind == XP_READ);
        reads++;
        for (unsigned i = 0; i < read->cells; i++) {
            const struct xp_cell *cell = &g->cell[read->cell[i]];

            if (read->source[i] != cell->co[cell->writes - 1])
                state->newest = false;
            if (state->wakes == XP_WAKES) {
                xp_fatal(x, -E2BIG);
                return;
            }
            state->wake_cell[state->wakes++] = read->cell[i];
            if (read->cells == 1)
                state->must_cell = read->cell[0];
        }
        if (read->choice >= 0)
            x->choice[read->choice].postponed = true; /* that is what this was */
    }
    if (reads != 1)
        state->must_cell = XP_CELLS;
    undo(x, cpu);
    state->mark = (xp_event_id)g->events;
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
    state->must_cell = XP_CELLS;
}

void xp_log(struct explorer *x, unsigned cpu, uint64_t what)
{
    struct xp_cpu *state = &x->cpu[cpu];

    state->log = xp_mix(state->log, what);
    x->trail = xp_mix(x->trail, what ^ cpu);
}
