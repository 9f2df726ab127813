/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * printf for harnesses: %d %i %u %x %X %p %c %s %%, with h, l, ll, z, a width, 0 and -. What is printed is a line of the
 * story (amp_print). To print a value is to look into it: what comes later in the program comes behind a branch on it.
 */
#include <stdio.h>

#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include "amp_code.h"

#define WEAK __attribute__((weak))
#define LINE_BYTES 200 /* of one call; the rest is cut off */
#define DIGITS 24

struct line {
    char *text;
    size_t size, n; /* n: also what did not fit */
};

struct field {
    int width, zero, left, length; /* length: 0 int, 1 long, 2 long long */
};

static void put(struct line *line, char c)
{
    if (line->n + 1 < line->size)
        line->text[line->n] = c;
    line->n++;
}

static void put_padded(struct line *line, const struct field *field, const char *text, int n)
{
    int pad = field->width - n;

    if (field->zero && !field->left && n && *text == '-') {
        put(line, *text++);
        n--;
    }
    for (; !field->left && pad > 0; pad--)
        put(line, field->zero ? '0' : ' ');
    while (n-- > 0)
        put(line, *text++);
    for (; pad > 0; pad--)
        put(line, ' ');
}

/* The number / base, in parts of 16 bits, the lowest first, and the remainder: to divide 64 bits a small processor calls a
 * library. */
static uint32_t divide_part(uint16_t *part, uint32_t rest, unsigned base)
{
    uint32_t now = rest << 16 | *part;

    *part = (uint16_t)(base == 10 ? now / 10 : now / 16);
    return now - *part * base;
}

static unsigned divide(uint16_t part[4], unsigned base)
{
    return divide_part(&part[0], divide_part(&part[1], divide_part(&part[2], divide_part(&part[3], 0, base), base), base), base);
}

static void put_number(struct line *line, const struct field *field, unsigned long long value, unsigned base, int minus,
                       const char *digits)
{
    uint16_t part[4] = {(uint16_t)value, (uint16_t)(value >> 16), (uint16_t)(value >> 32), (uint16_t)(value >> 48)};
    char text[DIGITS];
    int at = DIGITS;

    do
        text[--at] = digits[divide(part, base)];
    while (part[0] | part[1] | part[2] | part[3]);
    if (minus)
        text[--at] = '-';
    put_padded(line, field, text + at, DIGITS - at);
}

static long long signed_of(const struct field *field, va_list *arguments)
{
    if (field->length == 2)
        return va_arg(*arguments, long long);
    return field->length ? va_arg(*arguments, long) : va_arg(*arguments, int);
}

static unsigned long long unsigned_of(const struct field *field, va_list *arguments)
{
    if (field->length == 2)
        return va_arg(*arguments, unsigned long long);
    return field->length ? va_arg(*arguments, unsigned long) : va_arg(*arguments, unsigned);
}

static const char *read_field(const char *format, struct field *field)
{
    for (; *format == '0' || *format == '-'; format++)
        *(*format == '0' ? &field->zero : &field->left) = 1;
    for (; *format >= '0' && *format <= '9'; format++)
        field->width = 10 * field->width + *format - '0';
    for (; *format == 'l' || *format == 'z' || *format == 'h'; format++)
        field->length += *format != 'h';
    return format;
}

static void put_one(struct line *line, char what, const struct field *field, va_list *arguments)
{
    static const char low[] = "0123456789abcdef", high[] = "0123456789ABCDEF";
    const char *text;
    long long value;
    char c;

    switch (what) {
    case 'd':
    case 'i':
        value = signed_of(field, arguments);
        put_number(line, field, value < 0 ? 0 - (unsigned long long)value : (unsigned long long)value, 10, value < 0, low);
        break;
    case 'u':
        put_number(line, field, unsigned_of(field, arguments), 10, 0, low);
        break;
    case 'x':
    case 'X':
        put_number(line, field, unsigned_of(field, arguments), 16, 0, what == 'x' ? low : high);
        break;
    case 'p':
        put(line, '0');
        put(line, 'x');
        put_number(line, field, (uintptr_t)va_arg(*arguments, void *), 16, 0, low);
        break;
    case 'c':
        c = (char)va_arg(*arguments, int);
        put_padded(line, field, &c, 1);
        break;
    case 's':
        text = va_arg(*arguments, const char *);
        put_padded(line, field, text ? text : "(null)", text ? (int)strlen(text) : 6);
        break;
    default:
        put(line, what);
    }
}

WEAK int vsnprintf(char *text, size_t size, const char *format, va_list given)
{
    struct line line = {.text = text, .size = size};
    va_list arguments;

    va_copy(arguments, given);
    for (; *format; format++) {
        struct field field = {0};

        if (*format != '%') {
            put(&line, *format);
            continue;
        }
        format = read_field(format + 1, &field);
        if (!*format)
            break;
        put_one(&line, *format, &field, &arguments);
    }
    va_end(arguments);
    if (size)
        text[line.n < size ? line.n : size - 1] = 0;
    return (int)line.n;
}

WEAK int snprintf(char *text, size_t size, const char *format, ...)
{
    va_list arguments;
    int n;

    va_start(arguments, format);
    n = vsnprintf(text, size, format, arguments);
    va_end(arguments);
    return n;
}

WEAK int printf(const char *format, ...)
{
    char text[LINE_BYTES];
    va_list arguments;
    int n;

    va_start(arguments, format);
    n = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    amp_print(text);
    return n;
}

WEAK int puts(const char *text)
{
    amp_print(text);
    return 1;
}
