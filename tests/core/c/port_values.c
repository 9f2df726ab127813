/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * port_values.c - every access of amp.h once, on the bare region: prints what each returned, and the memory in the end. Compiled
 * with AMP_PORT_DIRECT and without it must be the same.
 */
#include "amp.h"

#include <inttypes.h>
#include <stdio.h>

static _Alignas(8) uint8_t memory[256];
static uint32_t board;

#define SHOW(call) printf(#call " = %" PRIu64 "\n", (uint64_t)(call))

#define EACH(bits, at)                                        \
    amp_store_u##bits(port, at, (uint##bits##_t)0x8182838485868788); \
    SHOW(amp_load_u##bits(port, at));                         \
    SHOW(amp_load_ctrl_u##bits(port, at));                    \
    amp_store_release_u##bits(port, at, 5);                   \
    SHOW(amp_load_acquire_u##bits(port, at));                 \
    SHOW(amp_xchg_u##bits(port, at, 250));                    \
    SHOW(amp_fetch_add_u##bits(port, at, 7));                 \
    SHOW(amp_cmpxchg_u##bits(port, at, 1, 77));               \
    SHOW(amp_cmpxchg_u##bits(port, at, (uint##bits##_t)257, 78)); \
    SHOW(amp_load_u##bits(port, at))

static void part(const struct amp_port *port, void *argument)
{
    uint8_t bytes[13];

    (void)argument;
    EACH(8, 3);
    EACH(16, 6);
    EACH(32, 12);
    EACH(64, 16);
    amp_store_pair_u32(port, 36, UINT64_C(0x1112131421222324));
    SHOW(amp_load_ctrl_pair_u32(port, 36));
    SHOW(amp_load_u32(port, 36));
    amp_write(port, 49, "thirteen byte", 13);
    amp_read(port, 47, bytes, 13);
    for (unsigned i = 0; i < sizeof bytes; i++)
        SHOW(bytes[i]);
    for (unsigned primitive = 0; primitive < AMP_FENCES; primitive++)
        amp_fence(port, primitive);
    for (unsigned site = 1; site < 4; site++)
        amp_barrier(port, site);
    amp_kick(port, 0);
    SHOW(amp_wait(port, 0));
    SHOW(amp_wait(port, 0) == -110);
}

int main(void)
{
    static const uint8_t sites[AMP_SITES_LIMIT] = {[1] = AMP_FENCE_WMB, [2] = AMP_FENCE_COMPILER};
    struct amp_direct cpu = {.memory = memory, .board = &board, .shared_end = sizeof memory, .cpus = 2};
    struct amp_seat seat;
    struct amp_port port;
    int error;

    amp_port_direct(&port, &seat, &cpu);
    seat.sites = sites;
    seat.site_count = AMP_SITES_LIMIT - 1;
    error = amp_run(&port, part, NULL, NULL);
    for (unsigned i = 0; i < 64; i++)
        printf("%02x%s", memory[i], i % 16 == 15 ? "\n" : " ");
    return error;
}
