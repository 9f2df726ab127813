/* SPDX-License-Identifier: BSD-3-Clause */
/* Every loop of bench_barriers.c once: what it writes, what it leaves alone, what it refuses. Silent if all is well. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench_barriers.h"
#include "fences.h"

#define ROOM 4096u
#define UNTOUCHED 0xff
#define CHECK(what)                                                                                             \
    do {                                                                                                        \
        if (!(what)) {                                                                                          \
            printf("line %d: %s; primitive %u, before %u, lines %u\n", __LINE__, #what, c.primitive, c.before, c.lines); \
            return 1;                                                                                           \
        }                                                                                                       \
    } while (0)

static unsigned char *room;

static unsigned touched(void)
{
    unsigned count = 0;

    for (unsigned line = 0; line < ROOM / AMP_BENCH_LINE; line++)
        for (unsigned byte = 0; byte < AMP_BENCH_LINE; byte++)
            if (room[line * AMP_BENCH_LINE + byte] != UNTOUCHED) {
                count++;
                break;
            }
    return count;
}

static int check_one(struct amp_bench_barrier c, unsigned expected)
{
    struct amp_bench_time time = {0};
    int error;

    memset(room, UNTOUCHED, ROOM);
    error = amp_bench_barrier(room, ROOM, &c, &time);
    if (error == -ENOTSUP && c.before == AMP_BENCH_STREAM)
        return 0;
    CHECK(error == 0);
    CHECK(touched() == expected);
    CHECK(time.wall_ns > 0 && time.cpu_ns > 0);
    return 0;
}

static int check_refused(void)
{
    struct amp_bench_barrier good = {AMP_FENCE_MB, AMP_BENCH_NEAR, 1, 1}, c = good;
    struct amp_bench_time time;

    CHECK(amp_bench_barrier(room, ROOM, &c, &time) == 0);
    CHECK(amp_bench_barrier(room + 8, ROOM / 2, &c, &time) == -EINVAL);
    CHECK(amp_bench_barrier(room, ROOM - AMP_BENCH_LINE, &c, &time) == -EINVAL);
    CHECK(amp_bench_barrier(room, 0, &c, &time) == -EINVAL);
    c.primitive = AMP_FENCES;
    CHECK(amp_bench_barrier(room, ROOM, &c, &time) == -EINVAL);
    CHECK(!amp_bench_instruction(c.primitive));
    c = good, c.before = AMP_BENCH_STREAM + 1;
    CHECK(amp_bench_barrier(room, ROOM, &c, &time) == -EINVAL);
    c = good, c.lines = 0;
    CHECK(amp_bench_barrier(room, ROOM, &c, &time) == -EINVAL);
    c = good, c.lines = ROOM / AMP_BENCH_LINE + 1;
    CHECK(amp_bench_barrier(room, ROOM, &c, &time) == -EINVAL);
    c = good, c.before = AMP_BENCH_NOTHING;
    CHECK(amp_bench_barrier(room, ROOM, &c, &time) == -EINVAL);
    c = good, c.rounds = 0;
    CHECK(amp_bench_barrier(room, ROOM, &c, &time) == -EINVAL);
    return 0;
}

int main(void)
{
    const unsigned lines = ROOM / AMP_BENCH_LINE;
    int wrong = 0;

    room = aligned_alloc(AMP_BENCH_LINE, ROOM);
    if (!room)
        return 2;
    for (uint32_t primitive = 0; primitive < AMP_FENCES && !wrong; primitive++)
        wrong = check_one((struct amp_bench_barrier){primitive, AMP_BENCH_NOTHING, 0, 100}, 0) ||
                check_one((struct amp_bench_barrier){primitive, AMP_BENCH_NEAR, 5, 100}, 5) ||
                check_one((struct amp_bench_barrier){primitive, AMP_BENCH_FAR, 1, lines}, lines) ||
                check_one((struct amp_bench_barrier){primitive, AMP_BENCH_STREAM, lines / 2, 2}, lines);
    wrong = wrong || check_refused();
    free(room);
    return wrong;
}
