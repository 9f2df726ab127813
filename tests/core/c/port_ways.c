/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * port_ways.c - one program in two processes, on the bare region or on the model: messages go to the other side and their
 * numbers come back, by a doorbell and by polling in turn.
 *
 *   port_ways direct MESSAGES PUBLISH CONSUME      the last two: a primitive's number (fences.h) for the two sites
 *   port_ways model MESSAGES PUBLISH CONSUME SEED
 *
 * Exit status 0, or 1 for a violation, which a line on stderr tells.
 */
#define _DEFAULT_SOURCE
#include "amp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define REGION (1u << 22)
#define BOARD 4096u
#define ROOM 8192u
#define PAYLOAD 256u /* four words; the number and its answer have lines of their own */
#define NUMBER 512u
#define ANSWER 1024u
#define PUBLISH 1
#define CONSUME 2

struct side {
    const struct amp_port *port;
    uint64_t messages, seen, address;
};

static int has_moved(void *state)
{
    const struct side *side = state;

    return amp_load_ctrl_u64(side->port, side->address) != side->seen;
}

/* Every other time by the doorbell, which may have rung for something else. */
static void await(struct side *side, uint64_t address, uint64_t seen)
{
    side->address = address;
    side->seen = seen;
    while (seen & 1 && !has_moved(side))
        if (amp_wait(side->port, -1) == -ESHUTDOWN)
            break;
    amp_poll(side->port, has_moved, side, sizeof *side);
}

static void publish(const struct amp_port *port, void *argument)
{
    struct side side = *(const struct side *)argument;

    side.port = port;
    for (uint64_t number = 1; number <= side.messages; number++) {
        const uint64_t words[4] = {number, 2 * number, 3 * number, 4 * number};

        amp_write(port, PAYLOAD, words, sizeof words);
        amp_barrier(port, PUBLISH);
        amp_store_u64(port, NUMBER, number);
        amp_fence(port, AMP_FENCE_MB);
        amp_kick(port, 1);
        await(&side, ANSWER, number - 1);
        amp_fence(port, AMP_FENCE_MB);
        if (amp_load_u64(port, ANSWER) != number)
            amp_fail(port, "another number came back");
    }
    amp_retire(port);
}

static void consume(const struct amp_port *port, void *argument)
{
    struct side side = *(const struct side *)argument;

    side.port = port;
    for (uint64_t number = 1; number <= side.messages; number++) {
        uint64_t words[4];

        await(&side, NUMBER, number - 1);
        amp_barrier(port, CONSUME);
        amp_read(port, PAYLOAD, words, sizeof words);
        for (unsigned i = 0; i < 4; i++)
            if (words[i] != (i + 1) * number)
                amp_fail(port, "message %u: word %u is of message %u", (unsigned)number, i,
                         (unsigned)(words[i] / (i + 1)));
        amp_fence(port, AMP_FENCE_MB);
        amp_store_u64(port, ANSWER, number);
        amp_fence(port, AMP_FENCE_MB);
        amp_kick(port, 0);
    }
    amp_retire(port);
}

static int run_side(const struct amp_port *port, unsigned id, uint64_t messages)
{
    struct side side = {.messages = messages};
    char text[AMP_TEXT_BYTES];
    int ended = amp_run(port, id ? consume : publish, &side, text);

    if (ended)
        fprintf(stderr, "CPU %u: %d: %s\n", id, ended, text);
    return ended == AMP_VIOLATED ? 1 : ended == 0 || ended == -EPIPE || ended == -ESHUTDOWN ? 0 : 4;
}

static int direct_side(uint8_t *region, unsigned id, uint64_t messages, const uint8_t *sites)
{
    struct amp_direct cpu = {.memory = region, .board = (uint32_t *)(region + BOARD), .shared_end = BOARD, .id = id,
                             .cpus = 2};
    struct amp_seat seat;
    struct amp_port port;

    amp_port_direct(&port, &seat, &cpu);
    seat.sites = sites;
    seat.site_count = AMP_SITES_LIMIT - 1;
    return run_side(&port, id, messages);
}

static int model_side(uint8_t *region, unsigned id, uint64_t messages, const uint8_t *sites)
{
    struct amp_cpu cpu;
    struct amp_seat seat;
    struct amp_port port;
    int status;

    if (amp_cpu_open(&cpu, region + ROOM, REGION - ROOM, region, id))
        return 4;
    amp_port_model(&port, &seat, &cpu);
    seat.sites = sites;
    seat.site_count = AMP_SITES_LIMIT - 1;
    status = run_side(&port, id, messages);
    if (status)
        amp_model_lost(region + ROOM, REGION - ROOM, id); /* the other side waits for nobody */
    return status;
}

static int make_model(uint8_t *region, uint64_t seed)
{
    static const uint8_t orders[AMP_PRIMITIVES] = {
        [AMP_FENCE_MB] = AMP_RR | AMP_RW | AMP_WR | AMP_WW | AMP_WD,
        [AMP_FENCE_RMB] = AMP_RR | AMP_RW,
        [AMP_FENCE_WMB] = AMP_WW | AMP_WD,
    };
    const struct amp_model_config config = {.cpus = 2, .mode = AMP_LOCKSTEP, .shared_end = BOARD, .store_depth = 32,
                                            .log_writes = 4096, .trace_events = 1024, .seed = seed};
    int error = amp_model_room(&config) > REGION - ROOM ? -ENOSPC : amp_model_init(region + ROOM, REGION - ROOM, &config);

    for (unsigned id = 0; id < 2 && !error; id++)
        error = amp_model_set_orders(region + ROOM, REGION - ROOM, id, 0, orders, sizeof orders);
    return error;
}

int main(int argc, char **argv)
{
    uint8_t *region = mmap(NULL, REGION, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int (*side)(uint8_t *region, unsigned id, uint64_t messages, const uint8_t *sites);
    uint8_t sites[AMP_SITES_LIMIT] = {0};
    int status, remote;
    pid_t child;

    if (argc < 5 || region == MAP_FAILED)
        return 2;
    side = strcmp(argv[1], "model") ? direct_side : model_side;
    sites[PUBLISH] = (uint8_t)atoi(argv[3]);
    sites[CONSUME] = (uint8_t)atoi(argv[4]);
    if (side == model_side && make_model(region, argc > 5 ? strtoull(argv[5], NULL, 0) : 1))
        return 4;
    child = fork();
    if (child < 0)
        return 4;
    if (child == 0)
        _exit(side(region, 1, strtoull(argv[2], NULL, 0), sites));
    status = side(region, 0, strtoull(argv[2], NULL, 0), sites);
    if (waitpid(child, &remote, 0) != child || !WIFEXITED(remote))
        return 4;
    return status ? status : WEXITSTATUS(remote);
}
