/* SPDX-License-Identifier: BSD-3-Clause */
/* Polls through functions that are called: a getter, one with arguments, two nested, and such as remember something. */
#include <stdint.h>

#include "amp_code.h"

#define FLAGS ((volatile uint32_t *)0x40000000)
#define DATA (*(volatile uint32_t *)0x40000040)
#define NOINLINE __attribute__((__noinline__))

void sets(void)
{
    DATA = 42;
    amp_mb();
    FLAGS[3] = 8;
}

NOINLINE static uint32_t get_flag(void)
{
    return FLAGS[3];
}

NOINLINE static uint32_t get_of(volatile uint32_t *base, unsigned at, uint32_t mask)
{
    return base[at] & mask;
}

NOINLINE static uint32_t get_inner(volatile uint32_t *base)
{
    return base[3];
}

NOINLINE static int is_set(volatile uint32_t *base, uint32_t mask)
{
    return (get_inner(base) & mask) != 0;
}

NOINLINE static uint32_t get_either(volatile uint32_t *base, unsigned at)
{
    uint32_t found = base[at];

    return found ? found : base[at + 1];
}

static void then(void)
{
    amp_mb();
    amp_assert(DATA == 42);
}

void by_a_getter(void)
{
    while (!get_flag())
        ;
    then();
}

void by_one_with_arguments(void)
{
    while (!get_of(FLAGS, 3, 8))
        ;
    then();
}

void by_two_nested(void)
{
    while (!is_set(FLAGS, 8))
        ;
    then();
}

void by_two_in_turn(void)
{
    while (!get_flag() || !get_of(FLAGS, 3, 12))
        ;
    then();
}

void by_one_that_branches(void)
{
    while (!get_either(FLAGS, 2))
        ;
    then();
}

/* What these remember counts: how often they have looked is told afterwards. */
static uint32_t looked;

NOINLINE static uint32_t get_and_count(void)
{
    looked++;
    return FLAGS[3];
}

void by_one_that_counts(void)
{
    while (!get_and_count())
        ;
    amp_assert(looked < 3);
}

NOINLINE static uint32_t get_into(uint32_t *sum)
{
    uint32_t found = FLAGS[3];

    *sum += !found;
    return found;
}

void by_one_that_is_told_where(void)
{
    uint32_t sum = 0;

    while (!get_into(&sum))
        ;
    amp_assert(sum < 3);
}

#ifdef __aarch64__
/* The getter overwrites w9 where it finds something, and only there: what the loop counts in it is not nobody's. */
__asm__(".text\n"
        ".type get_and_perhaps_overwrite, %function\n"
        "get_and_perhaps_overwrite: ldr w0, [x1, #12]\n"
        "cbz w0, 1f\n"
        "mov w9, #0\n"
        "1: ret\n"
        ".size get_and_perhaps_overwrite, . - get_and_perhaps_overwrite\n"
        ".globl by_one_that_overwrites_at_times\n"
        ".type by_one_that_overwrites_at_times, %function\n"
        "by_one_that_overwrites_at_times: mov x10, x30\n"
        "mov x1, #0x40000000\n"
        "mov w9, #0\n"
        "2: bl get_and_perhaps_overwrite\n"
        "add w9, w9, #1\n"
        "cbz w0, 2b\n"
        "ret x10\n"
        ".size by_one_that_overwrites_at_times, . - by_one_that_overwrites_at_times\n");
#endif
