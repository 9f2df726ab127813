/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * harness.h - the shared memory of both sides: a split ring, and behind it a buffer for each of its descriptors. It begins
 * as zeroes.
 */
#ifndef HARNESS_H
#define HARNESS_H

#define SHARED 0x40000000ul
#define ENTRIES 4 /* of the ring */
#define ALIGN 64  /* of its used part */
#define BUFFERS (SHARED + 0x800)

/* What goes there and back in message number `n`, from 0. */
#define REQUEST(n) (0x10000u + (n))
#define REPLY(n) (0x20000u + (n))

enum { DRIVER, DEVICE }; /* processors, as amp numbers them: host, remote */

#endif
