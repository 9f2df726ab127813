/* SPDX-License-Identifier: BSD-3-Clause */
/* What the C library of `amp code build` makes of each format, and of memory. See test_code_build.py. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

AMP_SHARED volatile unsigned flag;

void send(void)
{
    flag = 1;
}

void receive(void)
{
    while (!flag)
        ;
    printf("s %s|%5s|%-5s|%c%%", "a", "bc", "de", 'A');
    printf("x %08llx %X %lx %zx %p", 0x1234567890ull, 0xabcu, 0xfedul, sizeof(short), (void *)0x1234);
    printf("d %d %d %5d|%-5d|%05d u %u\nthe next line", -5, 3, -42, -42, -42, 7u);
    printf("lld %lld %llu", -9223372036854775807ll - 1, 18446744073709551615ull);
}

void copies(void)
{
    char *a = malloc(40), *b = calloc(5, 8);

    flag = 2;
    assert(a && b && a != b && !malloc(1 << 20));
    memset(a, 'x', 40);
    assert(!b[0] && !b[39] && a[39] == 'x');
    memcpy(b + 1, a, 20);
    memmove(b, b + 1, 20);
    assert(memcmp(a, b, 20) == 0 && b[20] == 'x' && !b[21]);
    memcpy(b, "abc", 4);
    assert(strlen(b) == 3 && strcmp(b, "abc") == 0);
    free(a);
    if (flag == 3)
        abort();
    assert(flag == 3);
}
