/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory and strings, for harnesses. Whole words where both sides are aligned, else bytes: on shared memory each is an
 * access of its own. Weak: what a program brings along is taken.
 */
#include <string.h>

#include <stdint.h>

typedef unsigned long __attribute__((may_alias)) word;

/* Compilers know these loops, and would make calls of the very function that they stand in. */
#define HERE() __asm__ volatile("" : : : "memory")
#define WEAK __attribute__((weak))

static int are_words(const void *a, const void *b)
{
    return ((uintptr_t)a | (uintptr_t)b) % sizeof(word) == 0;
}

WEAK void *memcpy(void *to, const void *from, size_t n)
{
    unsigned char *t = to;
    const unsigned char *f = from;

    for (; are_words(t, f) && n >= sizeof(word); n -= sizeof(word), t += sizeof(word), f += sizeof(word)) {
        *(word *)t = *(const word *)f;
        HERE();
    }
    for (; n; n--) {
        *t++ = *f++;
        HERE();
    }
    return to;
}

WEAK void *memmove(void *to, const void *from, size_t n)
{
    unsigned char *t = to;
    const unsigned char *f = from;

    if ((uintptr_t)t - (uintptr_t)f >= n)
        return memcpy(to, from, n);
    while (n--) {
        t[n] = f[n];
        HERE();
    }
    return to;
}

WEAK void *memset(void *to, int value, size_t n)
{
    unsigned char *t = to;
    word every = (unsigned char)value * (~(word)0 / 255);

    for (; are_words(t, t) && n >= sizeof(word); n -= sizeof(word), t += sizeof(word)) {
        *(word *)t = every;
        HERE();
    }
    for (; n; n--) {
        *t++ = (unsigned char)value;
        HERE();
    }
    return to;
}

WEAK int memcmp(const void *a, const void *b, size_t n)
{
    const unsigned char *p = a, *q = b;

    for (; n; n--, p++, q++)
        if (*p != *q)
            return *p - *q;
    return 0;
}

WEAK size_t strlen(const char *text)
{
    size_t n = 0;

    for (; text[n]; n++)
        HERE();
    return n;
}

WEAK int strcmp(const char *a, const char *b)
{
    for (; *a && *a == *b; a++, b++)
        ;
    return (unsigned char)*a - (unsigned char)*b;
}
