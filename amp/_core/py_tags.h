/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * py_tags.h - the values an explored program holds: which loads they come from, and that they are there. One exploration
 * at a time has them.
 */
#ifndef AMP_PY_TAGS_H
#define AMP_PY_TAGS_H

#include "explore.h"
#include "py_explore.h"

void py_tags_begin(struct explorer *x); /* a run begins: values of earlier ones mean nothing any more */
void py_tags_end(void);
uint64_t py_tag_of(unsigned cpu, xp_event_id event); /* of a value just read; 0 if there is no room */
const struct xp_set *py_tag_depends(uint64_t time);   /* NULL: depends on nothing */
void py_tags_forget_events(unsigned cpu, unsigned from); /* a look was undone: its loads, numbered from there, are gone */
unsigned py_tags_live(struct explorer *x, struct xp_live *list, unsigned room);

#endif
