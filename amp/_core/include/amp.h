/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * amp.h - the port, the one door to shared memory, for C programs.
 *
 * A port is one CPU's. The same program, written against it, runs
 *   direct    on the bare region, with this machine's own loads, stores and fences;
 *   model     on the ordering model (core.h): two processes on memory that reorders;
 *   explored  in every way that a platform allows, as one part of an exploration.
 * Which one is decided by whoever opens the port. A file compiled with AMP_PORT_DIRECT defined can be run in the first way
 * only, and pays nothing for it: every access below is then one instruction, inlined, and nothing is checked. Otherwise
 * every access is a call, checked for its bounds and its alignment, and libamp is linked (`amp config --cflags --libs`).
 *
 * Addresses are in bytes from the region's start. Scalars are aligned to their size; in memory they are little endian,
 * here they are the CPU's, which has to be little endian, too.
 *
 * Barriers. Plain accesses may be reordered as far as the machine allows; nothing else orders them than what stands here.
 *   amp_barrier(port, site)      whatever stands at that site of the protocol, by the port's table: what a test weakens
 *   amp_fence(port, primitive)   a barrier by its number, AMP_FENCE_... (fences.h), as Linux names them
 *   amp_store_release, amp_load_acquire   pair with each other
 * A barrier never works alone: a write barrier before an index pairs with the read barrier behind the load of that index
 * at the other side; a full barrier between a store and a load with the other side's full barrier; amp_kick with amp_wait.
 *
 * Dependencies. A value that a plain load returns is a plain integer, and nobody can follow it through a C program. So an
 * exploration takes it that nothing depends on it: later stores may be visible before the load is performed. If the
 * value decides a branch before the next store, say so: amp_load_ctrl_u16() and its like are the same loads, and keep
 * later stores behind them, as a control dependency does on every machine. The claim is the program's, and must be true.
 * (A compiler may take such a branch out; Linux, memory-barriers.txt, "CONTROL DEPENDENCIES", says when.)
 *
 * Errors. An access has no result to look at. What goes wrong, a violation that the program itself reports by amp_fail()
 * included, ends the part: nothing of it runs any more, and amp_run() returns why. No destructor, no clean-up runs, so
 * what a part allocates lies outside it, or on its stack. Without an amp_run() the process ends: a line on stderr, exit
 * status 1 for a violation, else 4.
 *
 * Explored parts are run again and again from their start. They must do the same whenever they read the same: no clock,
 * no chance, no static variable that a former run has changed, no thread.
 */
#ifndef AMP_H
#define AMP_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "../core.h"
#include "../direct.h"
#include "../fences.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "shared memory is little endian, and so must this CPU be"
#endif

#define AMP_SITES_LIMIT 256 /* entries of a site table: 0 is no site, 1 to 255 are the program's */
#define AMP_TEXT_BYTES 240  /* of what amp_fail() says, its end included */
#define AMP_VIOLATED 1      /* amp_run(): the program reported a violation */

/* How a load or a store is meant; bits. */
enum amp_how {
    AMP_ORDERED = 1, /* a load-acquire, a store-release */
    AMP_GIVEN = 2,   /* the value goes to code in which nobody follows it: all C programs' loads */
    AMP_CTRL = 4,    /* ... and decides a branch before the next store */
    AMP_TOLD = 8,    /* the value goes to code in which somebody follows what is computed from it: amp_origin has it */
    AMP_UNSEEN = 16, /* the load of an atomic without a result: barriers for loads do not wait for it */
    AMP_PAIRED = 128, /* the load, or the store, of an atomic of two accesses; behind such a load the store may stay away */
    AMP_BEHIND = 64, /* a store behind which all comes that is behind it in the program: RISC-V's sc.aq */
    AMP_WHOLE = 32,  /* the store of an atomic through which nothing passes, in neither direction */
    AMP_EXCLUSIVE = 1 << 24, /* the load that is AMP_PAIRED and its store are two instructions */
};

/* ... and, with AMP_TOLD, by which primitive's row (a byte) it is ordered; 0: by none. */
#define AMP_BY(primitive) ((unsigned)(primitive) << 8)
#define AMP_HOW_PRIMITIVE(how) ((how) >> 8 & 0xFF)
/* ... and of a load that is AMP_PAIRED: by which its store will be AMP_WHOLE. */
#define AMP_WHOLE_BY(primitive) ((unsigned)(primitive) << 16)
#define AMP_HOW_WHOLE(how) ((how) >> 16 & 0xFF)

