/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * port.c - what a C program's port does on every back end: see include/amp.h. Knows none of them.
 */
#include "include/amp.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "model/bell.h"

static _Noreturn void end_part(const struct amp_port *port, int error, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));

static _Noreturn void end_part(const struct amp_port *port, int error, const char *format, va_list arguments)
{
    struct amp_run *run = port->seat->run;
    char text[AMP_TEXT_BYTES];

    vsnprintf(text, sizeof text, format, arguments);
    if (!run) {
        fprintf(stderr, "amp: %s%s\n", error == AMP_VIOLATED ? "violation: " : "", text);
        exit(error == AMP_VIOLATED ? 1 : 4);
    }
    run->error = error;
    memcpy(run->text, text, sizeof text);
    longjmp(run->end, 1);
}

void amp_fail(const struct amp_port *port, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    end_part(port, AMP_VIOLATED, format, arguments);
}

void amp_give_up(const struct amp_port *port, int error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    end_part(port, error, format, arguments);
}

/* The run is the caller's: what changes in it before a longjmp is no local of the function that has called setjmp. */
static void enter(struct amp_run *run, const struct amp_port *port,
                  void (*part)(const struct amp_port *port, void *argument), void *argument)
{
    if (setjmp(run->end) == 0)
        part(port, argument);
}

int amp_run(const struct amp_port *port, void (*part)(const struct amp_port *port, void *argument), void *argument,
            char *text)
{
    struct amp_seat *seat = port->seat;
    struct amp_run run = {.error = 0}, *outer = seat->run;

    seat->run = &run;
    enter(&run, port, part, argument);
    seat->run = outer;
    if (text)
        memcpy(text, run.text, sizeof run.text);
    return run.error;
}

static const char *why(int error)
{
    switch (error) {
    case -EFAULT: return "outside the shared memory";
    case -EINVAL: return "not aligned to its size, or a number that nobody knows";
    case -EPIPE: return "the other processor died";
    case -ESHUTDOWN: return "every other processor has retired";
    case -ETIME: return "very many looks, and nothing came";
    case -EDEADLK: return "every processor sleeps and no doorbell is under way";
    default: return strerror(-error);
    }
}

/* The call came to an end: true if it is to be made again. Does not return if the part is over. */
static bool again(const struct amp_port *port, int error, const char *what, uint64_t size, uint64_t address)
{
    struct amp_seat *seat = port->seat;

    if (!error)
        return false;
    if (error == -EINTR && (!seat->signalled || (error = seat->signalled(seat)) == 0))
        return true;
    if (size)
        amp_give_up(port, error, "%s of %" PRIu64 " bytes at 0x%" PRIx64 ": %s", what, size, address, why(error));
    amp_give_up(port, error, "%s: %s", what, why(error));
}

uint64_t amp_ported_load(const struct amp_port *port, uint64_t address, unsigned size, unsigned how)
{
    struct amp_word word = {0};

    while (again(port, port->ops->load(port, address, size, how, 0, &word), "load", size, address))
        ;
    return word.value;
}

void amp_ported_store(const struct amp_port *port, uint64_t address, unsigned size, uint64_t value, unsigned how)
{
    const struct amp_origin nothing = {0};

    while (again(port, port->ops->store(port, address, size, value, how, nothing), "store", size, address))
        ;
}

uint64_t amp_ported_atomic(const struct amp_port *port, uint64_t address, unsigned size, enum amp_atomic op,
                           uint64_t operand, uint64_t expected)
{
    const struct amp_origin nothing = {0};
    struct amp_word word = {0};

    while (again(port, port->ops->atomic(port, address, size, op, operand, expected, AMP_GIVEN, nothing, &word),
                 "atomic access", size, address))
        ;
    return word.value;
}

void amp_read(const struct amp_port *port, uint64_t address, void *bytes, uint64_t length)
{
    while (again(port, port->ops->read(port, address, bytes, length), "read", length, address))
        ;
}

void amp_write(const struct amp_port *port, uint64_t address, const void *bytes, uint64_t length)
{
    const struct amp_origin nothing = {0};

    while (again(port, port->ops->write(port, address, bytes, length, nothing), "write", length, address))
        ;
}

void amp_fence(const struct amp_port *port, unsigned primitive)
{
    while (again(port, port->ops->barrier(port, primitive, 0), "fence", 0, 0))
        ;
}

void amp_barrier(const struct amp_port *port, unsigned site)
{
    const struct amp_seat *seat = port->seat;
    unsigned primitive = AMP_FENCE_NONE;

    if (site < 1 || site > seat->site_count || site >= AMP_SITES_LIMIT)
        amp_give_up(port, -EINVAL, "barrier: site %u, this program has %u, from 1", site, seat->site_count);
    if (seat->sites)
        primitive = seat->sites[site];
    while (again(port, port->ops->barrier(port, primitive, site), "barrier", 0, 0))
        ;
}

void amp_kick(const struct amp_port *port, unsigned target)
{
    while (again(port, port->ops->kick(port, target), "kick", 0, 0))
        ;
}

bool amp_rung(const struct amp_port *port)
{
    struct amp_word word = {0};

    while (again(port, port->ops->status(port, AMP_GIVEN | AMP_CTRL, 0, &word), "rung", 0, 0))
        ;
    return word.value != 0;
}

void amp_acknowledge(const struct amp_port *port)
{
    while (again(port, port->ops->acknowledge(port), "acknowledge", 0, 0))
        ;
}

int amp_wait(const struct amp_port *port, int64_t timeout_ns)
{
    uint64_t start_ns = timeout_ns < 0 ? 0 : amp_now_ns();
    int64_t left_ns = timeout_ns;
    int error;

    if (port->seat->kept) {
        port->seat->kept = false;
        return 0;
    }
    do {
        error = port->ops->wait(port, left_ns);
        if (error == -ETIMEDOUT || error == -ESHUTDOWN)
            return error;
        if (error && timeout_ns >= 0) {
            int64_t spent_ns = (int64_t)(amp_now_ns() - start_ns);

            left_ns = spent_ns < timeout_ns ? timeout_ns - spent_ns : 0;
        }
    } while (again(port, error, "wait", 0, 0));
    return 0;
}

int amp_poll(const struct amp_port *port, int (*look)(void *state), void *state, size_t bytes)
{
    int found = 0;

    while (again(port, port->ops->poll(port, look, state, bytes, &found), "poll", 0, 0))
        ;
    return found;
}

void amp_retire(const struct amp_port *port)
{
    while (again(port, port->ops->retire(port), "retire", 0, 0))
        ;
}

#define AMP_NAMED_BARRIER(name)                       \
    __attribute__((noinline)) void amp_##name(void)   \
    {                                                 \
        amp_fence_##name();                           \
    }
AMP_NAMED_BARRIERS(AMP_NAMED_BARRIER)
#undef AMP_NAMED_BARRIER
