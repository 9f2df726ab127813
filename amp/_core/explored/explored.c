/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * explored.c - an explored program: see explored.h. Its runs, which cells its memory is, how a part waits for others or is
 * unwound, and a poll's looks.
 */
#include "explored_parts.h"

#include <stdlib.h>
#include <string.h>

#define NO_CELL UINT16_MAX
#define UNWOUND_LIMIT 1000 /* a program that is told so often that its run is over catches what it must let pass */

int xp_program_open(struct xp_program *program, unsigned cpus, unsigned levels, uint64_t start, uint64_t end)
{
    size_t granules;

    if (cpus < 1 || cpus > AMP_CPUS || levels < 1 || levels > XP_LEVELS || start % AMP_GRANULE || end % AMP_GRANULE || start > end ||
        end - start > XP_MEMORY_LIMIT)
        return -EINVAL;
    granules = (size_t)(end - start) / AMP_GRANULE;
    program->start = start;
    program->end = end;
    program->x = calloc(1, sizeof *program->x);
    program->granule = malloc((granules + 1) * sizeof *program->granule);
    if (!program->x || !program->granule || xp_open(program->x, cpus, levels))
        return -ENOMEM;
    memset(program->granule, 0xff, granules * sizeof *program->granule);
    program->x->merging = true;
    program->x->live = xp_tags_live;
    for (unsigned i = 0; i < cpus; i++) { /* the mailboxes come first: of each the number is its address */
        program->x->graph.cell[i] = (struct xp_cell){.mask = 0xff, .writes = 1};
        program->cell_at[i] = i;
    }
    program->x->graph.cells = cpus;
    return 0;
}

void xp_program_close(struct xp_program *program)
{
    if (program->x)
        xp_close(program->x);
    free(program->x);
    free(program->granule);
    program->x = NULL;
    program->granule = NULL;
}

void xp_program_begin(struct xp_program *program, bool again)
{
    if (again)
        xp_begin_again(program->x);
    else
        xp_begin(program->x);
    xp_tags_begin(program->x);
    memset(program->loads, 0, sizeof program->loads);
    memset(program->stores, 0, sizeof program->stores);
    memset(program->steps, 0, sizeof program->steps);
    memset(program->open, 0, sizeof program->open);
    memset(program->unwound, 0, sizeof program->unwound);
    program->passages = 0;
    program->thread = pthread_self();
}

enum xp_ending xp_program_ending(struct xp_program *program)
{
    struct explorer *x = program->x;
    enum xp_ending ending = xp_ending(x);

    xp_tags_end();
    x->over = true; /* whoever still stands in the middle of it is unwound */
    if (ending == XP_COMPLETE)
        x->counts.executions++;
    if (ending == XP_REDUNDANT)
        x->counts.redundant++;
    return ending;
}

uint64_t xp_program_final(struct xp_program *program, uint64_t address)
{
    const struct xp_graph *g = &program->x->graph;
    const struct xp_granule *granule;
    uint64_t value = 0;

    if (address < program->start || address >= program->end)
        return 0;
    granule = &program->granule[(address - program->start) / AMP_GRANULE];
    for (unsigned i = 0; i < AMP_GRANULE; i++) {
        uint16_t cell = granule->cell[i];
        xp_event_id last = cell == NO_CELL ? XP_INITIAL : g->cell[cell].co[g->cell[cell].writes - 1];

        if (last != XP_INITIAL)
            value |= g->event[last].value & UINT64_C(0xff) << 8 * i;
    }
    return value;
}

/* --- waiting, and the end of a run --------------------------------------------------------------------------------- */

int xp_step_aside(struct xp_part *part, int result)
{
    struct explorer *x = part->program->x;

    if (result != XP_BLOCKED && ++part->program->unwound[part->id] > UNWOUND_LIMIT) {
        x->error = -ENOTRECOVERABLE;
        x->over = true;
        result = XP_BLOCKED; /* for good: the exploration ends */
    }
    if (result == XP_BLOCKED) {
        int error = part->program->wait(part);

        if (error || x->error != -ENOTRECOVERABLE)
            return error;
    }
    return result == XP_UNLOOK ? -ENODATA : -ECANCELED;
}

int xp_break_rule(struct xp_part *part, const char *rule)
{
    struct explorer *x = part->program->x;
    int error;

    if (x->over)
        return xp_step_aside(part, XP_OVER);
    x->error = -EPERM;
    x->over = true;
    error = part->program->broken(part, rule);
    return error ? error : xp_step_aside(part, XP_OVER);
}

int xp_may_go_on(struct xp_part *part, const char *what)
{
    const struct xp_program *program = part->program;
    const struct xp_cpu *cpu = &program->x->cpu[part->id];

    if (!pthread_equal(pthread_self(), program->thread))
        return xp_break_rule(part, "an access is made by another thread than the part's: a part is one processor");
    if (program->x->over)
        return xp_step_aside(part, XP_OVER);
    if (cpu->unlooked)
        return xp_step_aside(part, XP_UNLOOK);
    return what && cpu->in_look ? xp_break_rule(part, what) : 0;
}

/* --- cells --------------------------------------------------------------------------------------------------------- */