/* What the address and the value of a store were computed from: the times of the values loaded (struct amp_word), 0 of what
 * nobody follows. `expected`: of the value that a cmpxchg compares with. With AMP_TOLD: `picked`, what decided which value
 * it is without being part of it, and `pair`, the load of the atomic whose store this is (0: of none). */
struct amp_origin {
    uint64_t address, value, expected, picked, pair;
};

struct amp_port_ops;

/* One call of amp_run(): where its part ends early, and why. */
struct amp_run {
    jmp_buf end;
    int error;
    char text[AMP_TEXT_BYTES];
};

/* A CPU's place at its machine. All ports of the CPU have it in common. */
struct amp_seat {
    void *cpu;            /* the back end's own */
    const uint8_t *sites; /* site -> primitive, AMP_SITES_LIMIT of them; NULL: nothing stands anywhere */
    unsigned site_count;  /* of the program, numbered from 1; amp_barrier() refuses any other */
    struct amp_run *run;  /* the innermost */
    int (*signalled)(struct amp_seat *seat); /* a signal came during a call: 0 to go on, or the error to end with; may be NULL */
    bool kept;            /* an interrupt that a poll took, for the next amp_wait() */
    bool endless;         /* free mode: nobody waits for the part to come to its turn, and it goes on as long as it likes */
};

/* A handle: it may be copied, and the copies are the same CPU's. */
struct amp_port {
    uint8_t *memory; /* direct: the region's first byte; else NULL */
    const struct amp_port_ops *ops;
    struct amp_seat *seat;
};

/* What the back ends do differently. All return 0 or a negative errno, as in core.h; `listen`, `interrupt`, and what stands
 * behind `retire` may be NULL. */
struct amp_port_ops {
    int (*load)(const struct amp_port *port, uint64_t address, unsigned size, unsigned how, uint64_t after,
                struct amp_word *out);
    int (*store)(const struct amp_port *port, uint64_t address, unsigned size, uint64_t value, unsigned how,
                 struct amp_origin from);
    int (*atomic)(const struct amp_port *port, uint64_t address, unsigned size, enum amp_atomic op, uint64_t operand,
                  uint64_t expected, unsigned how, struct amp_origin from, struct amp_word *out);
    int (*read)(const struct amp_port *port, uint64_t address, uint8_t *bytes, uint64_t length);
    int (*write)(const struct amp_port *port, uint64_t address, const uint8_t *bytes, uint64_t length,
                 struct amp_origin from);
    int (*barrier)(const struct amp_port *port, unsigned primitive, unsigned site);
    int (*kick)(const struct amp_port *port, unsigned target);
    int (*status)(const struct amp_port *port, unsigned how, uint64_t after, struct amp_word *out);
    int (*acknowledge)(const struct amp_port *port);
    int (*wait)(const struct amp_port *port, int64_t timeout_ns);
    int (*poll)(const struct amp_port *port, int (*look)(void *state), void *state, size_t bytes, int *found);
    int (*listen)(const struct amp_port *port, int64_t timeout_ns);
    int (*interrupt)(const struct amp_port *port);
    int (*note)(const struct amp_port *port, unsigned code, uint64_t value);
    int (*retire)(const struct amp_port *port);
    /* For code in which every value is followed (AMP_TOLD). What is computed from values of these times has the time that
     * `join` gives; `drop`: nothing will be said of it any more; `branch`: what comes next hangs on such a value. */
    uint64_t (*join)(const struct amp_port *port, uint64_t a, uint64_t b);
    void (*drop)(const struct amp_port *port, uint64_t time);
    int (*branch)(const struct amp_port *port, uint64_t time);
    int (*isb)(const struct amp_port *port);
    int (*choose)(const struct amp_port *port, unsigned n, unsigned *which); /* 0 <= which < n, each in its turn */
    /* Of a run that decides in time: may the store of the last load that was AMP_EXCLUSIVE be made, as the next access? And:
     * the store of the last load that was AMP_PAIRED, and not AMP_EXCLUSIVE, is not made. */
    int (*may_store)(const struct amp_port *port, bool *may);
    int (*unpair)(const struct amp_port *port);
};

/* A port for a CPU that is open: `cpu` and `seat` stay where they are while it is used. The seat is filled in. */
void amp_port_direct(struct amp_port *port, struct amp_seat *seat, struct amp_direct *cpu);
void amp_port_model(struct amp_port *port, struct amp_seat *seat, struct amp_cpu *cpu);

