/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * port_poll.c - see port_poll.h.
 */
#include "port_poll.h"

#include <errno.h>
#include <sched.h>

#define LOOKS_LIMIT 20000u  /* of the first round, and of the last */
#define ROUNDS_LIMIT 100000u /* only a run with a clock gets that far */
#define YIELD_EVERY 64u     /* looks; a power of two */
#define LISTEN_NS INT64_C(1000000)

int amp_poll_by_looking(const struct amp_port *port, int (*look)(void *state), void *state, size_t bytes, int *found)
{
    unsigned looks = LOOKS_LIMIT;
    int ended = 0;

    (void)bytes; /* a look in vain stays made */
    for (unsigned round = 0; round < ROUNDS_LIMIT; round++) {
        int error;

        for (unsigned number = 1; number <= looks; number++) {
            *found = look(state);
            if (*found)
                return 0;
            if (!(number & (YIELD_EVERY - 1)))
                sched_yield(); /* what we look for may be waiting for this very processor */
        }
        if (ended)
            return ended;
        error = port->ops->wait(port, LISTEN_NS);
        looks = YIELD_EVERY;
        if (error == 0) {
            port->seat->kept = true;
        } else if (error == -ESHUTDOWN) { /* what the others stored last may have come behind the last look: once more */
            ended = error;
            looks = LOOKS_LIMIT;
        } else if (error != -ETIMEDOUT) {
            return error;
        }
    }
    return -ETIME;
}
