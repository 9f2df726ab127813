/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ring.h - the split virtqueue in C: driver and device, written against amp.h.
 *
 * The same sources are compiled twice: inlined for the bare region (benchmarks and batches), and, with AMP_RING_PORTED
 * defined, for every port. There each name below is another one, amp_ported_ring_add and so on, by which both may be linked.
 *
 * The rules are those of hostside/virtqueue.py and remoteside/virtqueue.py: the same fields, written with the same bytes;
 * the same barrier sites; the same distrust of everything the other side wrote. tests/core/test_ring_in_c.py holds the two
 * together byte by byte. The layout's numbers come from amp/virtio/split.py. What each side needs for its own work lies in
 * private memory, on cache lines of its own; nothing is ever read back from the fields that this side writes.
 *
 * What is done for speed, and keeps every barrier and every check:
 *   - the other side's index is loaded once for all the entries that it announces (one S2 or S4 for all of them);
 *   - entries are written first and announced together by one store of the index (one S1 or S3), when the caller says so;
 *   - a field whose bytes would not change is not stored again: its writer remembers what it wrote (`rewrite` turns this
 *     off). A device that scribbles over the driver's fields would so be answered with its own scribble until it changes;
 *   - heads go round first in, first out (`fifo`), so that ring and table are walked in order.
 *
 * Chains: the driver writes an indirect table if it has tables, else one descriptor a segment (not with `fifo`); the
 * device accepts every chain the Python device does.
 */
#ifndef AMP_RING_H
#define AMP_RING_H

#if !defined(AMP_H) && !defined(AMP_RING_PORTED) && !defined(AMP_PORT_DIRECT)
#define AMP_PORT_DIRECT
#endif

#include <stdalign.h>

#include "include/amp.h"

#ifdef AMP_RING_PORTED
#include "ring_ported.h"
#endif

#define AMP_RING_LIMIT 32768u /* virtio 1.2, 2.7: the largest Queue Size */
#define AMP_RING_LINES 128    /* two cache lines, which prefetchers fetch as a pair */

/* How a barrier is chosen: a class fixed when the loop is compiled, one branch at run time on `weak`, or a table. */
enum amp_ring_how {
    AMP_RING_NONE,
    AMP_RING_COMPILER,
    AMP_RING_SMP,
    AMP_RING_DMA,
    AMP_RING_MANDATORY,
    AMP_RING_BRANCH, /* as weak_barriers does: SMP if `weak`, else MANDATORY */
    AMP_RING_TABLE,  /* the port's: for each site the primitive that stands there */
    AMP_RING_HOWS,
};

/* The barrier sites, by their numbers in amp/ordering/sites.py. */
enum amp_ring_site { AMP_S1 = 1, AMP_S2, AMP_S3, AMP_S4, AMP_S5, AMP_S6, AMP_S7, AMP_S8, AMP_K1, AMP_K2, AMP_B1, AMP_SITES };

/* virtio 1.2, 2.7.5, 2.7.7, 2.7.10 */
enum { AMP_DESC_NEXT = 1, AMP_DESC_WRITE = 2, AMP_DESC_INDIRECT = 4, AMP_NO_INTERRUPT = 1, AMP_NO_NOTIFY = 1 };
enum { AMP_DESC_BYTES = 16, AMP_USED_BYTES = 8 };

/* Offsets in bytes from the region's start, as amp.virtio.split.SplitLayout has them. */
struct amp_ring_layout {
    uint32_t num;
    uint64_t desc, avail_flags, avail_idx, avail_ring, used_event, used_flags, used_idx, used_ring, avail_event;
};

struct amp_ring_config {
    struct amp_ring_layout layout;
    uint64_t start, end;             /* what either side may touch, in bytes from the region's start */
    uint64_t buffers, buffers_end;   /* where buffers (and indirect tables) may lie */
    uint64_t tables;                 /* driver: entry `head` has its indirect table at tables + head * table_entries * 16 */
    uint32_t table_entries;          /* driver: 0: no indirect tables */
    unsigned how;                    /* enum amp_ring_how; the loops of ring_bench.c have it compiled in */
    bool weak, event_idx, fifo, rewrite;
    bool indirect; /* device: accept indirect descriptors */
};

struct amp_segment {
    uint64_t address;
    uint32_t length;
};

/* What the other side wrote and the ring does not allow: the fields of amp.errors.BadRing. */
struct amp_ring_fault {
    const char *field;
    uint64_t value, address;
    char limit[80];
};

/* Of one head. `limit` is the most the device may say it wrote; -1: not in flight. The descriptor as last written. */
struct amp_ring_slot {
    uint64_t address, rest;
    int64_t limit;
};

struct amp_ring_driver {
    alignas(AMP_RING_LINES) struct amp_port port;
    uint64_t desc, avail_ring, avail_idx_at, used_ring, used_idx_at;
    struct amp_ring_slot *slots;
    uint16_t *heads; /* free descriptors: fifo, from avail_idx on, modulo num; else a stack */
    uint32_t *avail_written;
    uint32_t mask, num, unannounced;
    uint32_t tails; /* descriptors in flight that are not the first of their chain */
    uint16_t avail_idx, published, used_idx;
    uint16_t flags;
    bool weak, fifo, rewrite;
    /* rarely used */
    struct amp_ring_config config;
    uint64_t *tables_written;
    void *room; /* its own, to be freed */
    struct amp_ring_fault fault;
};

