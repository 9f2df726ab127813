/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "model.h"

/* A running digest, so that two runs can be compared beyond what the trace still keeps. Not against an adversary. */
static uint64_t mix(uint64_t digest, uint64_t word)
{
    digest = (digest ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return digest ^ digest >> 29;
}

uint64_t amp_trace_words(struct amp_model *m, const uint64_t words[AMP_EVENT_WORDS])
{
    struct amp_event *ring = (struct amp_event *)((uint8_t *)m + m->trace_offset);
    uint64_t digest = m->digest;

#pragma GCC unroll 5 /* AMP_EVENT_WORDS: every access waits for it */
    for (size_t i = 0; i < AMP_EVENT_WORDS; i++)
        digest = mix(digest, words[i]);
    m->digest = digest;
    memcpy(&ring[m->events & (m->config.trace_events - 1)], words, sizeof *ring);
    return ++m->events;
}
