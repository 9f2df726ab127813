/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tags.c - see tags.h. A tag is XP_TAGGED, the number of its run, and a place in the table.
 */
#include "tags.h"

#include <errno.h>
#include <string.h>

#define PLACES 1024 /* values that a program holds at once; more end the exploration */
#define NONE UINT16_MAX

struct place {
    struct xp_set depends, picks; /* picks: only if `picked` */
    bool picked;
    xp_event_id event;
    uint64_t what; /* the value and how-manieth it was: what names it among the live ones */
    uint32_t made;
    uint16_t before, after; /* live ones of the same CPU, oldest first; `after` also chains the free ones */
    uint8_t cpu;
    bool live;
};

static struct {
    struct explorer *x;
    uint32_t run;
    uint16_t free, used; /* used: how many places this run has had; the others are as an earlier one left them */
    uint16_t first[AMP_CPUS], last[AMP_CPUS];
    struct place place[PLACES];
} tags;

void xp_tags_begin(struct explorer *x)
{
    tags.x = x;
    tags.run = (tags.run + 1) & 0x7fffffff;
    tags.free = NONE;
    tags.used = 0;
    memset(tags.first, 0xff, sizeof tags.first);
    memset(tags.last, 0xff, sizeof tags.last);
}

void xp_tags_end(void)
{
    tags.x = NULL;
    tags.run++;
}

static struct place *place_of(uint64_t tag)
{
    struct place *place = &tags.place[tag & 0xffff];

    if (!(tag & XP_TAGGED) || !tags.x || (tag >> 32 & 0x7fffffff) != tags.run || !place->live)
        return NULL;
    return place;
}

/* The place of a value that the program uses. One of another run, or of another CPU, came to it by a way that is no access
 * to the shared memory: nothing can be said of such a program. */
static struct place *used_place(uint64_t tag)
{
    struct place *place = place_of(tag);

    if (!(tag & XP_TAGGED) || !tags.x || tags.x->over)
        return place;
    if (!place || place->cpu != tags.x->current) {
        tags.x->error = place ? -EXDEV : -ESTALE;
        tags.x->over = true;
    }
    return place;
}

static uint64_t new_tag(unsigned cpu)
{
    uint16_t number = tags.free;
    struct place *place;

    if (!tags.x)
        return 0;
    if (number == NONE && tags.used < PLACES)
        number = tags.used++;
    else if (number != NONE)
        tags.free = tags.place[number].after;
    if (number == NONE) {
        tags.x->error = -E2BIG;
        tags.x->over = true;
        return 0;
    }
    place = &tags.place[number];
    *place = (struct place){.cpu = (uint8_t)cpu, .live = true, .before = tags.last[cpu], .after = NONE};
    place->made = tags.x->cpu[cpu].made++;
    if (tags.last[cpu] == NONE)
        tags.first[cpu] = number;
    else
        tags.place[tags.last[cpu]].after = number;
    tags.last[cpu] = number;
    return XP_TAGGED | (uint64_t)tags.run << 32 | number;
}

uint64_t xp_tag_of(unsigned cpu, xp_event_id event)
{
    uint64_t tag = new_tag(cpu);

    if (tag)
        xp_put(&place_of(tag)->depends, event);
    if (tag)
        place_of(tag)->event = event;
    return tag;
}

uint64_t xp_tag_join(uint64_t a, uint64_t b)
{
    const struct place *x = used_place(a), *y = used_place(b);
    struct place *place;
    uint64_t tag;

    if (!x && !y)
        return 0;
    tag = new_tag(x ? x->cpu : y->cpu);
    place = place_of(tag);
    for (unsigned i = 0; place && i < XP_WORDS; i++)
        place->depends.bit[i] = (x ? x->depends.bit[i] : 0) | (y ? y->depends.bit[i] : 0);
    for (unsigned i = 0; place && i < XP_WORDS; i++)
        place->picks.bit[i] = (x && x->picked ? x->picks.bit[i] : 0) | (y && y->picked ? y->picks.bit[i] : 0);
    if (place)
        place->picked = (x && x->picked) || (y && y->picked);
    return tag;
}

const struct xp_set *xp_tag_picks(uint64_t tag)
{
    const struct place *place = used_place(tag);

    return place && place->picked ? &place->picks : NULL;
}

struct xp_set *xp_tag_add_picks(uint64_t tag)
{
    struct place *place = used_place(tag);

    if (place)
        place->picked = true;
    return place ? &place->picks : NULL;
}

xp_event_id xp_tag_event(uint64_t tag)
{
    const struct place *place = used_place(tag);

    return place ? place->event : 0;
}

void xp_tag_branch(uint64_t tag)
{
    struct place *place = used_place(tag);

    if (!place)
        return;
    xp_add_control(&tags.x->graph, place->cpu, &place->depends);
    if (place->picked)
        xp_add_control(&tags.x->graph, place->cpu, &place->picks);
}

void xp_tag_value(uint64_t tag, uint64_t value)
{
    struct place *place = place_of(tag);

    if (place)
        place->what = xp_mix(value, place->made);
}

void xp_tag_looked(uint64_t tag, uint64_t what)
{
    struct place *place = used_place(tag);

    if (!place)
        return;
    xp_add_control(&tags.x->graph, place->cpu, &place->depends);
    /* With the number of values made so far: together they tell what each operation did, a new value or a look. */
    xp_log(tags.x, place->cpu, xp_mix(what, tags.x->cpu[place->cpu].made));
}

void xp_tag_drop(uint64_t tag)
{
    struct place *place = place_of(tag);
    uint16_t number = (uint16_t)(tag & 0xffff);

    if (!place)
        return;
    if (place->before == NONE)
        tags.first[place->cpu] = place->after;
    else
        tags.place[place->before].after = place->after;
    if (place->after == NONE)
        tags.last[place->cpu] = place->before;
    else
        tags.place[place->after].before = place->before;
    place->live = false;
    place->after = tags.free;
    tags.free = number;
}

const struct xp_set *xp_tag_depends(uint64_t tag)
{
    const struct place *place = used_place(tag);

    return place ? &place->depends : NULL;
}

static void cut(struct xp_set *set, unsigned from)
{
    set->bit[from >> 6] &= (UINT64_C(1) << (from & 63)) - 1;
    for (unsigned word = (from >> 6) + 1; word < XP_WORDS; word++)
        set->bit[word] = 0;
}

void xp_tags_forget_events(unsigned cpu, unsigned from)
{
    for (uint16_t i = from < XP_EVENTS ? tags.first[cpu] : NONE; i != NONE; i = tags.place[i].after) {
        cut(&tags.place[i].depends, from);
        cut(&tags.place[i].picks, from);
    }
}

unsigned xp_tags_live(struct explorer *x, struct xp_live *list, unsigned room)
{
    unsigned n = 0;

    for (unsigned cpu = 0; cpu < x->graph.cpus; cpu++)
        for (uint16_t i = tags.first[cpu]; i != NONE; i = tags.place[i].after, n++) {
            const struct place *place = &tags.place[i];

            if (n < room)
                list[n] = (struct xp_live){place->what, cpu, &place->depends};
            if (place->picked && ++n < room)
                list[n] = (struct xp_live){~place->what, cpu, &place->picks};
        }
    return n;
}
