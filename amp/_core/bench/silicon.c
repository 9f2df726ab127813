/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * silicon.c - see silicon.h. The ring's rules, and who writes what:
 *
 *   driver   avail_ring[n & mask] = buffer, then avail_idx = n + 1; the payload of every buffer
 *   device   used_ring[n & mask] = buffer, then used_idx = n + 1
 *   each     its own `role` word, once at the start and once at the end
 *   init     everything else; nobody writes it later
 *
 * Indices run freely and wrap at 2^32. At most ring_size buffers are under way, so neither ring can overflow. The
 * barriers are the ring's usual sites; all but S1 need only the compiler kept in order, because x86 reorders neither
 * loads with loads, nor ordinary stores with each other, nor a load with a later store of either kind.
 */
#define _GNU_SOURCE
#include "silicon.h"

#include <errno.h>
#include <sched.h>
#include <stdalign.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "fences.h"

#define LINE 64u                              /* what the CPU's write-combining buffers hold, and its caches */
#define APART (2 * LINE)                      /* keeps two words out of one pair of prefetched lines */
#define MAGIC UINT64_C(0x314e434953504d41)    /* "AMPSICN1", little endian */
#define MESSAGES_MAX (UINT64_C(1) << 47)      /* a message's number shares a word with the word's own: 48 + 16 bits */
#define BUDGET_MAX_NS (UINT64_C(1) << 62)     /* added to a clock, it must not wrap */
#define NS_PER_S UINT64_C(1000000000)

enum role { ABSENT, RUNNING, DONE, GAVE_UP };

struct header {
    uint64_t magic;
    struct amp_silicon_config config;
    alignas(APART) _Atomic uint32_t driver_role;
    alignas(APART) _Atomic uint32_t device_role;
    alignas(APART) _Atomic uint32_t avail_idx;
    alignas(APART) _Atomic uint32_t used_idx;
};

/* Where the parts lie; process-local, made from a checked copy of the configuration. */
struct ring {
    struct amp_silicon_config config;
    uint32_t mask;
    size_t stride; /* from buffer to buffer: whole lines, so that no two share one */
    struct header *header;
    _Atomic uint32_t *avail_ring;
    _Atomic uint32_t *used_ring;
    unsigned char *buffers;
    size_t end;
};

static size_t round_up(size_t n, size_t unit)
{
    return (n + unit - 1) / unit * unit;
}

static bool config_is_valid(const struct amp_silicon_config *config)
{
    return config->messages >= 1 && config->messages <= MESSAGES_MAX && config->ring_size >= 1 &&
           config->ring_size <= AMP_SILICON_RING_MAX && (config->ring_size & (config->ring_size - 1)) == 0 &&
           config->payload_bytes >= 8 && config->payload_bytes <= AMP_SILICON_PAYLOAD_MAX &&
           config->payload_bytes % 8 == 0 && config->primitive < AMP_FENCES && config->budget_ns >= 1 &&
           config->budget_ns <= BUDGET_MAX_NS;
}

static void lay_out(struct ring *ring, void *room, const struct amp_silicon_config *config)
{
    size_t indices = round_up(config->ring_size * sizeof(uint32_t), APART);
    size_t avail_at = round_up(sizeof(struct header), APART);
    size_t used_at = avail_at + indices;
    size_t buffers_at = used_at + indices;
    size_t stride = round_up(config->payload_bytes, LINE);
    unsigned char *start = room;

    *ring = (struct ring){
        .config = *config,
        .mask = config->ring_size - 1,
        .stride = stride,
        .header = room,
        .end = buffers_at + config->ring_size * stride,
    };
    if (start) {
        ring->avail_ring = (_Atomic uint32_t *)(start + avail_at);
        ring->used_ring = (_Atomic uint32_t *)(start + used_at);
        ring->buffers = start + buffers_at;
    }
}

size_t amp_silicon_room(const struct amp_silicon_config *config)
{
    struct ring ring;

    if (!config_is_valid(config))
        return 0;
    lay_out(&ring, NULL, config);
    return ring.end;
}

#if defined(__x86_64__)

#include <emmintrin.h>

/*
 * Polls before a waiter gives way. The other side answers within a few dozen polls when it has a CPU of its own; on a
 * shared one every poll beyond that is wasted (64: 0.3 s for 200,000 messages on one CPU, 2,000: 5 s).
 */
#define POLLS_BEFORE_YIELD 64u
#define MESSAGES_PER_CLOCK 4096u /* a side that never waits looks at the clock so often */

int amp_silicon_init(void *room, size_t size, const struct amp_silicon_config *config)
{
    struct ring ring;

    if ((uintptr_t)room % LINE || !config_is_valid(config))
        return -EINVAL;
    lay_out(&ring, room, config);
    if (size < ring.end)
        return -ENOSPC;
    memset(room, 0, ring.end);
    ring.header->config = *config;
    ring.header->magic = MAGIC;
    return 0;
}