struct amp_ring_device {
    alignas(AMP_RING_LINES) struct amp_port port;
    uint64_t desc, avail_ring, avail_idx_at, used_ring, used_idx_at;
    uint64_t *used_written;
    uint64_t buffers, buffers_end;
    uint32_t mask, num, unannounced;
    uint16_t avail_idx, used_idx, published;
    uint16_t flags;
    bool weak, rewrite;
    /* rarely used */
    struct amp_ring_config config;
    void *room; /* its own, to be freed */
    struct amp_ring_fault fault;
};

struct amp_chain {
    uint32_t head, readable, writable; /* segments: first `readable` ones, then `writable` ones */
};

/*
 * Every function returns 0 (or what it says) or a negative errno:
 *   -EPROTO  the other side broke the ring's rules; `fault` says how          -ENOMEM
 *   -EINVAL  a configuration or a buffer that makes no sense                  -ENOSPC  no free descriptor
 *   -EFAULT  the ring does not lie in [start, end)                            -E2BIG   too many segments for the table
 */

/* 0, or why the configuration cannot be. */
int amp_ring_check(const struct amp_ring_config *config);

/* In memory of the caller's, amp_ring_driver_room() bytes aligned as malloc's is; nothing is to be closed. Or in its own. */
size_t amp_ring_driver_room(const struct amp_ring_config *config);
int amp_ring_driver_place(struct amp_ring_driver *driver, const struct amp_port *port,
                          const struct amp_ring_config *config, void *room);
int amp_ring_driver_open(struct amp_ring_driver *driver, const struct amp_port *port, const struct amp_ring_config *config);
void amp_ring_driver_close(struct amp_ring_driver *driver);
/* Writes one buffer's descriptors and ring entry, announces nothing yet. Its head. */
int amp_ring_add(struct amp_ring_driver *driver, const struct amp_segment *segments, uint32_t readable,
                 uint32_t writable);
void amp_ring_publish(struct amp_ring_driver *driver);      /* S1, then avail.idx */
bool amp_ring_kick_prepare(struct amp_ring_driver *driver); /* S5 */
void amp_ring_kick(struct amp_ring_driver *driver, unsigned device_cpu); /* K1 */
/* Loads used.idx: how many buffers are there to be taken. S4 if any. */
int amp_ring_look_used(struct amp_ring_driver *driver);
/* Takes one of those: its head. */
int amp_ring_take(struct amp_ring_driver *driver, uint32_t *written);
/* The two together, and then the wish to be told of the next one, unless interrupts are off. 0: nothing; 1: `head` is set. */
int amp_ring_get_used(struct amp_ring_driver *driver, uint32_t *head, uint32_t *written);
/* The same for many, from the first on, each of one segment: as many as descriptors are free, announced together. */
int amp_ring_add_many(struct amp_ring_driver *driver, const uint64_t *addresses, const uint32_t *lengths, uint32_t n,
                      bool writable, uint16_t *heads);
/* As many as are there, at most n. What is wrong is an error if it is the first of them, else left for the next call. */
int amp_ring_take_many(struct amp_ring_driver *driver, uint32_t n, uint16_t *heads, uint32_t *written);
void amp_ring_ask_interrupt(struct amp_ring_driver *driver, uint16_t event); /* after S8 the caller looks again */
void amp_ring_finish_using(const struct amp_ring_driver *driver); /* B1 */
void amp_ring_disable_interrupts(struct amp_ring_driver *driver);
bool amp_ring_enable_interrupts(struct amp_ring_driver *driver); /* S8; false: buffers came back meanwhile */

/* In memory of the caller's, amp_ring_device_room() bytes aligned as malloc's is; nothing is to be closed. Or in its own. */
size_t amp_ring_device_room(const struct amp_ring_config *config);
int amp_ring_device_place(struct amp_ring_device *device, const struct amp_port *port,
                          const struct amp_ring_config *config, void *room);
int amp_ring_device_open(struct amp_ring_device *device, const struct amp_port *port, const struct amp_ring_config *config);
void amp_ring_device_close(struct amp_ring_device *device);
/* Loads avail.idx: how many buffers are there. S2 if any. */
int amp_ring_look_avail(struct amp_ring_device *device);
/* Takes one of those into `segments`, which has room for `room`; as many as the ring has entries always suffice. */
int amp_ring_next(struct amp_ring_device *device, struct amp_segment *segments, uint32_t room, struct amp_chain *chain);
/*
 * As many as are there, at most n, each one segment that is writable or not, as asked. -ENOTSUP if the first is anything
 * else; another such one ends the batch, and what is wrong is an error if it is the first, else left for the next call.
 */
int amp_ring_next_many(struct amp_ring_device *device, struct amp_segment *room, uint32_t n, bool writable,
                       uint16_t *heads, uint64_t *addresses, uint32_t *lengths);
void amp_ring_finish_reading(const struct amp_ring_device *device); /* B1 */
void amp_ring_push(struct amp_ring_device *device, uint32_t head, uint32_t written); /* announces nothing yet */
void amp_ring_complete(struct amp_ring_device *device);                              /* S3, then used.idx */
/* Gives n buffers back and announces them together. */
void amp_ring_push_many(struct amp_ring_device *device, const uint16_t *heads, const uint32_t *written, uint32_t n);
bool amp_ring_call_prepare(struct amp_ring_device *device);                          /* S7 */
void amp_ring_call(struct amp_ring_device *device, unsigned driver_cpu); /* K1 */
void amp_ring_disable_notifications(struct amp_ring_device *device);
bool amp_ring_enable_notifications(struct amp_ring_device *device); /* S6; false: buffers were exposed meanwhile */

#endif
