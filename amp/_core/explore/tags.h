/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tags.h - the values an explored program holds: which loads they come from, and that they are there. One exploration at a
 * time has them.
 *
 * A tag stands where an ordinary value has its time, with XP_TAGGED set. 0 is no tag: the value comes from no load.
 */
#ifndef AMP_TAGS_H
#define AMP_TAGS_H

#include "explore.h"

#define XP_TAGGED (UINT64_C(1) << 63)

void xp_tags_begin(struct explorer *x); /* a run begins: values of earlier ones mean nothing any more */
void xp_tags_end(void);
uint64_t xp_tag_of(unsigned cpu, xp_event_id event); /* of a value just read; 0 if there is no room */
const struct xp_set *xp_tag_depends(uint64_t tag);    /* NULL: depends on nothing */
const struct xp_set *xp_tag_picks(uint64_t tag);      /* what only decided which value it is; NULL: the same */
struct xp_set *xp_tag_add_picks(uint64_t tag);        /* to be added to */
xp_event_id xp_tag_event(uint64_t tag);               /* the load whose value it is; 0: none */
void xp_tags_forget_events(unsigned cpu, unsigned from); /* a look was undone: its loads, numbered from there, are gone */
unsigned xp_tags_live(struct explorer *x, struct xp_live *list, unsigned room);

uint64_t xp_tag_join(uint64_t a, uint64_t b);    /* the tag of what is computed from both */
void xp_tag_value(uint64_t tag, uint64_t value); /* the new value that has this tag */
void xp_tag_looked(uint64_t tag, uint64_t what); /* the program saw this of the value */
void xp_tag_branch(uint64_t tag);                /* later stores wait for it, and for what picked it */
void xp_tag_drop(uint64_t tag);                  /* the value is gone */

#endif
