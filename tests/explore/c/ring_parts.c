/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ring_parts.c - the two sides of one vring, by the ring in C through any port: hostside.scenarios.Driver and
 * remoteside.scenarios.Device once more, the same accesses in the same order. For tests/explore/test_c_ring.py.
 */
#define AMP_RING_PORTED
#include "virtio/ring.h"

#include <errno.h>

#define SIZE_LIMIT 8 /* entries */
#define TABLE_ENTRIES 2
#define HOST 0
#define REMOTE 1

struct job {
    uint64_t num, desc, avail_flags, avail_idx, avail_ring, used_event, used_flags, used_idx, used_ring, avail_event;
    uint64_t start, end, buffers, buffers_end, tables; /* tables: 0: every message is a request or a reply, by turns */
    uint64_t messages, notified, event_idx;
};

void drive(const struct amp_port *port, void *argument);
void serve(const struct amp_port *port, void *argument);

static struct amp_ring_config config_of(const struct job *job)
{
    return (struct amp_ring_config){
        .layout = {(uint32_t)job->num, job->desc, job->avail_flags, job->avail_idx, job->avail_ring, job->used_event,
                   job->used_flags, job->used_idx, job->used_ring, job->avail_event},
        .start = job->start,
        .end = job->end,
        .buffers = job->buffers,
        .buffers_end = job->buffers_end,
        .tables = job->tables,
        .table_entries = job->tables ? TABLE_ENTRIES : 0,
        .how = AMP_RING_TABLE,
        .event_idx = job->event_idx,
        .rewrite = true,
        .indirect = job->tables != 0,
    };
}

static void open_with(const struct amp_port *port, int error)
{
    if (error)
        amp_give_up(port, error, "the ring cannot be of these sizes");
}

/* Of message `number`, in the buffer at `address`: how many segments the device reads, and how many it writes. */
static struct amp_chain shape_of(const struct job *job, uint64_t number)
{
    bool reply = number % 2 == 1;

    return (struct amp_chain){.readable = job->tables || !reply, .writable = job->tables || reply};
}

static uint64_t buffer_at(const struct job *job, uint64_t buffer)
{
    return job->buffers + (job->tables ? 16 : 8) * buffer;
}

static void write_stamp(const struct amp_port *port, uint64_t address, uint64_t number)
{
    uint64_t stamp = (number + 1) * UINT64_C(0x0001000100010001);

    amp_write(port, address, &stamp, sizeof stamp);
}

static void check_stamp(const struct amp_port *port, uint64_t found, uint64_t number)
{
    if (found != (number + 1) * UINT64_C(0x0001000100010001))
        amp_fail(port, "message %u holds %#llx", (unsigned)number, (unsigned long long)found);
}

static _Noreturn void bad_ring(const struct amp_port *port, const struct amp_ring_fault *fault)
{
    amp_fail(port, "BadRing: %s is %llu, not %s", fault->field, (unsigned long long)fault->value, fault->limit);
}

/* --- the driver ---------------------------------------------------------------------------------------------------- */

struct driver {
    struct amp_ring_driver ring;
    uint64_t room[SIZE_LIMIT * (sizeof(struct amp_ring_slot) + 2 * TABLE_ENTRIES * 8 + 4 + 2) / 8];
    uint32_t buffer_of[SIZE_LIMIT]; /* by head */
    uint32_t head, written;
};

static void send(const struct amp_port *port, struct driver *driver, const struct job *job, uint64_t number,
                 uint64_t buffer)
{
    struct amp_chain shape = shape_of(job, number);
    uint64_t at = buffer_at(job, buffer);
    struct amp_segment segments[2] = {{at, 8}, {at + 8, 8}};
    int head;

    if (shape.readable)
        write_stamp(port, at, number);
    head = amp_ring_add(&driver->ring, segments, shape.readable, shape.writable);
    if (head < 0)
        amp_give_up(port, head, "no descriptor is free");
    driver->buffer_of[head] = (uint32_t)buffer;
    amp_ring_publish(&driver->ring);
    if (job->notified && amp_ring_kick_prepare(&driver->ring))
        amp_ring_kick(&driver->ring, REMOTE);
}

static int get_used(void *state)
{
    struct driver *driver = state;

    return amp_ring_get_used(&driver->ring, &driver->head, &driver->written);
}

static int sleep_until_used(const struct amp_port *port, struct driver *driver)
{
    for (;;) {
        int found = get_used(driver);

        if (found)
            return found;
        if (amp_ring_enable_interrupts(&driver->ring)) {
            amp_wait(port, -1);
            /* K2: the ring must not be read before the interrupt that announced it. Pairs with K1 in amp_ring_call. */
            amp_barrier(port, AMP_K2);
        }
        amp_ring_disable_interrupts(&driver->ring);
    }
}

