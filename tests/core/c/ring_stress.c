/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ring_stress.c - the ring in C on its own, for the sanitizers.
 *
 *   ring_stress SEED STEPS   random operations of both sides, and random bytes written into the ring: nothing outside the
 *                            room is touched, and every refusal names a field
 *   ring_stress bench        two threads run the benchmark in every way there is; the digests must agree
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/ring_bench.h"

#define NUM 8u
#define ENTRIES 3u
#define CHECK(condition)                                                    \
    do {                                                                    \
        if (!(condition)) {                                                 \
            fprintf(stderr, "line %d: %s\n", __LINE__, #condition);         \
            exit(1);                                                        \
        }                                                                   \
    } while (0)

static uint64_t state;

static uint64_t chance(void) /* xorshift64 (Marsaglia 2003) */
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* A ring of `num` entries without any room to spare, then tables and buffers of `stride` bytes. */
static struct amp_ring_config lay_out(uint32_t num, uint64_t stride)
{
    uint64_t avail = 16 * num, used = (avail + 6 + 2 * num + 3) / 4 * 4, end = (used + 6 + 8 * num + 127) / 128 * 128;
    uint64_t tables = end + num * stride;

    return (struct amp_ring_config){
        .layout = {num, 0, avail, avail + 2, avail + 4, avail + 4 + 2 * num, used, used + 2, used + 4,
                   used + 4 + 8 * num},
        .end = tables + num * ENTRIES * AMP_DESC_BYTES,
        .buffers = end,
        .buffers_end = tables + num * ENTRIES * AMP_DESC_BYTES,
        .tables = tables,
        .how = AMP_RING_SMP,
    };
}

static void *room_of(uint64_t bytes)
{
    uint64_t whole = (bytes + AMP_RING_LINES - 1) / AMP_RING_LINES * AMP_RING_LINES;
    void *room = aligned_alloc(AMP_RING_LINES, whole);

    CHECK(room);
    return memset(room, 0, whole);
}

static void scribble(uint8_t *memory, const struct amp_ring_config *config)
{
    uint64_t at = chance() % config->buffers;

    memory[at] = chance() % 3 ? (uint8_t)(chance() % 20) : (uint8_t)chance();
}

static int stress(uint64_t seed, uint64_t steps)
{
    struct amp_ring_config config = lay_out(NUM, 64);
    struct amp_segment segments[NUM];
    struct amp_chain chain, held[NUM];
    struct amp_ring_driver driver;
    struct amp_ring_device device;
    uint32_t n_held = 0, head, written, board = 0;
    struct amp_direct cpu = {.board = &board, .cpus = 2};
    uint8_t sites[AMP_SITES];
    struct amp_seat seat;
    struct amp_port port;
    uint64_t refused = 0, taken = 0;
    uint8_t *memory;

    state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    config.event_idx = chance() & 1;
    config.fifo = chance() & 1;
    config.indirect = chance() & 1;
    config.table_entries = config.indirect ? ENTRIES : 0;
    config.how = chance() % AMP_RING_HOWS;
    memory = room_of(config.end);
    cpu.memory = memory;
    cpu.shared_end = config.end;
    amp_port_direct(&port, &seat, &cpu);
    for (unsigned site = 0; site < AMP_SITES; site++)
        sites[site] = (uint8_t)(chance() % AMP_FENCES);
    seat.sites = sites;
    seat.site_count = AMP_SITES_LIMIT - 1;
    CHECK(amp_ring_driver_open(&driver, &port, &config) == 0 && amp_ring_device_open(&device, &port, &config) == 0);
    for (uint64_t step = 0; step < steps; step++) {
        int error = 0;

        driver.fault.field = device.fault.field = NULL;
        switch (chance() % 10) {
        case 0:
        case 1:
            for (uint32_t i = 0; i < 3; i++)
                segments[i] = (struct amp_segment){config.buffers + chance() % 512, (uint32_t)(chance() % 64)};
            error = amp_ring_add(&driver, segments, (uint32_t)(chance() % 3), (uint32_t)(chance() % 2));
            CHECK(error >= 0 || error == -EINVAL || error == -ENOSPC);
            amp_ring_publish(&driver);
            break;
        case 2:
        case 3:
            error = n_held < NUM ? amp_ring_look_avail(&device) : 0;
            if (error > 0) {
                uint32_t room = (uint32_t)(chance() % (NUM + 1));
                struct amp_segment *exactly = malloc(room * sizeof *exactly + 1);

                error = amp_ring_next(&device, exactly, room, &chain);
                free(exactly);
                if (error == 0)
                    held[n_held++] = chain;
            }
            CHECK(error >= 0 || error == -EPROTO || error == -E2BIG);
            CHECK(error != -EPROTO || (device.fault.field && device.fault.limit[0]));
            break;
        case 4:
        case 5:
            if (n_held == 0)
                break;
            head = (uint32_t)(chance() % n_held);
            amp_ring_push(&device, held[head].head, 0);
            held[head] = held[--n_held];
            amp_ring_complete(&device);
            break;
        case 6:
            error = amp_ring_get_used(&driver, &head, &written);
            CHECK(error >= 0 || (error == -EPROTO && driver.fault.field && driver.fault.limit[0]));
            taken += error > 0;
            break;
        case 7:
            if (amp_ring_kick_prepare(&driver))
                amp_ring_kick(&driver, 1);
            if (amp_ring_call_prepare(&device))
                amp_ring_call(&device, 0);
            break;
        case 8:
            if (chance() & 1)
                amp_ring_disable_interrupts(&driver);
            amp_ring_enable_interrupts(&driver);
            amp_ring_disable_notifications(&device);
            amp_ring_enable_notifications(&device);
            break;
        default:
            if (step > steps / 2) /* the first half is honest */
                scribble(memory, &config);
        }
        CHECK(error != -EPROTO || step > steps / 2);
        refused += error == -EPROTO;
    }
    amp_ring_driver_close(&driver);
    amp_ring_device_close(&device);
    free(memory);
    CHECK(refused > 0 && taken > 0);
    printf("ok %llu refused\n", (unsigned long long)refused);
    return 0;
}

struct half {
    uint8_t *memory;
    uint64_t size;
    struct amp_ring_bench bench;
    struct amp_ring_bench_result out;
    int error;
};

static void *device_half(void *argument)
{
    struct half *half = argument;

    half->error = amp_ring_bench_device(half->memory, half->size, &half->bench, &half->out);
    return NULL;
}

static void run_bench(struct amp_ring_bench bench)
{
    uint64_t stride = amp_ring_bench_stride(bench.payload), size;
    struct amp_ring_config config = lay_out(16, stride);
    struct half driver = {.bench = bench}, device;
    pthread_t thread;

    config.event_idx = bench.ring.event_idx;
    config.indirect = bench.ring.indirect;
    config.table_entries = bench.ring.indirect ? ENTRIES : 0;
    config.how = bench.ring.how;
    config.fifo = true;
    config.rewrite = bench.ring.rewrite;
    driver.bench.ring = config;
    driver.bench.control = (config.end + 127) / 128 * 128;
    driver.bench.board = driver.bench.control + 2 * AMP_RING_LINES;
    driver.bench.budget_ns = UINT64_C(20000000000);
    driver.size = size = driver.bench.control + AMP_BENCH_CONTROL_BYTES;
    driver.memory = room_of(size);
    device = driver;
    for (uint32_t run = 1; run <= 2; run++) {
        driver.bench.run = device.bench.run = run;
        CHECK(pthread_create(&thread, NULL, device_half, &device) == 0);
        driver.error = amp_ring_bench_driver(driver.memory, size, &driver.bench, &driver.out);
        CHECK(pthread_join(thread, NULL) == 0);
        if (driver.error || device.error) {
            fprintf(stderr, "how %u, wait %u, outstanding %u: driver %d, device %d\n", bench.ring.how, bench.wait,
                    bench.outstanding, driver.error, device.error);
            exit(1);
        }
        CHECK(driver.out.messages == bench.messages && device.out.messages == bench.messages);
        CHECK(driver.out.delivered == device.out.delivered && driver.out.returned == device.out.returned);
        CHECK(device.out.corrupted == 0);
        if (bench.wait == AMP_BENCH_FILL)
            CHECK(device.out.notifications == (bench.messages + bench.outstanding - 1) / bench.outstanding);
    }
    free(driver.memory);
}

int main(int argc, char **argv)
{
    if (argc == 3)
        return stress(strtoull(argv[1], NULL, 10), strtoull(argv[2], NULL, 10));
    for (unsigned how = 0; how <= AMP_RING_BRANCH; how++)
        for (unsigned wait = 0; wait < AMP_BENCH_WAITS; wait++)
            for (unsigned bits = 0; bits < 16; bits++) {
                if (wait == AMP_BENCH_SLEEP && how < AMP_RING_SMP)
                    continue; /* without full barriers a notification may get lost: really */
                run_bench((struct amp_ring_bench){
                    .ring = {.how = how,
                             .event_idx = wait == AMP_BENCH_FILL || bits & 1,
                             .indirect = bits & 2,
                             .rewrite = bits & 1},
                    .messages = 60,
                    .outstanding = bits & 4 ? 16 : 1,
                    .batch = 4,
                    .payload = bits & 2 ? 100 : bits & 4 ? 0 : 13,
                    .wait = wait,
                    .checks = !(bits & 8),
                    .relax = true,
                });
            }
    puts("ok");
    return 0;
}
