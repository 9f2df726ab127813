/* SPDX-License-Identifier: BSD-3-Clause */
/* A mailbox as firmware has it: a doorbell, a status, and where one acknowledges. What is judged is where barriers stand. */
#include <stdint.h>

#include "amp_code.h"

#if defined(__aarch64__)
#define FULL() __asm__ volatile("dmb osh" : : : "memory")
#elif defined(__arm__)
#define FULL() __asm__ volatile("dmb" : : : "memory")
#elif defined(__riscv)
#define FULL() __asm__ volatile("fence iorw,iorw" : : : "memory")
#else
#define FULL() __asm__ volatile("mfence" : : : "memory")
#endif
#if defined(__x86_64__)
#define SLEEP() amp_wait()
#else
#define SLEEP() __asm__ volatile("wfi" : : : "memory")
#endif

#define DATA (*(volatile uint32_t *)0x40000000)
#define INDEX (*(volatile uint32_t *)0x40000040)
#define SEEN (*(volatile uint32_t *)0x40000080)
#define REG(offset) (*(volatile uint32_t *)(0x48000000 + (offset)))
#define RING REG(0x0)   /* of the remote; the host's is at 0xc */
#define STATUS REG(0x4) /* 2: there is something new */
#define ACK REG(0x8)
#define NEW 2u

void rings(void)
{
    DATA = 42;
    FULL(); /* the data before the doorbell */
    RING = 1;
}

void rings_at_once(void)
{
    DATA = 42;
    RING = 1;
}

void polls(void)
{
    while (!(STATUS & NEW))
        ;
    FULL(); /* the status before the data */
    amp_assert(DATA == 42);
    ACK = NEW;
}

void polls_and_reads(void)
{
    while (!(STATUS & NEW))
        ;
    amp_assert(DATA == 42);
}

static __attribute__((noinline)) uint32_t is_new(void)
{
    return STATUS & NEW;
}

void polls_by_a_getter(void)
{
    while (!is_new())
        ;
    FULL();
    amp_assert(DATA == 42);
}

void looks_once(void)
{
    if (STATUS & NEW) {
        FULL();
        amp_assert(DATA == 42);
    } else {
        amp_assert(!(STATUS & 1)); /* nothing else is ever there */
    }
}

void looks_once_and_reads(void)
{
    if (STATUS & NEW)
        amp_assert(DATA == 42);
}

/* The branch on the status keeps the store behind it. */
void answers_what_it_saw(void)
{
    if (STATUS & NEW)
        SEEN = 1;
}

void rings_when_it_is_seen(void)
{
    while (!SEEN)
        ;
    FULL();
    RING = 1;
    amp_fail("seen before it was rung");
}

void sleeps(void)
{
    while (!(STATUS & NEW))
        SLEEP();
    FULL();
    amp_assert(DATA == 42);
    ACK = NEW;
}

void announces_two(void)
{
    for (uint32_t n = 1; n <= 2; n++) {
        INDEX = n;
        FULL();
        RING = 1;
    }
}

/* Acknowledge, look, sleep: the look stands behind the acknowledgement, or a doorbell between the two is lost. */
void takes_two(void)
{
    uint32_t seen = 0;

    while (seen < 2) {
        while (!(STATUS & NEW))
            ;
        ACK = NEW;
        FULL();
        seen = INDEX;
    }
}

void loses_one(void)
{
    uint32_t seen = 0;

    while (seen < 2) {
        while (!(STATUS & NEW))
            ;
        ACK = NEW;
        seen = INDEX;
    }
}

void acknowledges_and_finds_nothing(void)
{
    while (!(STATUS & NEW))
        ;
    ACK = NEW;
    amp_assert(!(STATUS & NEW));
}

/* Accesses that have bytes of a register, and do not begin there; and one beside it. */
#define AT(type, offset) (*(volatile type *)(0x48000000 + (offset)))

void looks_at_a_byte(void)
{
    amp_assert(!AT(uint8_t, 0x5));
}

void looks_from_below(void)
{
    amp_assert(!(AT(uint64_t, 0x0) >> 32));
}

void rings_from_below(void)
{
    AT(uint64_t, 0x10) = (uint64_t)1 << 32; /* the doorbell is at 0x14 */
}

void acknowledges_behind_its_first_byte(void)
{
    AT(uint8_t, 0xa) = NEW;
}

void waits_for_memory_beside(void)
{
    AT(uint64_t, 0x18) = 7; /* right behind the doorbell at 0x14 */
    AT(uint8_t, 0x4) = 7;   /* the status, which a store does not change */
    while (!(AT(uint16_t, 0x4) & NEW))
        ;
    FULL();
    amp_assert(DATA == 42 && AT(uint64_t, 0x18) == 7);
    AT(uint8_t, 0x8) = NEW;
}
