/* SPDX-License-Identifier: BSD-3-Clause */
/* Waits by a function that is called, and what such a loop may remember. See test_code_calls.py. */
#include <stdint.h>

#include "amp_code.h"

#define SHARED(offset) (*(volatile uint32_t *)(0x40000000ul + (offset)))
#define CALLED __attribute__((noinline, noclone))

void counts_to_three(void)
{
    SHARED(0) = 1;
    SHARED(0) = 2;
    SHARED(0) = 3;
}

void sets_flag(void)
{
    SHARED(4) = 43;
    SHARED(0) = 42;
}

/* It leaves what it has loaded in scratch registers, and on the stack below its caller's. */
CALLED static int look(uint32_t *value)
{
    volatile uint32_t here[2];

    if (SHARED(16))
        return 0;
    here[0] = SHARED(0);
    here[1] = here[0] + 1;
    if (here[1] == 1)
        return 0;
    *value = here[0];
    return 1;
}

void waits_by_a_call(void)
{
    uint32_t value;

    while (!look(&value))
        ;
    amp_assert(value == 42);
}

static uint32_t load(unsigned offset)
{
    return SHARED(offset);
}

static uint32_t (*volatile loads)(unsigned) = load;

void waits_by_a_pointer(void)
{
    uint32_t (*function)(unsigned) = loads;

    while (!function(0))
        ;
}

/* The inner loop waits; the head of both is one. */
void waits_twice(void)
{
    for (unsigned n = 0; n < 2; n++)
        while (load(0) != 42)
            ;
}

CALLED static uint32_t either(uint32_t before)
{
    uint32_t now = SHARED(0);

    return now == 3 ? before | 4 : now ? now : before;
}

/* What the function is given is what it has returned before. */
void remembers_by_a_call(void)
{
    uint32_t value = 0;

    while (!(value & 4))
        value = either(value);
    if (value == (4 | 2))
        amp_fail("2 came before 3");
}

CALLED static uint32_t any(uint32_t before)
{
    return either(before);
}

static uint32_t (*volatile anything)(uint32_t) = any;

void remembers_by_a_pointer(void)
{
    uint32_t (*function)(uint32_t) = anything;
    uint32_t value = 0;

    while (!(value & 4))
        value = function(value);
    if (value == (4 | 1))
        amp_fail("1 came before 3");
}

#if defined(__aarch64__)
/* The way out stands before the look: a branch back that is no loop. */
__asm__(".text\n.type leaves_first, %function\nleaves_first:\n"
        "    b 2f\n"
        "1:  mov w0, #0\n"
        "    ret\n"
        "2:  mov x1, #0x40000000\n"
        "    ldr w0, [x1]\n"
        "    cbz w0, 1b\n"
        "    ret\n"
        ".size leaves_first, . - leaves_first\n");
uint32_t leaves_first(void);

void waits_by_leaving(void)
{
    while (!leaves_first())
        ;
}
#endif

#if defined(__thumb2__)
/* What it remembers from one round to the next are the flags: was it 1? */
__asm__(".text\n.syntax unified\n.thumb\n.thumb_func\n.type flags, %function\nflags:\n"
        "    mov r1, #0x40000000\n"
        "    movs r0, #0\n"
        "    cmp r1, #0\n"
        "1:  it eq\n"
        "    moveq r0, #1\n"
        "    ldr r3, [r1]\n"
        "    cmp r3, #1\n"
        "    sub r2, r3, #3\n"
        "    cbz r2, 2f\n"
        "    b 1b\n"
        "2:  bx lr\n"
        ".size flags, . - flags\n");
uint32_t flags(void);

void remembers_by_flags(void)
{
    if (flags())
        amp_fail("it was 1");
}

/* A store in a round of the wait, with instructions of both conditions behind it, one of them a load. */
__asm__(".type block, %function\n.thumb_func\nblock:\n"
        "    mov r1, #0x40000000\n"
        "    ldr r3, [r1]\n"
        "    cmp r3, #0\n"
        "    itete ne\n"
        "    strne r3, [r1, #8]\n"
        "    moveq r0, #0\n"
        "    ldrne r0, [r1, #4]\n"
        "    moveq r0, #0\n"
        "    bx lr\n"
        ".size block, . - block\n");
uint32_t block(void);

void answers_in_a_block(void)
{
    uint32_t answer;

    while (!(answer = block()))
        ;
    amp_assert(answer == 43);
    amp_assert(SHARED(8) == 42);
}
#endif

void _start(void)
{
}