/* Runs part(port, argument) to its end. 0; AMP_VIOLATED: it called amp_fail(); or the negative errno of what went wrong.
 * `text` (or NULL) gets AMP_TEXT_BYTES that say it in words, empty if there is nothing to say. */
int amp_run(const struct amp_port *port, void (*part)(const struct amp_port *port, void *argument), void *argument,
            char *text);

/* The program has seen what must not be: a violation, in the words of printf. */
_Noreturn void amp_fail(const struct amp_port *port, const char *format, ...) __attribute__((format(printf, 2, 3), cold));
/* Ends the part with a negative errno. */
_Noreturn void amp_give_up(const struct amp_port *port, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));

/* Rings a CPU's doorbell: a store to Device memory. On some machines only a mandatory fence (AMP_FENCE_WMB, AMP_FENCE_MB)
 * keeps that store behind earlier stores to the region. Never blocks. Kicks that are not yet taken are one. Pairs with
 * amp_wait. */
void amp_kick(const struct amp_port *port, unsigned target);
/* Has this CPU's doorbell rung, and been neither taken nor acknowledged? A load of Device memory: it takes nothing, orders
 * nothing, and what was stored before the kick may still not be visible behind it: a barrier for loads orders that. As with
 * amp_load_ctrl_u8(), the value decides a branch before the next store. */
bool amp_rung(const struct amp_port *port);
/* Takes the doorbells that are there when this store arrives: to Device memory, as amp_kick() is. A full barrier keeps
 * later loads behind it. */
void amp_acknowledge(const struct amp_port *port);
/* Sleeps until this CPU's doorbell rings, and takes it; what was stored before the kick is ordered as far as the kick was.
 * timeout_ns < 0: no limit (an exploration has no clock, and refuses one). 0, -ETIMEDOUT, or -ESHUTDOWN: every other CPU
 * has retired. */
int amp_wait(const struct amp_port *port, int64_t timeout_ns);
/*
 * Calls look(state) until it returns something else than 0, and returns that. A look loads, and may stand at read
 * barriers; it does nothing else to the machine. One that returns 0 may count as never made: it leaves `state`, `bytes` of
 * it, as it was, and changes nothing else. An exploration refuses one that does not leave `state` alone.
 */
int amp_poll(const struct amp_port *port, int (*look)(void *state), void *state, size_t bytes);
/* No more accesses from this CPU. Its stores become visible in their own time. */
void amp_retire(const struct amp_port *port);

/*
 * Barriers by name, for code that makes its accesses itself, without a port: this machine's own fence (fences.h). They are
 * never inlined: what runs compiled code on a machine of its own knows them by their symbols.
 */
#define AMP_NAMED_BARRIERS(ROW)                                     \
    ROW(mb) ROW(rmb) ROW(wmb) ROW(smp_mb) ROW(smp_rmb) ROW(smp_wmb) \
    ROW(dma_mb) ROW(dma_rmb) ROW(dma_wmb) ROW(virt_mb) ROW(virt_rmb) ROW(virt_wmb)
#define AMP_NAMED_BARRIER(name) void amp_##name(void);
AMP_NAMED_BARRIERS(AMP_NAMED_BARRIER)
#undef AMP_NAMED_BARRIER

#define AMP_PORT_INLINE static inline __attribute__((always_inline, unused))

/*
 * Of N = 8, 16, 32 and 64 each:
 *   uintN_t amp_load_uN(port, address)            amp_load_acquire_uN: later accesses stay later
 *   uintN_t amp_load_ctrl_uN(port, address)       the value decides a branch before the next store, see above
 *   void amp_store_uN(port, address, value)       amp_store_release_uN: earlier accesses stay earlier
 *   uintN_t amp_xchg_uN(port, address, value), amp_cmpxchg_uN(port, address, old, new), amp_fetch_add_uN(port, address, n)
 *                                                 the old value; fully ordered, as Linux's value-returning atomics are
 * Two uint32_t next to each other, the lower in the low half; one access where the CPU has one for it, else two, in no order:
 *   uint64_t amp_load_ctrl_pair_u32(port, address), void amp_store_pair_u32(port, address, pair)
 * Bytes, of any length and alignment, in no order:
 *   void amp_read(port, address, bytes, length), void amp_write(port, address, bytes, length)
 */
