/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * core.h - the machine between the processors: memory that reorders, doorbells, turns.
 *
 * One region is shared by all processes. In it lie the memory the processors share (bytes, little endian) and, apart
 * from it, the model's own state. A process opens one CPU and makes that CPU's accesses through it; nothing else may
 * touch the shared memory while a model is running.
 *
 * Addresses are byte offsets from the start of the region. Scalars are 1, 2, 4 or 8 bytes and aligned to their size.
 * Every function returns 0 or a negative errno:
 *   -EFAULT     the access lies outside the shared memory        -EINVAL   not aligned, or not a size/number we know
 *   -EPIPE      another CPU's process died                       -EDEADLK  every CPU waits and no doorbell is under way
 *   -ESHUTDOWN  every other CPU has retired                      -ETIMEDOUT, -EINTR  as usual
 *   -EPROTO     the room does not hold a model of this version, or one that something else has written into
 *   -EILSEQ     the schedule does not fit what the CPUs do: the run is over for all of them (amp_model_misfit says why)
 */
#ifndef AMP_CORE_H
#define AMP_CORE_H

#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

#define AMP_CPUS 6        /* the most CPUs of one machine */
#define AMP_PRIMITIVES 224 /* room in the table of barriers, indexed by the primitive's number */
#define AMP_INSTRUCTIONS 32 /* from this number on: instructions of compiled code, which no program names */
#define AMP_GRANULE 8     /* bytes that one aligned access may cover at most; memcpy promises no more than this */

/* What a barrier, or the hardware without one, orders: the kind of access before -> the kind after. */
enum amp_orders {
    AMP_RR = 1,
    AMP_RW = 2,
    AMP_WR = 4,
    AMP_WW = 8,
    AMP_WD = 16,   /* memory write -> doorbell, a store to Device memory */
    AMP_RCSC = 32, /* a load-acquire that waits for this CPU's earlier store-releases (Arm LDAR; not LDAPR) */
    AMP_NO_STATUS_BEFORE = 64, /* it orders no devices before it, neither a mailbox's status nor a doorbell (RISC-V: no i, o) */
    AMP_NO_STATUS_AFTER = 128, /* a load of a mailbox's status behind it is none of the loads that it keeps */
    AMP_TRACED = 63,           /* what the trace tells of a barrier */
};

/* Does an order of stores before loads keep doorbells, and acknowledgements, before those as well? */
static inline bool amp_orders_doorbells(uint8_t orders)
{
    return orders & AMP_WD && !(orders & AMP_NO_STATUS_BEFORE);
}

/* Does an order of stores keep doorbells, and acknowledgements, before later stores as well? A RISC-V fence does not that
 * names no o: here one that has o behind it, and keeps stores, does all the same; the explorer knows better (graph.h). */
static inline bool amp_keeps_doorbells(uint8_t orders)
{
    return orders & AMP_WW && (orders & AMP_WD || !(orders & AMP_NO_STATUS_BEFORE));
}

/* Does an order of loads before stores keep them before later doorbells as well? A RISC-V fence with no o behind it does
 * not. */
static inline bool amp_keeps_for_doorbells(uint8_t orders)
{
    return orders & AMP_RW && (orders & AMP_WD || !(orders & AMP_NO_STATUS_AFTER));
}

/* How the CPUs take turns. */
enum amp_mode {
    AMP_FREE = 0,     /* as fast as each process goes; one lock guards the model */
    AMP_LOCKSTEP = 1, /* one access at a time, in the order the seed decides: same seed, same run */
};

/* Which question a choice answers. */
enum amp_question {
    AMP_WHICH_WRITE,  /* of the writes this load may return, newest first */
    AMP_WHICH_STORE,  /* of the pending stores that may become visible */
    AMP_DRAIN_NOW,    /* does a store become visible before the next access? 0: yes */
    AMP_PERFORM_NOW,  /* is a deferred load performed before the next access? 0: yes */
    AMP_WHOSE_TURN,   /* of the CPUs that can go on, the present one first if it can */
    AMP_WHOSE_STORES, /* of the CPUs with pending stores */
    AMP_HELP_NOW,     /* free: does another CPU's store become visible as well? 0: yes */
};

struct amp_model_config {
    uint32_t cpus;
    uint32_t mode;         /* enum amp_mode */
    uint64_t shared_start; /* the shared memory, granule aligned */
    uint64_t shared_end;
    uint32_t store_depth;  /* pending stores a CPU holds before the oldest are forced out; 2..AMP_STORES */
    uint32_t log_writes;   /* how many visible writes stay readable as stale values; a power of two */
    uint32_t trace_events; /* how many events the trace keeps; a power of two */
    uint64_t seed;
};

