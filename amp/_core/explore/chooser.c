/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * chooser.c - one way through the choices instead of all of them.
 *   sc      the newest write, always; a read is postponed as chance has it: an interleaving, with nothing reordered
 *   random  any option is as likely as any other
 *   urw     a read is postponed as often as it would be in an interleaving drawn uniformly from all: as the others have
 *           more left to do, going by the longest run so far; else any write (uniform random walk: Zhao et al., ASPLOS 2025,
 *           for the idea)
 *   pct     as sc with priorities, but at `depth` reads of the run, picked beforehand, anything may be read
 *           (Burckhardt et al., ASPLOS 2010; for weak memory Gao et al., ASPLOS 2023)
 */
#include "explore.h"
#include "model/model.h"

static unsigned below(struct explorer *x, unsigned n)
{
    return amp_random(&x->random, n);
}

void xp_chooser_begin(struct explorer *x)
{
    for (unsigned i = 0; i < x->graph.cpus; i++)
        x->pct_priority[i] = (uint8_t)i;
    if (x->chooser == XP_EXHAUSTIVE || x->chooser == XP_REPLAY)
        return;
    x->depth = 0;
    for (unsigned i = x->graph.cpus; i-- > 1;) {
        unsigned j = below(x, i + 1);
        uint8_t kept = x->pct_priority[i];

        x->pct_priority[i] = x->pct_priority[j];
        x->pct_priority[j] = kept;
    }
    for (unsigned i = 0; i < x->pct_depth; i++)
        x->pct_at[i] = below(x, x->pct_length ? x->pct_length : 32);
}

unsigned xp_whose_turn(struct explorer *x, unsigned nth)
{
    return x->pct_priority[nth];
}

static bool others_may_run(const struct explorer *x, unsigned cpu)
{
    for (unsigned i = 0; i < x->graph.cpus; i++)
        if (i != cpu && (x->cpu[i].status == XP_RUNNING || (x->cpu[i].status != XP_ENDED && x->cpu[i].wake)))
            return true;
    return false;
}

static bool pct_point(const struct explorer *x)
{
    for (unsigned i = 0; i < x->pct_depth; i++)
        if (x->pct_at[i] == x->choices - 1)
            return true;
    return false;
}

/* What a CPU has left to do, if this run gets as far as the longest so far. */
static unsigned left_to_do(const struct explorer *x, unsigned cpu)
{
    unsigned done = x->graph.cpu[cpu].events, longest = x->longest[cpu];

    return longest > done ? longest - done : 1;
}

static bool urw_postpones(struct explorer *x, unsigned cpu)
{
    unsigned all = 0;

    for (unsigned i = 0; i < x->graph.cpus; i++)
        all += x->cpu[i].status == XP_ENDED ? 0 : left_to_do(x, i);
    return below(x, all) >= left_to_do(x, cpu);
}

int xp_sample(struct explorer *x, struct xp_choice *c)
{
    unsigned ways = c->options, pick;
    bool postpone = c->kind == XP_CHOOSE_SOURCE && others_may_run(x, c->cpu);

    if (x->chooser == XP_REPLAY)
        return 0; /* behind the end of the list: the newest */
    switch (x->chooser) {
    case XP_SC:
        pick = postpone && below(x, 2) ? ways : 0;
        break;
    case XP_PCT:
        pick = pct_point(x) ? below(x, ways + postpone) : 0;
        break;
    case XP_URW:
        pick = postpone && urw_postpones(x, c->cpu) ? ways : below(x, ways);
        break;
    default:
        pick = below(x, ways + postpone);
    }
    x->weight *= ways + postpone;
    c->branch = pick == ways ? XP_POSTPONE : XP_OPTION;
    c->index = (uint16_t)(pick == ways ? 0 : pick);
    if (x->pct_length < x->choices)
        x->pct_length = x->choices;
    return 0;
}
