/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * code_barrier.c - barriers of compiled code: as the compiler put them there, or what stands at their site instead; and the
 * drain of an outer cache, which is one with the barrier before it.
 */
#include <assert.h>

#include "code.h"

static int barrier(struct code_engine *e, unsigned primitive, unsigned site)
{
    int error;

    if (e->trying)
        return 0;
    code_place(e, CODE_AT_BARRIERS, e->pc, 0);
    do
        error = e->port->ops->barrier(e->port, primitive, site);
    while (code_again(e, &error));
    return error;
}

unsigned code_at_site(struct code_engine *e, unsigned site)
{
    const uint8_t *sites = e->port->seat->sites;

    assert(site < AMP_SITES_LIMIT);
    e->reached[site] = 1;
    return site && sites ? sites[site] : AMP_AS_BUILT;
}

int code_barrier(struct code_engine *e, unsigned primitive, unsigned site)
{
    unsigned standing = code_at_site(e, site);

    return barrier(e, standing == AMP_AS_BUILT ? primitive : standing, site);
}

int code_barrier_of(struct code_engine *e, const struct code_row *row)
{
    int error = code_barrier(e, row->load_by, row->site);

    if (!error && row->detail == CODE_HALVES && code_at_site(e, row->site) == AMP_AS_BUILT)
        return barrier(e, row->store_by, row->site);
    if (row->store_by && code_at_site(e, row->site) == AMP_AS_BUILT)
        e->settled = (struct code_settled){row->store_by, row->site};
    return error;
}

/* What has not arrived at the outer cache, a drain does not find there: without a barrier before it, it is worth nothing. */
int code_drain(struct code_engine *e)
{
    return e->settled.drained ? barrier(e, e->settled.drained, e->settled.site) : 0;
}