#define AMP_SPIN_NS 20000 /* a waiter's default: a futex wake-up across CPUs costs about that much */
#define AMP_STORES 256 /* entries (stores and marks) in one CPU's list of pending stores */

/* One event of the trace: 40 bytes, native (little) endian. Its number is its position, counted from 1. */
struct amp_event {
    uint64_t value;   /* STORE, LOAD: the value (bulk: the first 8 bytes); NOTE: anything */
    uint64_t store;   /* the number of the STORE or KICK event this is about: made, became visible, was read; 0 none */
    uint64_t newest;  /* LOAD: the newest visible store to these bytes at that moment; else 0 */
    uint32_t address;
    uint32_t size;
    uint8_t cpu;
    uint8_t kind;      /* enum amp_event_kind */
    uint8_t site;      /* BARRIER: the site it stands at, 0 none */
    uint8_t primitive; /* BARRIER: which; NOTE: the note's code; LOAD: how many visible writes it missed, at most 255 */
    uint8_t orders;    /* BARRIER: what it really orders towards the other CPUs */
    uint8_t flags;     /* enum amp_event_flag */
    uint16_t load; /* LOAD: which of its CPU's loads this is, counted from 0 when issued, modulo 2^16; else 0 */
};

enum amp_event_kind {
    AMP_EV_STORE = 1, /* issued: pending from now on */
    AMP_EV_VISIBLE,   /* one granule of a store reached the other CPUs */
    AMP_EV_LOAD,
    AMP_EV_BARRIER,
    AMP_EV_KICK,      /* a doorbell store issued; address = the CPU it rings */
    AMP_EV_RUNG,      /* it became visible */
    AMP_EV_TAKEN,     /* the rung CPU took the interrupt */
    AMP_EV_WAIT,      /* a CPU went to wait */
    AMP_EV_STALL,
    AMP_EV_RETIRE,
    AMP_EV_NOTE,
    AMP_EV_STATUS,       /* a load of the CPU's own mailbox; value: has its doorbell rung, and not been taken? */
    AMP_EV_ACKNOWLEDGE,  /* a store that takes its doorbell issued; address = its own CPU */
    AMP_EV_ACKNOWLEDGED, /* it became visible */
    AMP_EV_SEEN,         /* one granule of a store reached one CPU, which is the primitive's number; its own: it left its domain */
};

enum amp_event_flag {
    AMP_FL_STALE = 1,     /* LOAD: a newer visible write existed */
    AMP_FL_FORWARDED = 2, /* LOAD: (some bytes) from this CPU's own pending stores */
    AMP_FL_DEFERRED = 4,  /* LOAD: performed later than issued */
    AMP_FL_PART = 8,      /* LOAD: one stale granule of the bulk load that follows */
    AMP_FL_RELEASE = 16,
    AMP_FL_ACQUIRE = 32,
    AMP_FL_ATOMIC = 64,
    AMP_FL_SIBLINGS = 128, /* VISIBLE: to the siblings of its CPU only; to the others later */
};

#define AMP_GOALS 65536 /* the most goals of a schedule */
#define AMP_INITIAL 255 /* as the source's CPU: memory as it was at the start */

enum amp_goal_kind { AMP_GOAL_VISIBLE = 1, AMP_GOAL_READ, AMP_GOAL_TAKEN, AMP_GOAL_NEAR };

/*
 * One goal of a schedule: 16 bytes, native (little) endian. Stores, kicks among them, and loads are counted from 0, each
 * CPU's its own, when they are issued; an atomic counts as a load and, if it stores, as a store. Parts are the granules
 * of a bulk access, from 0 in the order of their addresses; a scalar has part 0 only.
 *   VISIBLE  a part of a store, or a doorbell, becomes visible
 *   READ     a part of a load is performed; the newest write among the bytes it takes from memory is `source`'s. Goals
 *            of loads performed together stand next to each other, in any order.
 *   TAKEN    the CPU's wait returns with the interrupt
 *   NEAR     as VISIBLE, to the siblings of its CPU: on a machine of siblings and others, where VISIBLE is to the others
 */
struct amp_goal {
    uint8_t kind; /* enum amp_goal_kind */
    uint8_t cpu;
    uint8_t source_cpu; /* READ: whose store, or AMP_INITIAL */
    uint8_t reached;    /* the core's; 0 in what it is given */
    uint32_t access;    /* VISIBLE: which store; READ: which load */
    uint32_t part;
    uint32_t source; /* READ: which store of source_cpu */
};

struct amp_model;
struct amp_deferred;

/* The load of an atomic of two accesses: its bytes, the store that it returned (0: the initial value), and when that was:
 * by turns, by the writes that were visible, and by how many stores its CPU had issued. */
