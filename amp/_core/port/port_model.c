/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * port_model.c - the port of the ordering model: core.h. A pending store has its value, so nothing becomes visible before
 * it is known. What reads it comes after the loads that it came from, for the other observers as well: its origin.
 */
#include <errno.h>

#include "model/model.h"
#include "port_poll.h"

static struct amp_cpu *cpu_of(const struct amp_port *port)
{
    return port->seat->cpu;
}

static int model_load(const struct amp_port *port, uint64_t address, unsigned size, unsigned how, uint64_t after,
                      struct amp_word *out)
{
    int acquire = how & AMP_TOLD ? (int)AMP_HOW_PRIMITIVE(how) : (int)(how & AMP_ORDERED);

    if (how & AMP_PAIRED)
        return amp_load_paired(cpu_of(port), address, size, after, (unsigned)acquire, AMP_HOW_WHOLE(how),
                               (how & AMP_EXCLUSIVE) != 0, out);
    return amp_load(cpu_of(port), address, size, after, acquire, out);
}

static int model_store(const struct amp_port *port, uint64_t address, unsigned size, uint64_t value, unsigned how,
                       struct amp_origin from)
{
    cpu_of(port)->origin = from.address > from.value ? from.address : from.value;
    if (how & AMP_PAIRED)
        return amp_store_paired(cpu_of(port), address, size, value, AMP_HOW_PRIMITIVE(how),
                                how & AMP_WHOLE ? AMP_HOW_PRIMITIVE(how) : 0, (how & AMP_BEHIND) != 0);
    return amp_store(cpu_of(port), address, size, value,
                     how & AMP_TOLD ? (int)AMP_HOW_PRIMITIVE(how) : (int)(how & AMP_ORDERED));
}

static int model_atomic(const struct amp_port *port, uint64_t address, unsigned size, enum amp_atomic op,
                        uint64_t operand, uint64_t expected, unsigned how, struct amp_origin from,
                        struct amp_word *out)
{
    (void)how;
    (void)from;
    cpu_of(port)->origin = 0; /* it is visible at once */
    return amp_atomic(cpu_of(port), address, size, op, operand, expected, out);
}

/* The bytes are needed at once. */
static int model_read(const struct amp_port *port, uint64_t address, uint8_t *bytes, uint64_t length)
{
    struct amp_deferred load = {.address = address, .length = length, .performed = 1, .bytes = bytes};
    int error = amp_load_bulk(cpu_of(port), &load, 0);

    if (error)
        return error;
    do
        error = amp_perform(cpu_of(port), &load);
    while (error == -EINTR && (!port->seat->signalled || (error = port->seat->signalled(port->seat)) == 0));
    if (error)
        amp_forget(cpu_of(port), &load);
    return error;
}

static int model_write(const struct amp_port *port, uint64_t address, const uint8_t *bytes, uint64_t length,
                       struct amp_origin from)
{
    cpu_of(port)->origin = from.address;
    return amp_store_bulk(cpu_of(port), address, bytes, length);
}

static int model_barrier(const struct amp_port *port, unsigned primitive, unsigned site)
{
    cpu_of(port)->origin = 0;
    return amp_cpu_barrier(cpu_of(port), primitive, site);
}

static int model_kick(const struct amp_port *port, unsigned target)
{
    cpu_of(port)->origin = 0;
    return amp_cpu_kick(cpu_of(port), target);
}

static int model_status(const struct amp_port *port, unsigned how, uint64_t after, struct amp_word *out)
{
    int error = amp_cpu_status(cpu_of(port), after, out);

    (void)how;
    if (!error && port->seat->kept) /* a poll has taken it for the program */
        out->value = 1;
    return error;
}

static int model_acknowledge(const struct amp_port *port)
{
    port->seat->kept = false;
    cpu_of(port)->origin = 0;
    return amp_cpu_acknowledge(cpu_of(port));
}

static int model_wait(const struct amp_port *port, int64_t timeout_ns)
{
    return amp_cpu_wait(cpu_of(port), timeout_ns);
}

static int model_listen(const struct amp_port *port, int64_t timeout_ns)
{
    return amp_listen(cpu_of(port), timeout_ns);
}

static int model_interrupt(const struct amp_port *port)
{
    return amp_interrupt(cpu_of(port));
}

static int model_note(const struct amp_port *port, unsigned code, uint64_t value)
{
    return amp_note(cpu_of(port), code, value);
}

static int model_retire(const struct amp_port *port)
{
    return amp_cpu_retire(cpu_of(port));
}

/* Loads are performed where they stand, so nothing of a branch is left to say; times are ordered. */
static uint64_t model_join(const struct amp_port *port, uint64_t a, uint64_t b)
{
    (void)port;
    return a > b ? a : b;
}

static void model_drop(const struct amp_port *port, uint64_t time)
{
    (void)port;
    (void)time;
}

static int model_branch(const struct amp_port *port, uint64_t time)
{
    (void)port;
    (void)time;
    return 0;
}

static int model_isb(const struct amp_port *port)
{
    (void)port;
    return 0;
}

static int model_may_store(const struct amp_port *port, bool *may)
{
    return amp_may_store_paired(cpu_of(port), may);
}

static int model_unpair(const struct amp_port *port)
{
    return amp_unpair(cpu_of(port));
}

static const struct amp_port_ops ops = {
    .load = model_load,
    .store = model_store,
    .atomic = model_atomic,
    .read = model_read,
    .write = model_write,
    .barrier = model_barrier,
    .kick = model_kick,
    .status = model_status,
    .acknowledge = model_acknowledge,
    .wait = model_wait,
    .poll = amp_poll_by_looking,
    .listen = model_listen,
    .interrupt = model_interrupt,
    .note = model_note,
    .retire = model_retire,
    .join = model_join,
    .drop = model_drop,
    .branch = model_branch,
    .isb = model_isb,
    .may_store = model_may_store,
    .unpair = model_unpair,
};

void amp_port_model(struct amp_port *port, struct amp_seat *seat, struct amp_cpu *cpu)
{
    *seat = (struct amp_seat){.cpu = cpu, .endless = cpu->model->config.mode == AMP_FREE};
    *port = (struct amp_port){.ops = &ops, .seat = seat};
}
