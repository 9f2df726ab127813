/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ring_sites.c - which site the ring in C stands at, in which order: prints the name of each call and the sites' numbers.
 *
 *   ring_sites EVENT_IDX     0 or 1
 *
 * The table of primitives names each site by its own number, and fences are printed instead of made.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fences.h"
#define amp_fence_real(primitive) ((void)printf(" %u", (unsigned)(primitive)))
#include "virtio/ring_driver.c"
#include "virtio/ring_device.c"

#define NUM 4u

static _Alignas(AMP_RING_LINES) uint8_t memory[4096];

int main(int argc, char **argv)
{
    struct amp_ring_config config = {
        .layout = {NUM, 0, 64, 66, 68, 76, 1024, 1026, 1028, 1060},
        .end = sizeof memory,
        .buffers = 2048,
        .buffers_end = sizeof memory,
        .how = AMP_RING_TABLE,
        .event_idx = argc > 1 && atoi(argv[1]),
    };
    struct amp_segment segments[NUM] = {{2048, 8}};
    uint32_t board = 0, head, written;
    struct amp_direct cpu = {.memory = memory, .board = &board, .shared_end = sizeof memory, .cpus = 2};
    uint8_t sites[AMP_SITES];
    struct amp_seat seat;
    struct amp_port port;
    struct amp_ring_driver driver;
    struct amp_ring_device device;
    struct amp_chain chain;

    for (unsigned site = 0; site < AMP_SITES; site++)
        sites[site] = (uint8_t)site;
    amp_port_direct(&port, &seat, &cpu);
    seat.sites = sites;
    seat.site_count = AMP_SITES_LIMIT - 1;
    if (amp_ring_driver_open(&driver, &port, &config) || amp_ring_device_open(&device, &port, &config))
        return 1;
#define CALL(name, call) \
    printf(name ":");    \
    (void)(call);        \
    printf("\n")
    CALL("add", (amp_ring_add(&driver, segments, 1, 0), amp_ring_publish(&driver), 0));
    CALL("kick_prepare", amp_ring_kick_prepare(&driver));
    CALL("kick notify", (amp_ring_kick(&driver, 1), 0));
    CALL("next_chain", (amp_ring_look_avail(&device), amp_ring_next(&device, segments, NUM, &chain)));
    CALL("device finish_reading", (amp_ring_finish_reading(&device), 0));
    CALL("push_used", (amp_ring_push(&device, chain.head, 0), amp_ring_complete(&device), 0));
    CALL("call_prepare", amp_ring_call_prepare(&device));
    CALL("call notify", (amp_ring_call(&device, 0), 0));
    CALL("enable_notifications", amp_ring_enable_notifications(&device));
    CALL("get_used", amp_ring_get_used(&driver, &head, &written));
    CALL("driver finish_reading", (amp_ring_finish_using(&driver), 0));
    CALL("enable_interrupts", amp_ring_enable_interrupts(&driver));
    amp_ring_driver_close(&driver);
    amp_ring_device_close(&device);
    return 0;
}