struct amp_paired {
    uint64_t store, turn, now;
    uint32_t granule, stores;
    uint8_t mask;
};

/* One process's handle on one CPU. Process-local; `model` and `memory` point into the region. */
struct amp_cpu {
    struct amp_model *model;
    uint8_t *memory; /* the region's first byte */
    uint32_t *board; /* the doorbells' word */
    unsigned id;
    uint32_t (*choose)(struct amp_cpu *cpu, uint32_t n, enum amp_question question); /* 0 <= answer < n */
    void *chooser;
    struct amp_deferred *deferred; /* oldest first */
    uint64_t spin_ns;              /* how long a waiter spins before it sleeps */
    int kept_turn;                 /* lockstep by a schedule: by its last access; another CPU has had none since */
    bool failed;     /* its part has failed: the caller's to set before the CPU retires */
    bool holds_turn; /* lockstep: its last access was such a load, and the store may follow */
    bool holds_lock; /* free mode: the same; nobody else makes an access until the CPU's next, or amp_unpair() */
    struct amp_paired pair; /* the last such load */
    uint64_t origin; /* the latest time of the values that the next store is computed from; 0: none. The caller's to set */
};

/* A bulk load whose bytes nobody needs yet. The caller owns it and keeps it in place until it is performed. */
struct amp_deferred {
    struct amp_deferred *next;
    uint64_t address, length, floor, floor_far;
    uint32_t number; /* which of its CPU's loads */
    uint64_t time; /* once performed: the newest write read */
    uint8_t *bytes;
    int performed;
};

struct amp_word {
    uint64_t value;
    uint64_t time; /* when the write it was read from became visible; 0: initial, or from this CPU's own pending store */
};

enum amp_atomic { AMP_XCHG, AMP_ADD, AMP_CMPXCHG };

/* --- the model's room: the process that builds the machine ------------------------------------------------------ */

size_t amp_model_room(const struct amp_model_config *config);
int amp_model_init(void *room, size_t size, const struct amp_model_config *config);
/* What the hardware keeps by itself, and what each primitive orders towards the other CPUs. */
int amp_model_set_orders(void *room, size_t size, unsigned cpu, uint8_t implicit, const uint8_t *orders, size_t n);
/*
 * Which CPUs are siblings: a domain for each of the configuration's CPUs, 0 to AMP_CPUS - 1. If some are and some are not,
 * stores reach the siblings first and the others last, and `amp_model_set_near` says what a barrier is worth to siblings;
 * else all see a store at once, as after amp_model_init. Before any CPU runs.
 */
int amp_model_set_domains(void *room, size_t size, const uint8_t *domains, size_t n);
/* After amp_model_set_orders, which says the same of the others: what each primitive orders towards the CPU's siblings. */
int amp_model_set_near(void *room, size_t size, unsigned cpu, const uint8_t *orders, size_t n);
/*
 * Last of these: the CPUs, a bit each, whose stores reach the others one by one, as on a machine that is not multi-copy
 * atomic. Of two CPUs it means nothing.
 */
int amp_model_set_copies(void *room, size_t size, uint8_t copied);
/* All CPUs back at the start; the shared bytes are the caller's to clear. No CPU may be running. */
int amp_model_reset(void *room, size_t size, uint64_t seed);
/*
 * Lockstep by a schedule instead of by chance: `goals`, n of struct amp_goal at any alignment, are reached in this order,
 * and then the run is finished by a fixed rule. After amp_model_init; a reset starts the schedule anew. -E2BIG if there are
 * more than AMP_GOALS, -EINVAL for a goal that makes no sense, or if the mode is not lockstep.
 */
int amp_model_set_schedule(void *room, size_t size, const void *goals, size_t n);
/* 1 if the schedule did not fit: `goal` is its number, counted from 1, `text` why in words. 0 if it fits so far. */
int amp_model_misfit(const void *room, size_t size, uint64_t *goal, char *text, size_t length);
/* A CPU's process died: every other CPU's access fails with -EPIPE from now on. Callable at any moment. */
int amp_model_lost(void *room, size_t size, unsigned cpu);
/*
 * An interrupt from outside the machine: rings that CPU's doorbell. Orders nothing, leaves no event, never blocks; callable
 * at any moment, by any thread. -EINVAL under lockstep, where only CPUs act.
 */
int amp_model_ring(void *room, size_t size, unsigned cpu);

struct amp_model_state {
    uint64_t events;  /* in all; the trace keeps the last trace_events of them */
    uint64_t digest;  /* over every event, also those no longer kept */
    uint64_t writes;  /* that became visible */
    uint64_t trace_offset, trace_events; /* where in the room, how many it keeps */
    uint64_t stalls;
    uint64_t turns;   /* lockstep: accesses made */
    uint64_t goals, reached; /* of the schedule */
};
int amp_model_state(const void *room, size_t size, struct amp_model_state *state);

