/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "model.h"

/* A running digest, so that two runs can be compared beyond what the trace still keeps. Not against an adversary. */
static uint64_t mix(uint64_t digest, uint64_t word)
{
    digest = (digest ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return digest ^ digest >> 29;
}

uint64_t amp_trace(struct amp_model *m, struct amp_event event)
{
    struct amp_event *ring = (struct amp_event *)((uint8_t *)m + m->trace_offset);
    uint64_t words[sizeof event / sizeof(uint64_t)];

    _Static_assert(sizeof event == 40, "the trace's format: five words");
    memcpy(words, &event, sizeof event);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        m->digest = mix(m->digest, words[i]);
    ring[m->events & (m->config.trace_events - 1)] = event;
    return ++m->events;
}
