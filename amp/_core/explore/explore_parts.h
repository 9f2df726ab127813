/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * explore_parts.h - what the explorer's files know of one another. explore.c has runs and choices, explore_reads.c,
 * explore_writes.c and explore_looks.c what the CPUs do, key.c states, chooser.c chance.
 */
#ifndef AMP_EXPLORE_PARTS_H
#define AMP_EXPLORE_PARTS_H

#include "explore.h"

/* What a read may take: for each way, a write for each of its cells. */
struct xp_options {
    unsigned n;
    xp_event_id source[XP_OPTIONS][XP_SPAN];
};

/* The exploration cannot go on: XP_OVER. */
int xp_fatal(struct explorer *x, int error);

/* The choice at this point of the run, of so many options; NULL: the run is over. */
struct xp_choice *xp_choose(struct explorer *x, enum xp_choice_kind kind, unsigned cpu, unsigned options);

/* Another run shall try what read `r` does with these bytes of a write that follows it. */
void xp_offer_promise(struct explorer *x, xp_event_id r, uint8_t mask, uint64_t value);

bool xp_same_cell(const struct xp_event *a, const struct xp_event *b);

/* -1: too many. With `w`: only those by which the new write `w` keeps the read's promise. */
int xp_list_options(struct explorer *x, xp_event_id r, xp_event_id w, struct xp_options *list);

/* Reads of other CPUs that might have read this write, had they come later, or been performed later. */
void xp_show_races(struct explorer *x, xp_event_id w);

/* Reads that were promised a value may have it from this write. */
int xp_keep_promises(struct explorer *x, xp_event_id w);

#endif
