/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * states.c - the states that runs have been in, by their keys: a table with open addressing.
 */
#include <errno.h>
#include <stdlib.h>

#include "explore.h"

static struct xp_state *slot(struct xp_state *table, uint64_t room, const uint64_t key[2])
{
    uint64_t at = key[1] & (room - 1);

    while (table[at].key[0] && (table[at].key[0] != key[0] || table[at].key[1] != key[1]))
        at = (at + 1) & (room - 1);
    return &table[at];
}

struct xp_state *xp_find_state(struct explorer *x, const uint64_t key[2])
{
    struct xp_state *found = x->visited_room ? slot(x->visited, x->visited_room, key) : NULL;

    return found && found->key[0] ? found : NULL;
}

static int grow(struct explorer *x)
{
    uint64_t room = x->visited_room ? 2 * x->visited_room : 1024;
    struct xp_state *table = calloc(room, sizeof *table);

    if (!table)
        return -ENOMEM;
    for (uint64_t i = 0; i < x->visited_room; i++)
        if (x->visited[i].key[0])
            *slot(table, room, x->visited[i].key) = x->visited[i];
    free(x->visited);
    x->visited = table;
    x->visited_room = room;
    return 0;
}

int xp_add_state(struct explorer *x, const uint64_t key[2])
{
    struct xp_state *place;

    if (2 * x->states >= x->visited_room && grow(x))
        return -ENOMEM;
    place = slot(x->visited, x->visited_room, key);
    *place = (struct xp_state){.key = {key[0], key[1]}};
    x->states++;
    return 0;
}

void xp_forget_states(struct explorer *x)
{
    free(x->visited);
    x->visited = NULL;
    x->visited_room = x->states = 0;
}
