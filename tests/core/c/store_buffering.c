/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The SB litmus test on this CPU: `store_buffering PRIMITIVE ROUNDS CPU CPU` prints in how many rounds both threads
 * stored, passed the fence, and still read the other's old value. Each round uses new values instead of clearing.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "fences.h"

static alignas(128) _Atomic uint32_t place[2][32]; /* what the test is about: place[0][0] and place[1][0] */
static alignas(128) _Atomic uint32_t arrived;
static uint32_t rounds;
static unsigned primitive;
static int cpus[2];
static uint32_t *seen[2];

static void meet(uint32_t goal)
{
    atomic_fetch_add(&arrived, 1);
    for (unsigned polls = 1; atomic_load_explicit(&arrived, memory_order_relaxed) < goal; polls++) {
        amp_cpu_relax();
        if (polls % 64 == 0)
            sched_yield();
    }
}

static void *side(void *argument)
{
    uintptr_t me = (uintptr_t)argument;
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET((size_t)cpus[me], &one);
    if (pthread_setaffinity_np(pthread_self(), sizeof one, &one))
        exit(1);
    for (uint32_t round = 1; round <= rounds; round++) {
        meet(2 * round);
        atomic_store_explicit(&place[me][0], round, memory_order_relaxed);
        amp_fence_real(primitive);
        seen[me][round - 1] = atomic_load_explicit(&place[1 - me][0], memory_order_relaxed);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[2];
    uint32_t both_old = 0;

    if (argc != 5)
        return 2;
    primitive = (unsigned)atoi(argv[1]);
    rounds = (uint32_t)atoi(argv[2]);
    for (uintptr_t n = 0; n < 2; n++) {
        cpus[n] = atoi(argv[3 + n]);
        seen[n] = calloc(rounds, sizeof *seen[n]);
        if (!seen[n])
            return 1;
    }
    for (uintptr_t n = 0; n < 2; n++)
        if (pthread_create(&threads[n], NULL, side, (void *)n))
            return 1;
    for (int n = 0; n < 2; n++)
        pthread_join(threads[n], NULL);
    for (uint32_t round = 1; round <= rounds; round++)
        both_old += seen[0][round - 1] < round && seen[1][round - 1] < round;
    printf("%u\n", both_old);
    free(seen[0]);
    free(seen[1]);
    return 0;
}