static int split_cell(struct xp_program *program, struct xp_granule *granule, uint16_t old, uint8_t mask)
{
    struct xp_graph *g = &program->x->graph;
    uint16_t fresh = (uint16_t)g->cells;

    if (g->cells == XP_CELLS)
        return -E2BIG;
    g->cells++;
    g->cell[fresh].mask = g->cell[old].mask & mask;
    program->cell_at[fresh] = program->cell_at[old];
    g->cell[old].mask &= (uint8_t)~mask;
    for (unsigned i = 0; i < AMP_GRANULE; i++)
        if (granule->cell[i] == old && mask >> i & 1)
            granule->cell[i] = fresh;
    return -EAGAIN;
}

static bool has_cell(const uint16_t *cells, unsigned n, uint16_t cell)
{
    for (unsigned i = 0; i < n; i++)
        if (cells[i] == cell)
            return true;
    return false;
}

int xp_cells_of(struct xp_program *program, uint64_t address, unsigned size, uint16_t cells[XP_SPAN])
{
    struct xp_graph *g = &program->x->graph;
    struct xp_granule *granule = &program->granule[(address - program->start) / AMP_GRANULE];
    unsigned first = address % AMP_GRANULE, n = 0;
    uint8_t mask = amp_byte_mask(first, size), fresh = 0;
    int result = 0;

    for (unsigned i = first; i < first + size; i++) {
        uint16_t cell = granule->cell[i];

        if (cell == NO_CELL)
            fresh |= (uint8_t)(1u << i);
        else if (g->cell[cell].mask & ~mask)
            result = split_cell(program, granule, cell, mask);
        else if (!has_cell(cells, n, cell)) /* a cell from whose middle another was split lies on both sides of it */
            cells[n++] = cell;
        if (result == -E2BIG)
            return result;
    }
    if (fresh) {
        if (g->cells == XP_CELLS)
            return -E2BIG;
        g->cell[g->cells] = (struct xp_cell){.mask = fresh, .writes = 1};
        program->x->learned[g->cells] = (struct xp_learned){0};
        program->cell_at[g->cells] = address - first;
        for (unsigned i = 0; i < AMP_GRANULE; i++)
            if (fresh >> i & 1)
                granule->cell[i] = (uint16_t)g->cells;
        cells[n++] = (uint16_t)g->cells++;
    }
    return result ? result : (int)n;
}

void xp_perform_open(struct xp_program *program, unsigned cpu, const uint16_t *cells, unsigned n)
{
    const struct xp_graph *g = &program->x->graph;

    for (unsigned e = 1; program->open[cpu] && e < g->events; e++) {
        const struct xp_event *read = &g->event[e];
        bool touched = n == 0;

        if (read->cpu != cpu || read->kind != XP_READ || program->at[e] || read->source[0] != XP_UNREAD)
            continue;
        for (unsigned i = 0; i < n; i++)
            for (unsigned j = 0; j < read->cells; j++)
                touched |= cells[i] == read->cell[j];
        if (touched)
            program->at[e] = ++program->steps[cpu];
    }
}

/* --- a poll's looks ------------------------------------------------------------------------------------------------ */

int xp_part_begin_look(struct xp_part *part)
{
    struct xp_program *program = part->program;
    int error = xp_may_go_on(part, "a look of poll() polls: a look may only load");

    if (error)
        return error;
    xp_look_begin(program->x, part->id);
    program->loads_before_look = program->loads[part->id];
    program->passages_before_look = program->passages;
    program->look_used_bytes = false;
    return 0;
}

/* The barriers that the look came to are those of nothing. */
static void forget_passages(struct xp_program *program, unsigned cpu)
{
    unsigned kept = program->passages_before_look;

    for (unsigned i = kept; i < program->passages; i++)
        if (program->passage[i].cpu != cpu)
            program->passage[kept++] = program->passage[i];
    program->passages = kept;
}

/* The look's loads are undone. Let others run: the look is worth repeating when this returns 0. */
static int after_look(struct xp_part *part)
{
    struct xp_program *program = part->program;

    xp_tags_forget_events(part->id, program->x->look.events);
    program->loads[part->id] = program->loads_before_look;
    forget_passages(program, part->id);
    if (program->look_used_bytes && !program->x->over)
        return xp_break_rule(part,
                             "a look of poll() that finds nothing uses bytes that were read before it: use them first");
    return xp_step_aside(part, program->x->over ? XP_OVER : XP_BLOCKED);
}

static int in_look(struct xp_part *part)
{
    const struct explorer *x = part->program->x;

    if (x->over)
        return xp_step_aside(part, XP_OVER);
    return x->cpu[part->id].in_look ? 0 : xp_break_rule(part, "the end of a look is told that has not begun");
}

int xp_part_undo_look(struct xp_part *part)
{
    int error = in_look(part);

    if (error)
        return error;
    xp_look_undone(part->program->x, part->id);
    return after_look(part);
}

int xp_part_end_look(struct xp_part *part, bool found)
{
    struct explorer *x = part->program->x;
    int error = in_look(part);

    if (error)
        return error;
    if (x->cpu[part->id].unlooked) /* the program caught what told it so */
        return xp_part_undo_look(part);
    xp_look_end(x, part->id, found);
    return found ? 1 : after_look(part);
}
