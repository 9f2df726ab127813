/* SPDX-License-Identifier: BSD-3-Clause */
/* The part of <string.h> that `amp code build` links. */
#ifndef AMP_STRING_H
#define AMP_STRING_H

#include <stddef.h>

void *memcpy(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int value, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *text);
int strcmp(const char *a, const char *b);

#endif
