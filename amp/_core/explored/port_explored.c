/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * port_explored.c - the port of an explored part. A value that is given to code in which nobody can follow it is known to
 * that code from then on; that a branch hangs on it only the code can say (AMP_CTRL).
 */
#include "port_explored.h"

#include <stdlib.h>
#include <string.h>

#include "explored_parts.h"

static struct xp_part *part_of(const struct amp_port *port)
{
    return port->seat->cpu;
}

static void give(const struct xp_part *part, unsigned how, struct amp_word *word)
{
    struct explorer *x = part->program->x;

    if (!(how & AMP_GIVEN))
        return;
    if (how & AMP_CTRL)
        xp_tag_looked(word->time, word->value);
    else
        xp_log(x, part->id, xp_mix(word->value, x->cpu[part->id].made));
    xp_tag_drop(word->time);
    word->time = 0;
}

static int explored_load(const struct amp_port *port, uint64_t address, unsigned size, unsigned how, uint64_t after,
                         struct amp_word *out)
{
    int error;

    if (how & AMP_TOLD)
        return xp_part_followed_load(part_of(port), address, size, after, how, out);
    error = xp_part_load(part_of(port), address, size, after, how & AMP_ORDERED, out);
    if (!error)
        give(part_of(port), how, out);
    return error;
}

static int explored_store(const struct amp_port *port, uint64_t address, unsigned size, uint64_t value, unsigned how,
                          struct amp_origin from)
{
    if (how & AMP_TOLD)
        return xp_part_followed_store(part_of(port), address, size, value, how, from);
    return xp_part_store(part_of(port), address, size, value, how & AMP_ORDERED, from);
}

static int explored_atomic(const struct amp_port *port, uint64_t address, unsigned size, enum amp_atomic op,
                           uint64_t operand, uint64_t expected, unsigned how, struct amp_origin from,
                           struct amp_word *out)
{
    int error = xp_part_atomic(part_of(port), address, size, op, operand, expected, from, out);

    if (!error)
        give(part_of(port), how, out);
    return error;
}

static int explored_read(const struct amp_port *port, uint64_t address, uint8_t *bytes, uint64_t length)
{
    struct xp_part *part = part_of(port);
    xp_event_id event[XP_EVENTS];
    struct xp_bulk bulk = {.address = address, .length = length, .event = event, .given = true};
    int error;

    if (amp_check_range(part->program->start, part->program->end, address, length))
        return -EFAULT;
    if (xp_granules(address, length) > XP_EVENTS)
        return -E2BIG;
    error = xp_bulk_issue(part, &bulk, 0);
    return error ? error : xp_bulk_perform(part, &bulk, bytes);
}

static int explored_write(const struct amp_port *port, uint64_t address, const uint8_t *bytes, uint64_t length,
                          struct amp_origin from)
{
    return xp_part_write(part_of(port), address, bytes, length, from);
}

static int explored_barrier(const struct amp_port *port, unsigned primitive, unsigned site)
{
    return xp_part_barrier(part_of(port), primitive, site);
}

static int explored_kick(const struct amp_port *port, unsigned target)
{
    return xp_part_kick(part_of(port), target);
}

static int explored_status(const struct amp_port *port, unsigned how, uint64_t after, struct amp_word *out)
{
    int error = xp_part_status(part_of(port), after, out);

    if (!error)
        give(part_of(port), how, out);
    return error;
}

static int explored_acknowledge(const struct amp_port *port)
{
    return xp_part_acknowledge(part_of(port));
}

static int explored_wait(const struct amp_port *port, int64_t timeout_ns)
{
    return xp_part_wait(part_of(port), timeout_ns);
}

/* One look. 1: it found something, `run` says whether by failing. 0: to be made again. Or a negative errno. */
static int look_once(const struct amp_port *port, int (*look)(void *state), void *state, size_t bytes,
                     const void *before, struct amp_run *run, int *found)
{
    struct amp_seat *seat = port->seat;
    struct amp_run *const outer = seat->run;
    struct xp_part *part = part_of(port);
    int error = xp_part_begin_look(part);

    if (error)
        return error;
    run->error = 0;
    if (setjmp(run->end) == 0) {
        seat->run = run;
        *found = look(state);
    }
    seat->run = outer;
    if (run->error == -ENODATA || run->error == -ECANCELED) { /* it was not made, nor what it did so far */
        memcpy(state, before, bytes);
        return xp_part_undo_look(part);
    }
    if (!run->error && !*found && memcmp(state, before, bytes) != 0)
        return xp_break_rule(part, "a look of amp_poll() that finds nothing changes its state");
    return xp_part_end_look(part, run->error || *found);
}

static int explored_poll(const struct amp_port *port, int (*look)(void *state), void *state, size_t bytes, int *found)
{
    void *before = malloc(bytes + 1);
    struct amp_run run = {.error = 0};
    int result = before ? 0 : -ENOMEM;

    while (result == 0) {
        memcpy(before, state, bytes);
        result = look_once(port, look, state, bytes, before, &run, found);
    }
    free(before);
    if (result == 1 && run.error == AMP_VIOLATED)
        amp_fail(port, "%s", run.text);
    if (result == 1 && run.error)
        amp_give_up(port, run.error, "%s", run.text);
    return result < 0 ? result : 0;
}

static int explored_note(const struct amp_port *port, unsigned code, uint64_t value)
{
    (void)port;
    (void)code;
    (void)value;
    return 0;
}

static int explored_retire(const struct amp_port *port)
{
    (void)port;
    return 0;
}

static uint64_t explored_join(const struct amp_port *port, uint64_t a, uint64_t b)
{
    (void)port;
    return xp_tag_join(a, b);
}

static void explored_drop(const struct amp_port *port, uint64_t time)
{
    (void)port;
    xp_tag_drop(time);
}

static int explored_branch(const struct amp_port *port, uint64_t time)
{
    return xp_part_branch(part_of(port), time);
}

static int explored_isb(const struct amp_port *port)
{
    return xp_part_isb(part_of(port));
}

static int explored_choose(const struct amp_port *port, unsigned n, unsigned *which)
{
    return xp_part_choose(part_of(port), n, which);
}

/* Neither `listen` nor `interrupt`: nothing is outside the exploration. */
static const struct amp_port_ops ops = {
    .load = explored_load,
    .store = explored_store,
    .atomic = explored_atomic,
    .read = explored_read,
    .write = explored_write,
    .barrier = explored_barrier,
    .kick = explored_kick,
    .status = explored_status,
    .acknowledge = explored_acknowledge,
    .wait = explored_wait,
    .poll = explored_poll,
    .note = explored_note,
    .retire = explored_retire,
    .join = explored_join,
    .drop = explored_drop,
    .branch = explored_branch,
    .isb = explored_isb,
    .choose = explored_choose,
};

void amp_port_explored(struct amp_port *port, struct amp_seat *seat, struct xp_part *part)
{
    *seat = (struct amp_seat){.cpu = part};
    *port = (struct amp_port){.ops = &ops, .seat = seat};
}