#ifdef AMP_PORT_DIRECT

#define AMP_AT(type, port, address) ((type *)((uintptr_t)(port)->memory + (address)))

#define AMP_PORT_SCALAR(bits)                                                                                         \
    typedef uint##bits##_t __attribute__((may_alias)) amp_shared_u##bits;                                             \
    AMP_PORT_INLINE uint##bits##_t amp_load_u##bits(const struct amp_port *port, uint64_t address)                    \
    {                                                                                                                 \
        return *AMP_AT(const volatile amp_shared_u##bits, port, address);                                             \
    }                                                                                                                 \
    AMP_PORT_INLINE uint##bits##_t amp_load_ctrl_u##bits(const struct amp_port *port, uint64_t address)               \
    {                                                                                                                 \
        return *AMP_AT(const volatile amp_shared_u##bits, port, address);                                             \
    }                                                                                                                 \
    AMP_PORT_INLINE uint##bits##_t amp_load_acquire_u##bits(const struct amp_port *port, uint64_t address)            \
    {                                                                                                                 \
        return __atomic_load_n(AMP_AT(amp_shared_u##bits, port, address), __ATOMIC_ACQUIRE);                          \
    }                                                                                                                 \
    AMP_PORT_INLINE void amp_store_u##bits(const struct amp_port *port, uint64_t address, uint##bits##_t value)       \
    {                                                                                                                 \
        *AMP_AT(volatile amp_shared_u##bits, port, address) = value;                                                  \
    }                                                                                                                 \
    AMP_PORT_INLINE void amp_store_release_u##bits(const struct amp_port *port, uint64_t address,                     \
                                                   uint##bits##_t value)                                              \
    {                                                                                                                 \
        __atomic_store_n(AMP_AT(amp_shared_u##bits, port, address), value, __ATOMIC_RELEASE);                         \
    }                                                                                                                 \
    AMP_PORT_INLINE uint##bits##_t amp_xchg_u##bits(const struct amp_port *port, uint64_t address,                    \
                                                    uint##bits##_t value)                                             \
    {                                                                                                                 \
        return __atomic_exchange_n(AMP_AT(amp_shared_u##bits, port, address), value, __ATOMIC_SEQ_CST);               \
    }                                                                                                                 \
    AMP_PORT_INLINE uint##bits##_t amp_cmpxchg_u##bits(const struct amp_port *port, uint64_t address,                 \
                                                       uint##bits##_t old, uint##bits##_t value)                      \
    {                                                                                                                 \
        __atomic_compare_exchange_n(AMP_AT(amp_shared_u##bits, port, address), &old, value, 0, __ATOMIC_SEQ_CST,      \
                                    __ATOMIC_SEQ_CST);                                                                \
        return old;                                                                                                   \
    }                                                                                                                 \
    AMP_PORT_INLINE uint##bits##_t amp_fetch_add_u##bits(const struct amp_port *port, uint64_t address,               \
                                                         uint##bits##_t n)                                            \
    {                                                                                                                 \
        return __atomic_fetch_add(AMP_AT(amp_shared_u##bits, port, address), n, __ATOMIC_SEQ_CST);                    \
    }

struct amp_shared_pair {
    uint64_t value;
} __attribute__((packed, aligned(4), may_alias));

AMP_PORT_INLINE uint64_t amp_load_ctrl_pair_u32(const struct amp_port *port, uint64_t address)
{
    return AMP_AT(const volatile struct amp_shared_pair, port, address)->value;
}

AMP_PORT_INLINE void amp_store_pair_u32(const struct amp_port *port, uint64_t address, uint64_t pair)
{
    AMP_AT(volatile struct amp_shared_pair, port, address)->value = pair;
}

AMP_PORT_INLINE void amp_read(const struct amp_port *port, uint64_t address, void *bytes, uint64_t length)
{
    memcpy(bytes, port->memory + address, length);
}

AMP_PORT_INLINE void amp_write(const struct amp_port *port, uint64_t address, const void *bytes, uint64_t length)
{
    memcpy(port->memory + address, bytes, length);
}

AMP_PORT_INLINE void amp_fence(const struct amp_port *port, unsigned primitive)
{
    (void)port;
    amp_fence_real(primitive);
}

AMP_PORT_INLINE void amp_barrier(const struct amp_port *port, unsigned site)
{
    if (port->seat->sites)
        amp_fence_real(port->seat->sites[site]);
}

#else

/* port.c: by way of the port's `ops`, until it is done. What goes wrong ends the part. */
uint64_t amp_ported_load(const struct amp_port *port, uint64_t address, unsigned size, unsigned how);
void amp_ported_store(const struct amp_port *port, uint64_t address, unsigned size, uint64_t value, unsigned how);
uint64_t amp_ported_atomic(const struct amp_port *port, uint64_t address, unsigned size, enum amp_atomic op,
                           uint64_t operand, uint64_t expected);
void amp_read(const struct amp_port *port, uint64_t address, void *bytes, uint64_t length);
void amp_write(const struct amp_port *port, uint64_t address, const void *bytes, uint64_t length);
void amp_fence(const struct amp_port *port, unsigned primitive);
void amp_barrier(const struct amp_port *port, unsigned site);

#define AMP_PORT_SCALAR(bits)                                                                                         \
    AMP_PORT_INLINE uint##bits##_t amp_load_u##bits(const struct amp_port *port, uint64_t address)                    \
    {                                                                                                                 \
        return (uint##bits##_t)amp_ported_load(port, address, bits / 8, AMP_GIVEN);                                   \
    }                                                                                                                 \
    AMP_PORT_INLINE uint##bits##_t amp_load_ctrl_u##bits(const struct amp_port *port, uint64_t address)               \
    {                                                                                                                 \
        return (uint##bits##_t)amp_ported_load(port, address, bits / 8, AMP_GIVEN | AMP_CTRL);                        \
    }                                                                                                                 \
    AMP_PORT_INLINE uint##bits##_t amp_load_acquire_u##bits(const struct amp_port *port, uint64_t address)            \
    {                                                                                                                 \
        return (uint##bits##_t)amp_ported_load(port, address, bits / 8, AMP_GIVEN | AMP_ORDERED);                     \
    }                                                                                                                 \
    AMP_PORT_INLINE void amp_store_u##bits(const struct amp_port *port, uint64_t address, uint##bits##_t value)       \
    {                                                                                                                 \
        amp_ported_store(port, address, bits / 8, value, 0);                                                          \
    }                                                                                                                 \
    AMP_PORT_INLINE void amp_store_release_u##bits(const struct amp_port *port, uint64_t address,                     \
                                                   uint##bits##_t value)                                              \
    {                                                                                                                 \
        amp_ported_store(port, address, bits / 8, value, AMP_ORDERED);                                                \
    }                                                                                                                 \
    AMP_PORT_INLINE uint##bits##_t amp_xchg_u##bits(const struct amp_port *port, uint64_t address,                    \
                                                    uint##bits##_t value)                                             \
    {                                                                                                                 \
        return (uint##bits##_t)amp_ported_atomic(port, address, bits / 8, AMP_XCHG, value, 0);                        \
    }                                                                                                                 \
    AMP_PORT_INLINE uint##bits##_t amp_cmpxchg_u##bits(const struct amp_port *port, uint64_t address,                 \
                                                       uint##bits##_t old, uint##bits##_t value)                      \
    {                                                                                                                 \
        return (uint##bits##_t)amp_ported_atomic(port, address, bits / 8, AMP_CMPXCHG, value, old);                   \
    }                                                                                                                 \
    AMP_PORT_INLINE uint##bits##_t amp_fetch_add_u##bits(const struct amp_port *port, uint64_t address,               \
                                                         uint##bits##_t n)                                            \
    {                                                                                                                 \
        return (uint##bits##_t)amp_ported_atomic(port, address, bits / 8, AMP_ADD, n, 0);                             \
    }

AMP_PORT_INLINE uint64_t amp_load_ctrl_pair_u32(const struct amp_port *port, uint64_t address)
{
    uint64_t low = amp_ported_load(port, address, 4, AMP_GIVEN | AMP_CTRL);

    return low | amp_ported_load(port, address + 4, 4, AMP_GIVEN | AMP_CTRL) << 32;
}

AMP_PORT_INLINE void amp_store_pair_u32(const struct amp_port *port, uint64_t address, uint64_t pair)
{
    amp_ported_store(port, address, 4, (uint32_t)pair, 0);
    amp_ported_store(port, address + 4, 4, pair >> 32, 0);
}

#endif

AMP_PORT_SCALAR(8)
AMP_PORT_SCALAR(16)
AMP_PORT_SCALAR(32)
AMP_PORT_SCALAR(64)
#undef AMP_PORT_SCALAR

#endif
