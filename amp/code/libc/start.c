/* SPDX-License-Identifier: BSD-3-Clause */
/* Where an executable begins that `amp code build` links and whose sources have no _start: amp itself enters functions. */
__attribute__((weak, noreturn)) void _start(void)
{
    for (;;)
        ;
}
