/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * port_direct.c - the port of the bare region: direct.h and this machine's fences. What values were computed from the
 * silicon sees to.
 */
#include <errno.h>

#include "model/bell.h"
#include "port_poll.h"

static struct amp_direct *cpu_of(const struct amp_port *port)
{
    return port->seat->cpu;
}

static int direct_load(const struct amp_port *port, uint64_t address, unsigned size, unsigned how, uint64_t after,
                       struct amp_word *out)
{
    (void)after;
    return amp_direct_load(cpu_of(port), address, size, how & AMP_ORDERED, &out->value);
}

static int direct_store(const struct amp_port *port, uint64_t address, unsigned size, uint64_t value, unsigned how,
                        struct amp_origin from)
{
    (void)from;
    return amp_direct_store(cpu_of(port), address, size, value, how & AMP_ORDERED);
}

static int direct_atomic(const struct amp_port *port, uint64_t address, unsigned size, enum amp_atomic op,
                         uint64_t operand, uint64_t expected, unsigned how, struct amp_origin from,
                         struct amp_word *out)
{
    (void)how;
    (void)from;
    return amp_direct_atomic(cpu_of(port), address, size, op, operand, expected, &out->value);
}

static int direct_read(const struct amp_port *port, uint64_t address, uint8_t *bytes, uint64_t length)
{
    return amp_direct_read(cpu_of(port), address, bytes, length);
}

static int direct_write(const struct amp_port *port, uint64_t address, const uint8_t *bytes, uint64_t length,
                        struct amp_origin from)
{
    (void)from;
    return amp_direct_write(cpu_of(port), address, bytes, length);
}

static int direct_barrier(const struct amp_port *port, unsigned primitive, unsigned site)
{
    (void)port;
    (void)site;
    if (primitive >= AMP_FENCES)
        return -EINVAL;
    amp_fence_real(primitive);
    return 0;
}

static int direct_kick(const struct amp_port *port, unsigned target)
{
    struct amp_direct *cpu = cpu_of(port);

    if (target >= cpu->cpus)
        return -EINVAL;
    amp_bell_ring(cpu->board, target);
    return 0;
}

static int direct_status(const struct amp_port *port, unsigned how, uint64_t after, struct amp_word *out)
{
    const struct amp_direct *cpu = cpu_of(port);
    bool rung = __atomic_load_n(cpu->board, __ATOMIC_RELAXED) & AMP_RUNG(cpu->id) || port->seat->kept;

    (void)how;
    (void)after;
    *out = (struct amp_word){.value = rung};
    return 0;
}

static int direct_acknowledge(const struct amp_port *port)
{
    port->seat->kept = false;
    amp_bell_take(cpu_of(port)->board, cpu_of(port)->id);
    return 0;
}

static int direct_wait(const struct amp_port *port, int64_t timeout_ns)
{
    struct amp_direct *cpu = cpu_of(port);

    return amp_bell_wait(cpu->board, cpu->id, cpu->cpus, cpu->spin_ns, timeout_ns);
}

static int direct_listen(const struct amp_port *port, int64_t timeout_ns)
{
    struct amp_direct *cpu = cpu_of(port);

    return amp_bell_sleep(cpu->board, cpu->id, cpu->cpus, 0, timeout_ns);
}

static int direct_interrupt(const struct amp_port *port)
{
    amp_bell_ring(cpu_of(port)->board, cpu_of(port)->id);
    return 0;
}

static int direct_note(const struct amp_port *port, unsigned code, uint64_t value)
{
    (void)port;
    (void)code;
    (void)value;
    return 0;
}

static int direct_retire(const struct amp_port *port)
{
    amp_bell_gone(cpu_of(port)->board, cpu_of(port)->id);
    return 0;
}

static const struct amp_port_ops ops = {
    .load = direct_load,
    .store = direct_store,
    .atomic = direct_atomic,
    .read = direct_read,
    .write = direct_write,
    .barrier = direct_barrier,
    .kick = direct_kick,
    .status = direct_status,
    .acknowledge = direct_acknowledge,
    .wait = direct_wait,
    .poll = amp_poll_by_looking,
    .listen = direct_listen,
    .interrupt = direct_interrupt,
    .note = direct_note,
    .retire = direct_retire,
};

void amp_port_direct(struct amp_port *port, struct amp_seat *seat, struct amp_direct *cpu)
{
    *seat = (struct amp_seat){.cpu = cpu};
    *port = (struct amp_port){.memory = cpu->memory, .ops = &ops, .seat = seat};
}