void drive(const struct amp_port *port, void *argument)
{
    const struct job *job = argument;
    struct amp_ring_config config = config_of(job);
    struct driver driver = {.head = 0};
    uint64_t sent = 0, due = 0, out[SIZE_LIMIT]; /* buffers that the device has, oldest first, from `due` on */

    open_with(port, job->num > SIZE_LIMIT || amp_ring_driver_room(&config) > sizeof driver.room
                        ? -E2BIG
                        : amp_ring_driver_place(&driver.ring, port, &config, driver.room));
    if (job->notified)
        amp_ring_disable_interrupts(&driver.ring);
    for (; sent < job->num && sent < job->messages; sent++) {
        out[sent] = sent;
        send(port, &driver, job, sent, sent);
    }
    for (uint64_t number = 0; number < job->messages; number++) {
        struct amp_chain shape = shape_of(job, number);
        uint64_t reply = 0, buffer;
        int found = job->notified ? sleep_until_used(port, &driver) : amp_poll(port, get_used, &driver, sizeof driver);

        if (found < 0)
            bad_ring(port, &driver.ring.fault);
        buffer = driver.buffer_of[driver.head];
        if (buffer != out[due % job->num])
            amp_fail(port, "message %u: another buffer came back than was due", (unsigned)number);
        if (driver.written != 8 * shape.writable)
            amp_fail(port, "message %u: the device says that it wrote %u bytes", (unsigned)number, driver.written);
        due++;
        if (shape.writable) {
            amp_read(port, buffer_at(job, buffer) + 8 * shape.readable, &reply, sizeof reply);
            amp_ring_finish_using(&driver.ring);
        }
        if (sent < job->messages) {
            out[sent % job->num] = buffer;
            send(port, &driver, job, sent++, buffer);
        }
        if (shape.writable)
            check_stamp(port, reply, number);
    }
}

/* --- the device ---------------------------------------------------------------------------------------------------- */

struct device {
    struct amp_ring_device ring;
    uint64_t room[SIZE_LIMIT];
    struct amp_segment segments[SIZE_LIMIT];
    struct amp_chain chain;
};

static int next_chain(void *state)
{
    struct device *device = state;
    int found = amp_ring_look_avail(&device->ring);

    if (found > 0)
        found = amp_ring_next(&device->ring, device->segments, SIZE_LIMIT, &device->chain);
    else
        return found;
    return found ? found : 1;
}

static int sleep_until_chain(const struct amp_port *port, struct device *device)
{
    for (;;) {
        int found = next_chain(device);

        if (found)
            return found;
        if (amp_ring_enable_notifications(&device->ring)) {
            amp_wait(port, -1);
            /* K2: the ring must not be read before the interrupt that announced it. Pairs with K1 in amp_ring_kick. */
            amp_barrier(port, AMP_K2);
        }
        amp_ring_disable_notifications(&device->ring);
    }
}

void serve(const struct amp_port *port, void *argument)
{
    const struct job *job = argument;
    struct amp_ring_config config = config_of(job);
    struct device device = {.chain = {0}};

    open_with(port, job->num > SIZE_LIMIT ? -E2BIG : amp_ring_device_place(&device.ring, port, &config, device.room));
    if (job->notified)
        amp_ring_disable_notifications(&device.ring);
    for (uint64_t number = 0; number < job->messages; number++) {
        struct amp_chain due = shape_of(job, number);
        uint64_t request = 0;
        int found = job->notified ? sleep_until_chain(port, &device) : amp_poll(port, next_chain, &device, sizeof device);

        if (found < 0)
            bad_ring(port, &device.ring.fault);
        if (device.chain.readable != due.readable || device.chain.writable != due.writable)
            amp_fail(port, "message %u came as %u and %u segments", (unsigned)number, device.chain.readable,
                     device.chain.writable);
        for (uint32_t i = 0; i < due.readable + due.writable; i++)
            if (device.segments[i].length != 8)
                amp_fail(port, "message %u: %u bytes", (unsigned)number, device.segments[i].length);
        if (due.readable)
            amp_read(port, device.segments[0].address, &request, sizeof request);
        if (due.writable)
            write_stamp(port, device.segments[due.readable].address, number);
        if (due.readable)
            amp_ring_finish_reading(&device.ring);
        amp_ring_push(&device.ring, device.chain.head, 8 * due.writable);
        amp_ring_complete(&device.ring);
        if (job->notified && amp_ring_call_prepare(&device.ring))
            amp_ring_call(&device.ring, HOST);
        if (due.readable)
            check_stamp(port, request, number);
    }
}