/* --- one CPU ----------------------------------------------------------------------------------------------------- */

int amp_cpu_open(struct amp_cpu *cpu, void *room, size_t size, uint8_t *memory, unsigned id);
int amp_shared_bounds(const struct amp_cpu *cpu, uint64_t *start, uint64_t *end);
/* How many accesses the others may make behind a CPU whose part has failed, of all of them together, while no store becomes
 * visible: who has still to do with what it left is done by then, a poll included (amp.port.port). Who only looks on is
 * told that a CPU died. */
#define AMP_ONLOOKING (UINT64_C(1) << 19)
int amp_cpu_retire(struct amp_cpu *cpu); /* no more accesses; its pending stores still become visible in their time */

/* `after` is the time of the value the address was computed from (an address dependency), or 0. An acquire, and a release,
 * that is not 1 is the number of the primitive that orders the access in place of the platform's own. */
int amp_load(struct amp_cpu *cpu, uint64_t address, unsigned size, uint64_t after, int acquire, struct amp_word *out);
int amp_store(struct amp_cpu *cpu, uint64_t address, unsigned size, uint64_t value, int release);
/* Fully ordered as Linux's value-returning atomics are: smp_mb() on both sides. `out` is the old value. */
int amp_atomic(struct amp_cpu *cpu, uint64_t address, unsigned size, enum amp_atomic op, uint64_t operand,
               uint64_t expected, struct amp_word *out);
/*
 * An atomic of two accesses, as compiled code makes them: a load, and if it comes to that the store that belongs to it. Each
 * is ordered by its own primitive, 0: by none. `whole`: by this primitive nothing passes the two, in either direction, nor
 * comes between them; `behind`: all that comes later in the program comes behind the store.
 * Of one instruction the store is the CPU's next access: until then nobody else makes one. Where it stays away, in free
 * mode amp_unpair() says so. Of two (`exclusive`) others go on in between in free mode, and amp_may_store_paired() says whether the store
 * may be made: `may`, no store to these bytes has become visible behind what the load has returned. Then it is the next access.
 * amp_store_paired: -ENOTSUP if one has.
 */
int amp_load_paired(struct amp_cpu *cpu, uint64_t address, unsigned size, uint64_t after, unsigned acquire, unsigned whole,
                    bool exclusive, struct amp_word *out);
int amp_may_store_paired(struct amp_cpu *cpu, bool *may);
int amp_unpair(struct amp_cpu *cpu);
int amp_store_paired(struct amp_cpu *cpu, uint64_t address, unsigned size, uint64_t value, unsigned release,
                     unsigned whole, bool behind);
/* Bulk: any length and alignment; granule by granule, in no order. */
int amp_load_bulk(struct amp_cpu *cpu, struct amp_deferred *load, uint64_t after);
int amp_perform(struct amp_cpu *cpu, struct amp_deferred *load);
void amp_forget(struct amp_cpu *cpu, struct amp_deferred *load);
int amp_store_bulk(struct amp_cpu *cpu, uint64_t address, const uint8_t *bytes, uint64_t length);
int amp_cpu_barrier(struct amp_cpu *cpu, unsigned primitive, unsigned site);
int amp_cpu_kick(struct amp_cpu *cpu, unsigned target);
/* Loads whether this CPU's doorbell has rung, 1, and been neither taken nor acknowledged; else 0. A load of Device memory. */
int amp_cpu_status(struct amp_cpu *cpu, uint64_t after, struct amp_word *out);
/* Takes the doorbells that are there when it arrives: a store to Device memory, as a kick is. */
int amp_cpu_acknowledge(struct amp_cpu *cpu);
/* timeout_ns < 0: no limit. Lockstep has no clock: there a limit is over when nobody can go on and nothing is under way. */
int amp_cpu_wait(struct amp_cpu *cpu, int64_t timeout_ns);
/*
 * For a second thread, while the CPU's own is not inside amp_cpu_wait: sleeps until a doorbell is there to be taken, or on its
 * way, and takes nothing. Reads the board's word only. timeout_ns >= 0. -ENOTSUP under lockstep: who waits there passes
 * its turn on.
 */
int amp_listen(const struct amp_cpu *cpu, int64_t timeout_ns);
int amp_interrupt(const struct amp_cpu *cpu); /* amp_model_ring for this CPU itself; -ENOTSUP under lockstep */
int amp_note(struct amp_cpu *cpu, unsigned code, uint64_t value);

#endif
