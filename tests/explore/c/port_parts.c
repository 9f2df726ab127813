/* SPDX-License-Identifier: BSD-3-Clause */
/* Small parts in C, written against amp.h: for tests/explore/test_c_parts.py, which says what each pair must show. */
#include "amp.h"

#include <stdlib.h>

#define X 0x40
#define Y 0x80
#define Z 0xc0
#define PUBLISH 1
#define CONSUME 2
#define PART(name) void name(const struct amp_port *port, void *argument); void name(const struct amp_port *port, void *argument)

struct look {
    const struct amp_port *port;
    uint64_t address;
    uint32_t seen;
    unsigned looks;
};

static int is_there(void *state)
{
    const struct look *look = state;

    return amp_load_ctrl_u32(look->port, look->address) != look->seen;
}

static void await(const struct amp_port *port, uint64_t address)
{
    struct look look = {.port = port, .address = address};

    amp_poll(port, is_there, &look, sizeof look);
}

PART(publisher)
{
    (void)argument;
    amp_store_u32(port, X, 42);
    amp_barrier(port, PUBLISH);
    amp_store_u32(port, Y, 1);
}

PART(consumer)
{
    uint32_t value;

    (void)argument;
    await(port, Y);
    amp_barrier(port, CONSUME);
    value = amp_load_u32(port, X);
    if (value != 42)
        amp_fail(port, "data is %u", value);
}

/* The look of a poll loads the data, too, and is the one to complain. */
static int look_at_both(void *state)
{
    const struct amp_port *port = ((const struct look *)state)->port;
    uint32_t flag = amp_load_ctrl_u32(port, Y), data;

    if (!flag)
        return 0;
    amp_barrier(port, CONSUME);
    data = amp_load_u32(port, X);
    if (data != 42)
        amp_fail(port, "the look saw %u", data);
    return (int)data;
}

PART(looking_consumer)
{
    struct look look = {.port = port};

    (void)argument;
    if (amp_poll(port, look_at_both, &look, sizeof look) != 42)
        amp_fail(port, "the poll returned something else");
}

PART(releaser)
{
    (void)argument;
    amp_store_u64(port, X, 42);
    amp_store_release_u64(port, Y, 1);
}

PART(acquirer)
{
    (void)argument;
    if (amp_load_acquire_u64(port, Y) == 1 && amp_load_u64(port, X) != 42)
        amp_fail(port, "acquired too early");
}

PART(bulk_publisher)
{
    static const uint8_t bytes[11] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};

    (void)argument;
    amp_write(port, X + 3, bytes, sizeof bytes);
    amp_barrier(port, PUBLISH);
    amp_store_u32(port, Y, 1);
}

PART(bulk_consumer)
{
    uint8_t bytes[11];

    (void)argument;
    await(port, Y);
    amp_barrier(port, CONSUME);
    amp_read(port, X + 3, bytes, sizeof bytes);
    for (unsigned i = 0; i < sizeof bytes; i++)
        if (bytes[i] != i + 1)
            amp_fail(port, "some bytes are stale");
}

/* Load buffering: what each loads comes from the other's store behind the load. */
PART(plain_load_then_store)
{
    (void)argument;
    if (amp_load_u32(port, X) == 1)
        amp_store_u32(port, Z, 1);
    amp_store_u32(port, Y, 1);
}

PART(ctrl_load_then_store)
{
    (void)argument;
    if (amp_load_ctrl_u32(port, X) == 1)
        amp_store_u32(port, Z, 1);
    amp_store_u32(port, Y, 1);
}

PART(read_then_store)
{
    uint32_t value;

    (void)argument;
    amp_read(port, X, &value, sizeof value);
    if (value == 1)
        amp_store_u32(port, Z, 1);
    amp_store_u32(port, Y, 1);
}

PART(other_load_then_store)
{
    uint32_t value = amp_load_u32(port, Y);

    (void)argument;
    amp_fence(port, AMP_FENCE_MB);
    amp_store_u32(port, X, 1);
    amp_fence(port, AMP_FENCE_MB);
    if (value == 1 && amp_load_u32(port, Z) == 1)
        amp_fail(port, "both loads saw the other's store");
}

PART(pair_storer)
{
    (void)argument;
    amp_store_pair_u32(port, X + 4, UINT64_C(7) << 32 | 5); /* across two granules */
    amp_barrier(port, PUBLISH);
    amp_store_u8(port, Y, 1);
}

PART(pair_loader)
{
    (void)argument;
    await(port, Y);
    amp_barrier(port, CONSUME);
    if (amp_load_ctrl_pair_u32(port, X + 4) != (UINT64_C(7) << 32 | 5))
        amp_fail(port, "half a pair");
}

PART(adder)
{
    (void)argument;
    amp_fetch_add_u32(port, X, 3);
    amp_kick(port, 1);
}

PART(adding_waiter)
{
    uint32_t old = amp_fetch_add_u32(port, X, 4);

    (void)argument;
    if (old != 0 && old != 3)
        amp_fail(port, "added to %u", old);
    if (amp_wait(port, -1) != 0)
        amp_fail(port, "the wait did not end with the interrupt");
    amp_fence(port, AMP_FENCE_MB);
    if (amp_load_u32(port, X) != 7)
        amp_fail(port, "the sum is %u", amp_load_u32(port, X));
    if (amp_cmpxchg_u16(port, X, 7, 9) != 7 || amp_xchg_u16(port, X, 1) != 9)
        amp_fail(port, "an atomic returned something else");
}

PART(waiter)
{
    (void)argument;
    amp_wait(port, -1);
}

PART(impatient)
{
    (void)argument;
    amp_wait(port, 1000);
}

PART(nothing)
{
    (void)port;
    (void)argument;
}

static int count_looks(void *state)
{
    struct look *look = state;

    look->looks++;
    return amp_load_ctrl_u32(look->port, Y) != 0;
}

PART(counting_looks)
{
    struct look look = {.port = port};

    (void)argument;
    amp_poll(port, count_looks, &look, sizeof look);
}

static int count_and_load_twice(void *state)
{
    struct look *look = state;

    if (amp_load_ctrl_u32(look->port, Y) == 0)
        return 0;
    look->looks++; /* undone with the look, should the next load have nothing to return yet */
    return amp_load_ctrl_u32(look->port, Z) != 0 ? 1 : (look->looks--, 0);
}

PART(looking_twice)
{
    struct look look = {.port = port};

    (void)argument;
    amp_poll(port, count_and_load_twice, &look, sizeof look);
    if (look.looks != 1)
        amp_fail(port, "%u looks are counted", look.looks);
}

PART(two_storer)
{
    (void)argument;
    amp_store_u32(port, Y, 1);
    amp_store_u32(port, Z, 1);
}

static int store_in_look(void *state)
{
    amp_store_u32(((struct look *)state)->port, X, 1);
    return 1;
}

PART(storing_look)
{
    struct look look = {.port = port};

    (void)argument;
    amp_poll(port, store_in_look, &look, sizeof look);
}

PART(misaligned)
{
    (void)argument;
    amp_load_u32(port, X + 1);
}

PART(outside)
{
    (void)argument;
    amp_store_u64(port, 1 << 20, 1);
}

PART(no_such_site)
{
    (void)argument;
    amp_barrier(port, 1000);
}

PART(static_counter)
{
    static uint32_t runs;

    (void)argument;
    amp_store_u32(port, X + 4 * (runs++ % 4), 1);
}

PART(given)
{
    amp_store_u64(port, X, *(const uint64_t *)argument);
    if (amp_load_u64(port, X) != 4711)
        amp_fail(port, "the argument did not arrive");
}