/* The configuration is copied before it is checked: the other process could change the shared one in between. */
static int open_ring(struct ring *ring, void *room, size_t size)
{
    const struct header *header = room;
    struct amp_silicon_config config;

    if ((uintptr_t)room % LINE)
        return -EINVAL;
    if (size < sizeof *header)
        return -ENOSPC;
    config = header->config;
    amp_fence_compiler();
    if (header->magic != MAGIC || !config_is_valid(&config))
        return -EPROTO;
    lay_out(ring, room, &config);
    return size < ring->end ? -ENOSPC : 0;
}

static uint32_t peek(const _Atomic uint32_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

static void poke(_Atomic uint32_t *word, uint32_t value)
{
    atomic_store_explicit(word, value, memory_order_relaxed);
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* What ends a wait that would otherwise have no end. */
struct patience {
    const _Atomic uint32_t *peer_role;
    uint64_t deadline_ns;
    uint32_t polls;
};

static int check_clock(const struct patience *patience)
{
    return now_ns() < patience->deadline_ns ? 0 : -ETIMEDOUT;
}

/* One turn of a polling loop: 0, or why to stop polling. */
static int poll_again(struct patience *patience)
{
    amp_cpu_relax();
    if (++patience->polls < POLLS_BEFORE_YIELD)
        return 0;
    patience->polls = 0;
    sched_yield();
    if (peek(patience->peer_role) == GAVE_UP)
        return -EPIPE;
    return check_clock(patience);
}

static int meet(_Atomic uint32_t *own_role, struct patience *patience)
{
    int error = 0;

    poke(own_role, RUNNING);
    while (!error && peek(patience->peer_role) == ABSENT)
        error = poll_again(patience);
    return error;
}

/* Waits until the peer's index has left `seen`. Returns by how much, at most the ring, or a negative errno. */
static int wait_for_index(const _Atomic uint32_t *index, uint32_t seen, uint32_t ring_size, struct patience *patience)
{
    uint32_t added = peek(index) - seen;

    patience->polls = 0;
    while (!added) {
        int error = poll_again(patience);

        if (error)
            return error;
        added = peek(index) - seen;
    }
    return added <= ring_size ? (int)added : -EPROTO;
}

static uint64_t word_of(uint64_t number, uint32_t word)
{
    return (number + 1) << 16 | word;
}

/* ---- the driver ---- */

struct driver {
    struct ring ring;
    struct patience patience;
    uint32_t handed_back;                            /* used entries taken */
    int ready;                                       /* used entries known to be there */
    uint64_t lent[(AMP_SILICON_RING_MAX + 63) / 64]; /* one bit per buffer that the device owns */
};

static void write_payload(const struct ring *ring, uint32_t buffer, uint64_t number)
{
    long long *words = (long long *)(ring->buffers + buffer * ring->stride);

    for (uint32_t word = 0; word < ring->config.payload_bytes / 8; word++)
        _mm_stream_si64(&words[word], (long long)word_of(number, word));
}

static void announce(const struct ring *ring, uint32_t buffer, uint64_t number)
{
    /* S1, first part, the barrier under test: the device must not see the announcement before the payload. Pairs with
     * S2. Only sfence (or stronger) holds movnti back; a compiler barrier leaves it in the write-combining buffer. */
    amp_fence_real(ring->config.primitive);
    poke(&ring->avail_ring[number & ring->mask], buffer);
    /* S1, second part: ring entry before index, for the device. Pairs with S2. Ordinary stores: x86 keeps them. */
    amp_fence_smp_wmb();
    poke(&ring->header->avail_idx, (uint32_t)(number + 1));
}

/* Takes one buffer back: its number, or a negative errno. */
static int take_back(struct driver *driver)
{
    const struct ring *ring = &driver->ring;
    uint32_t buffer;
    uint64_t bit;

    if (driver->ready == 0) {
        driver->ready = wait_for_index(&ring->header->used_idx, driver->handed_back, ring->config.ring_size,
                                       &driver->patience);
        if (driver->ready < 0)
            return driver->ready;
        /* S4: the index before the entry it announces, and before the buffer is written again. Pairs with S3 and B1.
         * x86 keeps loads with loads, and a load with a later store, also a non-temporal one. */
        amp_fence_load_acquire();
    }
    buffer = peek(&ring->used_ring[driver->handed_back & ring->mask]);
    if (buffer > ring->mask)
        return -EPROTO;
    bit = UINT64_C(1) << buffer % 64;
    if (!(driver->lent[buffer / 64] & bit))
        return -EPROTO; /* handed back twice */
    driver->lent[buffer / 64] &= ~bit;
    driver->handed_back++;
    driver->ready--;
    return (int)buffer;
}

static int send_all(struct driver *driver)
{
    const struct amp_silicon_config *config = &driver->ring.config;

    for (uint64_t number = 0; number < config->messages; number++) {
        int buffer = number < config->ring_size ? (int)number : take_back(driver);

        if (buffer < 0)
            return buffer;
        driver->lent[buffer / 64] |= UINT64_C(1) << buffer % 64;
        write_payload(&driver->ring, (uint32_t)buffer, number);
        announce(&driver->ring, (uint32_t)buffer, number);
        if (number % MESSAGES_PER_CLOCK == 0 && check_clock(&driver->patience))
            return -ETIMEDOUT;
    }
    while (driver->handed_back != (uint32_t)config->messages) {
        int buffer = take_back(driver);

        if (buffer < 0)
            return buffer;
    }
    return 0;
}

int amp_silicon_driver(void *room, size_t size)
{
    struct driver driver = {.ready = 0};
    int error = open_ring(&driver.ring, room, size);

    if (error)
        return error;
    driver.patience = (struct patience){
        .peer_role = &driver.ring.header->device_role,
        .deadline_ns = now_ns() + driver.ring.config.budget_ns,
    };
    error = meet(&driver.ring.header->driver_role, &driver.patience);
    if (!error)
        error = send_all(&driver);
    poke(&driver.ring.header->driver_role, error ? GAVE_UP : DONE);
    return error;
}

/* ---- the device ---- */

static void check_payload(const struct ring *ring, uint32_t buffer, struct amp_silicon_result *out)
{
    const volatile uint64_t *words = (const volatile uint64_t *)(ring->buffers + buffer * ring->stride);
    bool wrong = false;

    /* Every word is read, also after a wrong one: what a device does with a payload, and the time it takes. */
    for (uint32_t word = 0; word < ring->config.payload_bytes / 8; word++) {
        uint64_t expected = word_of(out->messages, word);
        uint64_t value = words[word];

        if (value == expected)
            continue;
        if (!wrong && out->corrupted == 0) {
            out->first_number = out->messages;
            out->first_word = word;
            out->first_value = value;
            out->first_expected = expected;
        }
        wrong = true;
    }
    out->messages++;
    out->corrupted += wrong;
}

static void hand_back(const struct ring *ring, uint32_t buffer, uint32_t used)
{
    /* B1: the payload is read before it is given away, or the driver overwrites it meanwhile. Pairs with S4. A load
     * and a later store: x86 keeps them. */
    amp_fence_store_release();
    poke(&ring->used_ring[used & ring->mask], buffer);
    /* S3: ring entry before index, for the driver. Pairs with S4. */
    amp_fence_smp_wmb();
    poke(&ring->header->used_idx, used + 1);
}

static int receive_all(const struct ring *ring, struct patience *patience, struct amp_silicon_result *out)
{
    int ready = 0;

    while (out->messages < ring->config.messages) {
        uint32_t used = (uint32_t)out->messages;
        uint32_t buffer;

        if (ready == 0) {
            ready = wait_for_index(&ring->header->avail_idx, used, ring->config.ring_size, patience);
            if (ready < 0)
                return ready;
            /* S2: the index before the entry and the payload it announces. Pairs with S1. */
            amp_fence_smp_rmb();
        }
        buffer = peek(&ring->avail_ring[used & ring->mask]);
        if (buffer > ring->mask)
            return -EPROTO;
        check_payload(ring, buffer, out);
        hand_back(ring, buffer, used);
        ready--;
        if (used % MESSAGES_PER_CLOCK == 0 && check_clock(patience))
            return -ETIMEDOUT;
    }
    return 0;
}

int amp_silicon_device(void *room, size_t size, struct amp_silicon_result *out)
{
    struct ring ring;
    struct patience patience;
    uint64_t start_ns;
    int error;

    *out = (struct amp_silicon_result){.messages = 0};
    error = open_ring(&ring, room, size);
    if (error)
        return error;
    start_ns = now_ns();
    patience = (struct patience){
        .peer_role = &ring.header->driver_role,
        .deadline_ns = start_ns + ring.config.budget_ns,
    };
    error = meet(&ring.header->device_role, &patience);
    if (!error) {
        start_ns = now_ns();
        error = receive_all(&ring, &patience, out);
        out->elapsed_ns = now_ns() - start_ns;
    }
    poke(&ring.header->device_role, error ? GAVE_UP : DONE);
    return error;
}

#else /* movnti and its rules are x86's own */

int amp_silicon_init(void *room, size_t size, const struct amp_silicon_config *config)
{
    (void)room, (void)size, (void)config;
    return -ENOTSUP;
}

int amp_silicon_driver(void *room, size_t size)
{
    (void)room, (void)size;
    return -ENOTSUP;
}

int amp_silicon_device(void *room, size_t size, struct amp_silicon_result *out)
{
    (void)room, (void)size;
    *out = (struct amp_silicon_result){.messages = 0};
    return -ENOTSUP;
}

#endif
