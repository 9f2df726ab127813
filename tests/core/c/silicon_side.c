/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One process of a run of silicon.c: `silicon_side ROLE FD [CPU [MESSAGES RING PAYLOAD PRIMITIVE BUDGET_NS]]`.
 *
 * FD is open shared memory; `init` sizes it. CPU is where to run, -1 for anywhere. Prints one JSON object. ROLE is
 * init, driver, device, or one that breaks the rules: lying-driver-*, lying-device-*, foreign-*, grown-config.
 * silicon.c is included, not linked, because only its own layout tells where to lie.
 */
#include "bench/silicon.c"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void *map_room(int fd, size_t *size)
{
    struct stat status;
    void *room;

    if (fstat(fd, &status))
        return NULL;
    *size = (size_t)status.st_size;
    room = mmap(NULL, *size ? *size : 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return room == MAP_FAILED ? NULL : room;
}

static int run_init(int fd, char **numbers)
{
    struct amp_silicon_config config = {
        .messages = strtoull(numbers[0], NULL, 0),
        .ring_size = (uint32_t)strtoul(numbers[1], NULL, 0),
        .payload_bytes = (uint32_t)strtoul(numbers[2], NULL, 0),
        .primitive = (uint32_t)strtoul(numbers[3], NULL, 0),
        .budget_ns = strtoull(numbers[4], NULL, 0),
    };
    size_t size = amp_silicon_room(&config);
    void *room;
    int error;

    if (ftruncate(fd, (off_t)(size ? size : LINE)) || !(room = map_room(fd, &size)))
        return 1;
    error = amp_silicon_init(room, size, &config);
    printf("{\"error\": %d, \"room\": %zu, \"too_small\": %d, \"misplaced\": %d}\n", -error,
           amp_silicon_room(&config), -amp_silicon_init(room, size - 1, &config),
           -amp_silicon_init((char *)room + 8, size - 8, &config));
    return error ? 0 : -amp_silicon_init(room, size, &config);
}

#if defined(__x86_64__)

static int lie(const char *role, void *room, size_t size)
{
    struct ring ring;

    if (open_ring(&ring, room, size))
        return 1;
    if (!strcmp(role, "lying-driver-idx")) {
        poke(&ring.header->avail_idx, ring.config.ring_size + 1);
    } else if (!strcmp(role, "lying-driver-entry")) {
        poke(&ring.avail_ring[0], ring.config.ring_size);
        poke(&ring.header->avail_idx, 1);
    } else if (!strcmp(role, "lying-driver-gives-up")) {
        poke(&ring.header->driver_role, GAVE_UP);
        return 0;
    } else if (!strcmp(role, "lying-device-idx")) {
        poke(&ring.header->used_idx, ring.config.ring_size + 1);
    } else if (!strcmp(role, "lying-device-entry")) {
        poke(&ring.used_ring[0], UINT32_MAX);
        poke(&ring.header->used_idx, 1);
    } else if (!strcmp(role, "lying-device-twice")) {
        poke(&ring.header->used_idx, 2); /* both entries still say 0 */
    } else if (!strcmp(role, "foreign-room")) {
        ring.header->magic ^= 1;
    } else if (!strcmp(role, "foreign-config")) {
        ring.header->config.ring_size = 3;
    } else if (!strcmp(role, "grown-config")) {
        ring.header->config.ring_size *= 2;
        return 0;
    } else {
        return 2;
    }
    poke(&ring.header->driver_role, RUNNING);
    poke(&ring.header->device_role, RUNNING);
    return 0;
}

#endif

int main(int argc, char **argv)
{
    struct amp_silicon_result out = {.messages = 0};
    int fd, cpu, error;
    size_t size;
    void *room;

    if (argc < 3)
        return 2;
    fd = atoi(argv[2]);
    cpu = argc > 3 ? atoi(argv[3]) : -1;
    if (!strcmp(argv[1], "init"))
        return argc == 9 ? run_init(fd, argv + 4) : 2;
    if (cpu >= 0) {
        cpu_set_t one;

        CPU_ZERO(&one);
        CPU_SET((size_t)cpu, &one);
        if (sched_setaffinity(0, sizeof one, &one))
            return 1;
    }
    if (!(room = map_room(fd, &size)))
        return 1;
    if (!strcmp(argv[1], "driver"))
        error = amp_silicon_driver(room, size);
    else if (!strcmp(argv[1], "device"))
        error = amp_silicon_device(room, size, &out);
    else
#if defined(__x86_64__)
        return lie(argv[1], room, size);
#else
        return 2;
#endif
    printf("{\"error\": %d, \"messages\": %llu, \"corrupted\": %llu, \"first_number\": %llu, \"first_word\": %llu, "
           "\"first_value\": %llu, \"first_expected\": %llu, \"elapsed_ns\": %llu}\n",
           -error, (unsigned long long)out.messages, (unsigned long long)out.corrupted,
           (unsigned long long)out.first_number, (unsigned long long)out.first_word,
           (unsigned long long)out.first_value, (unsigned long long)out.first_expected,
           (unsigned long long)out.elapsed_ns);
    return 0;
}
