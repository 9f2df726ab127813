/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * chance.c - the random chooser. In free mode every CPU draws from its own generator; in lockstep there is one, so a seed
 * is a run.
 */
#include <assert.h>

#include "model.h"

/* splitmix64 (Steele, Lea, Flood 2014): any seed is a good one. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

uint32_t amp_random(uint64_t *state, uint32_t n)
{
    return (uint32_t)((next_random(state) >> 32) * n >> 32);
}

/*
 * The random chooser. How long stores stay behind and how often loads are stale is drawn once per run: a bug that needs
 * long delays and one that needs short ones are then both met soon (swarm testing: Groce et al., ISSTA 2012). It is only
 * a matter of how soon; every run can show every behaviour.
 */
uint32_t amp_choose_at_random(struct amp_cpu *cpu, uint32_t n, enum amp_question question)
{
    struct amp_model *m = cpu->model;
    uint64_t *state = m->config.mode == AMP_LOCKSTEP ? &m->random : &m->cpu[cpu->id].random;

    assert(n > 0);
    switch (question) {
    case AMP_WHICH_WRITE:
        return amp_random(state, m->stale_one_in) == 0 ? amp_random(state, n) : 0;
    case AMP_WHICH_STORE:
        return amp_random(state, m->newest_one_in) == 0 ? n - 1 : amp_random(state, n);
    case AMP_DRAIN_NOW:
        return amp_random(state, m->drain_one_in) == 0 ? 0 : n - 1;
    case AMP_PERFORM_NOW:
        return amp_random(state, m->perform_one_in) == 0 ? 0 : n - 1;
    case AMP_WHOSE_TURN:
        return amp_random(state, m->switch_one_in) == 0 ? amp_random(state, n) : 0;
    default:
        return amp_random(state, n);
    }
}

void amp_draw_temper(struct amp_model *m, uint64_t seed)
{
    uint64_t state = ~seed;

    m->drain_one_in = 2u << amp_random(&state, 3); /* 2, 4, 8 */
    m->newest_one_in = 2u << amp_random(&state, 3);
    m->stale_one_in = 2u << amp_random(&state, 3);
    m->perform_one_in = 2u << 2 * amp_random(&state, 3); /* 2, 8, 32 */
    m->switch_one_in = 1u << 2 * amp_random(&state, 3);  /* 1, 4, 16 */
}
