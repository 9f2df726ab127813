/* SPDX-License-Identifier: BSD-3-Clause */
/* The part of <stdio.h> that `amp code build` links: what is printed is a line of the story. */
#ifndef AMP_STDIO_H
#define AMP_STDIO_H

#include <stdarg.h>
#include <stddef.h>

int printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
int snprintf(char *text, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
int vsnprintf(char *text, size_t size, const char *format, va_list arguments);
int puts(const char *text);

#endif
