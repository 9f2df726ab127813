/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * model.h - the state of the ordering model, and the rules on it. No locks, no turns, no clock: gate.c decides when an
 * access is made; here stands what it does. All state lies in the region; positions are offsets, never pointers.
 *
 * Time counts the granule writes that became visible: write number t made the memory "as of t". A load picks a moment
 * and returns the memory as of then, so it may be stale; how far back is bounded by
 *   floor       nothing older may be read by this CPU's later loads (barriers, interrupts, acquires raise it);
 *   coherence   no byte may be read older than this CPU has read or written it (`known` in the log);
 *   after       the time of the value that the address was computed from.
 * The log keeps the last `log_writes` writes; what fell out of it can no longer be read stale. That, and `store_depth`,
 * are the model's finite sizes: they only take behaviours away that need more than so many writes in flight.
 *
 * Stages. Where some CPUs are siblings and some are not (levels == 2; stages.c, staged_loads.c), a store leaves the store
 * buffer for its siblings, and is one of `inner` until the others see it, too. Both are steps of the one time. A CPU has a
 * floor for what its siblings wrote and one, `floor_far`, for what the others did; and so on for whatever is a time. Bytes
 * that the others do not see yet no other domain writes: coherence is one order for all.
 *
 * Observers. Where a CPU's stores reach the others one by one (`copied`; observers.c), both steps only say who may see the
 * store from then on; that each of these CPUs does is a step of its own. Then there are siblings alone, too: levels is 2.
 */
#ifndef AMP_MODEL_H
#define AMP_MODEL_H

#include <pthread.h>
#include <stdbool.h>

#include "granule.h"

#define AMP_MAGIC UINT64_C(0x36306c65646f4d41) /* "AModel06" */

#define AMP_LINE 64 /* bytes of a cache line, or more than one */

enum amp_store_kind { AMP_MEMORY = 1, AMP_DOORBELL = 2, AMP_MARK = 4 };

/* Of a mark, beside bits of enum amp_orders: its W->R is of doorbells as well, the next load waits for them, too; its W->W
 * is, later stores wait for them; and a load of a status is among the loads that its W->R is of. */
enum { AMP_MARK_DOORBELLS = 32, AMP_MARK_STORES = 64, AMP_MARK_STATUS = 128 };
#define AMP_AT_ONCE 1 /* an atomic's store: no other comes between what it has read and this */
/* Whom a release waits for: siblings (without any, everybody); the others; what was read, for all; and whether for
 * doorbells, too. With observers: what was read of siblings, and of the others, for its siblings. */
enum amp_towards {
    AMP_NEAR = 1,
    AMP_FAR = 2,
    AMP_CARRIED = 4,
    AMP_BEHIND_DOORBELLS = 8,
    AMP_CARRIED_NEAR = 16,
    AMP_CARRIED_IN = 32,
};

/* A pending store of one granule, a doorbell, or a mark that keeps those ahead of it ahead of those behind it. */
struct amp_pending {
    uint64_t store;   /* the number of its STORE or KICK event */
    uint64_t value;   /* bytes in place: byte i of the granule at bit 8i; DOORBELL: the target; MARK: for the others */
    uint32_t granule; /* counted from the start of the shared memory */
    uint8_t mask;     /* which of its bytes; 0 for a doorbell or a mark */
    uint8_t kind;     /* enum amp_store_kind */
    /* MARK: of AMP_WR (the next load waits), AMP_WW, AMP_WD, AMP_MARK_*; with siblings, for them. Else AMP_AT_ONCE or 0. */
    uint8_t orders;
    uint8_t release;  /* waits for everything ahead of it: bits of enum amp_towards */
    uint32_t number;  /* which of its CPU's stores */
    uint32_t part;    /* which of that store's granules */
};

/* A visible write of one granule, a cache line. Write number t lies in slot t % log_writes. */
struct amp_write {
    uint64_t value, before; /* the masked bytes after and before it */
    uint64_t older;         /* the number of the previous write to this granule; 0 or fallen out: none */
    uint64_t other;         /* that of the newest of these that touches a byte this one does not; the same */
    uint64_t store;
    uint64_t far;           /* with siblings: when the others saw it; 0: not yet */
    uint32_t granule;
    uint8_t mask;
    uint8_t known[AMP_CPUS]; /* bytes of it that this CPU has read or made: coherence */
    uint8_t owner;
    uint32_t number; /* which of the owner's stores */
};

#define AMP_INNERS 256 /* of all CPUs */
#define AMP_INNER_WORDS (AMP_INNERS / 64)

struct amp_inners {
    uint64_t bit[AMP_INNER_WORDS];
};

enum amp_later { AMP_LATER_STORE, AMP_LATER_DOORBELL, AMP_LATER_LOAD, AMP_LATERS };

/* A store, or doorbell, that the siblings of its CPU see, and the others do not yet. */
struct amp_inner {
    uint64_t store, value;
    uint64_t near;           /* when siblings saw it */
    struct amp_inners first; /* those that the others see before it */
    uint32_t granule, number, part;
    uint32_t read_at[AMP_CPUS]; /* by that sibling: 1 + how many stores it had issued by then; 0: not read */
    /* Of that CPU, which stores the others see after it: 1 + the number of the first; 0: none. A load: not 0, the next. */
    uint32_t behind[AMP_CPUS][AMP_LATERS];
    uint8_t owner, mask;
    uint8_t kind; /* enum amp_store_kind; 0: a free place */
    uint8_t release;
};

/* With observers, beside an inner store: who is to see it yet, and what waits until the siblings of a CPU do. */
struct amp_copies {
    /* Of that CPU, which stores wait until its siblings see it, and which load, as `behind`. */
    uint32_t behind_near[AMP_CPUS][AMP_LATERS];
    uint64_t place; /* in the coherence order of its granule, see amp_sights */
    uint8_t left;   /* by CPU, a bit */
    bool is_out;    /* it has taken its second step: the others may see it */
    bool at_once;
};

/* With observers, beside a write of the log: when each CPU saw it, or a newer one of its bytes; 0: not yet. And where it
 * stands among those of its granule: a newer one, in the order of coherence, has a larger number. */
struct amp_sights {
    uint64_t at[AMP_CPUS];
    uint64_t place;
};

/* What came to a mailbox: a doorbell, or its owner's acknowledgement. */
struct amp_mail {
    uint64_t time, store; /* store: the event that issued it */
    uint64_t far;         /* with siblings, of one's doorbell: when the others would have seen it; 0: not yet */
    uint32_t number;      /* of that CPU's stores */
    uint8_t cpu;
    bool rings;
};
#define AMP_MAILS 16 /* that a mailbox remembers */

enum amp_cpu_status { AMP_RUNNING = 0, AMP_WAITING, AMP_RETIRED };

struct amp_cpu_state {
    _Alignas(AMP_LINE) uint8_t implicit; /* what the hardware orders by itself */
    uint8_t orders[AMP_PRIMITIVES];      /* what each primitive really orders towards the others */
    uint8_t near[AMP_PRIMITIVES];        /* with siblings: towards them */
    uint32_t status;                 /* enum amp_cpu_status */
    uint32_t parked;                 /* lockstep: sleeps on the turn */
    uint32_t limited, expired;       /* lockstep: it waits with a limit, which is over */
    uint32_t in_vain;                /* lockstep: its limits that were over since the memory last changed */
    uint64_t unchanged;              /* lockstep: `now` of that change */
    uint32_t entries;
    uint32_t held; /* 0: none of the pending marks keeps a load waiting */
    uint64_t floor, seen, made, rung_time;
    uint32_t mails, mail_known, mail_taken; /* that came; the newest that its CPU knows of, and that was taken, from 1 */
    struct amp_mail mail[AMP_MAILS];        /* by number, modulo */
    uint64_t status_seen;                   /* the newest time at which it has seen its mailbox */
    uint64_t status_floor;                  /* no status is as of before it: `floor`, but for what fences leave open */
    uint64_t released; /* when its newest visible store-release became so */
    uint64_t floor_far, seen_far, made_far; /* with siblings: the same of, or for, the others */
    uint64_t passed_on; /* the newest time at which the others saw a sibling's store that it has read; with observers, all any */
    uint64_t passed_near, passed_in; /* with observers: at which its siblings saw one of a sibling, and of the others */
    uint64_t origin[AMP_STORES]; /* the time of what each of `pending` was computed from */
    uint32_t inner;     /* how many of its stores are */
    uint64_t random;
    uint32_t stores, loads; /* issued */
    _Alignas(AMP_LINE) struct amp_pending pending[AMP_STORES]; /* program order */
};

enum amp_lost { AMP_DIED = 1, AMP_MISFIT, AMP_BROKEN };

/* Lockstep by a schedule: schedule.c. */
struct amp_schedule {
    uint32_t set;
    uint32_t goals;
    uint32_t next;   /* the first that is not reached; all are, or it does not fit: goals */
    uint32_t misfit; /* enum amp_misfit: why it does not fit, 0 if it does */
    uint32_t failed; /* which goal */
    uint64_t event;  /* after which event */
    uint64_t since;  /* turns made when the last goal was reached */
};

/*
 * What is read by all, what is written under the lock, and what is written without it lie on lines of their own: who spins
 * on the board or the turn must not slow down who has the lock or the turn.
 */
struct amp_model {
    /* Written when a run is set up, but for `lost`. */
    uint64_t magic;
    struct amp_model_config config;
    uint64_t heads_offset, log_offset, sights_offset, trace_offset, schedule_offset, size;
    uint64_t epoch; /* writes up to this one belong to an earlier run */
    /* This run's temper, drawn from its seed; each a "one in so many". */
    uint32_t drain_one_in;   /* accesses after which stores leave */
    uint32_t newest_one_in;  /* stores leaving that are the newest that may */
    uint32_t stale_one_in;   /* loads that are not simply given the newest value */
    uint32_t perform_one_in; /* accesses after which a deferred load is performed */
    uint32_t switch_one_in;  /* lockstep: accesses after which the turn may go to another CPU */
    uint32_t lost;           /* enum amp_lost: the run is over */

    _Alignas(AMP_LINE) pthread_mutex_t lock; /* free mode: robust, process-shared */
    uint64_t now;                            /* the newest visible write */
    uint64_t events, digest;

    _Alignas(AMP_LINE) uint32_t board; /* bell.h */
    uint32_t turn;                     /* lockstep: whose; a futex */

    _Alignas(AMP_LINE) uint64_t random; /* lockstep: the one generator */
    uint64_t stalls, turns;
    uint32_t stalled;
    uint32_t failed;      /* a CPU has retired because its part has failed */
    uint64_t onlooking;   /* since then: the accesses behind the last write that became visible, */
    uint64_t onlooked_at; /* which was this one */
    struct amp_schedule schedule;

    struct amp_cpu_state cpu[AMP_CPUS];

    uint32_t levels; /* 2: there are siblings and others */
    uint8_t domain[AMP_CPUS];
    struct amp_inner inner[AMP_INNERS];

    uint8_t copied;     /* by CPU, a bit: its stores reach the others one by one */
    bool one_distance;  /* ... and all are at one distance */
    uint32_t inner_top; /* with observers: the places from this one on are free */
    struct amp_copies copies[AMP_INNERS];
};

static inline bool amp_staged(const struct amp_model *m)
{
    return m->levels == 2;
}

/* Do some CPUs' stores reach the others one by one? */
static inline bool amp_observed(const struct amp_model *m)
{
    return m->copied != 0;
}

static inline uint64_t *amp_heads(struct amp_model *m)
{
    return (uint64_t *)((uint8_t *)m + m->heads_offset);
}

static inline struct amp_write *amp_log(struct amp_model *m, uint64_t number)
{
    return (struct amp_write *)((uint8_t *)m + m->log_offset) + (number & (m->config.log_writes - 1));
}

static inline struct amp_sights *amp_sights(struct amp_model *m, uint64_t number)
{
    return (struct amp_sights *)((uint8_t *)m + m->sights_offset) + (number & (m->config.log_writes - 1));
}

/* Is write `number` of this run, and still in the log? */
static inline bool amp_logged(const struct amp_model *m, uint64_t number)
{
    return number > m->epoch && number + m->config.log_writes > m->now;
}

/*
 * The next write behind `t`, going back, that may touch `mask`. A ring's index is written a thousand times while the flags
 * beside it stay as they are: a load of the flags steps over these in one go.
 */
static inline uint64_t amp_earlier(struct amp_model *m, uint64_t t, uint8_t mask)
{
    const struct amp_write *write = amp_log(m, t);

    return write->mask & mask ? write->older : write->other;
}

static inline struct amp_cpu_state *amp_state(struct amp_cpu *cpu)
{
    return &cpu->model->cpu[cpu->id];
}

static inline uint64_t amp_max(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* room.c: the room as a model; NULL if it holds none, or does not fit. */
struct amp_model *amp_model_in(const void *room, size_t size);
/* Are the sizes in it such as the model makes? What lies in the region anybody may have written. */
bool amp_model_sane(const struct amp_model *m);
/* It is not: the run is over, for every CPU. */
void amp_model_broken(struct amp_model *m);

/* Why a run that is over is so. */
static inline int amp_lost_error(uint32_t lost)
{
    return lost == AMP_MISFIT ? -EILSEQ : lost == AMP_BROKEN ? -EPROTO : -EPIPE;
}

/* What a primitive orders, towards siblings and towards the others. Without siblings both are the same. */
struct amp_kept {
    uint8_t near, far;
};

/* A load's floors, for what siblings wrote and for what the others did. Without siblings: `near`, of everybody. */
struct amp_floors {
    uint64_t near, far;
};

static inline struct amp_floors amp_floors_of(struct amp_cpu *cpu, uint64_t after)
{
    const struct amp_cpu_state *state = amp_state(cpu);

    return (struct amp_floors){amp_max(state->floor, after), amp_max(state->floor_far, after)};
}

/* stores.c: pending stores and how they become visible. */
unsigned amp_eligible(const struct amp_cpu_state *state, unsigned out[AMP_STORES]);
void amp_make_visible(struct amp_cpu *cpu, unsigned owner, unsigned entry);
unsigned amp_drain(struct amp_cpu *cpu, unsigned owner, unsigned most); /* of those that may go now; how many did */
bool amp_may_drain(const struct amp_model *m, unsigned owner);          /* is there one? */
void amp_write_granule(struct amp_cpu *cpu, unsigned owner, const struct amp_pending *store);
bool amp_is_store(const struct amp_model *m, const struct amp_pending *store);
void amp_drop_entry(struct amp_cpu *cpu, unsigned owner, unsigned entry); /* and marks with nothing ahead of them */
unsigned amp_ahead_of_loads(const struct amp_cpu_state *state); /* of the last mark that the next load waits for */
void amp_settle_loads(struct amp_cpu *cpu); /* what barriers put before the CPU's next load is visible */
void amp_settle_marks(struct amp_cpu *cpu); /* the same; with siblings, to them */
void amp_order_before_load(struct amp_cpu *cpu); /* the hardware orders stores before its next load by itself */

/* Before a load: what barriers, and the hardware, put before it is visible. */
static inline void amp_settle_before_load(struct amp_cpu *cpu)
{
    const struct amp_cpu_state *state = amp_state(cpu);

    if (state->implicit & AMP_WR)
        amp_order_before_load(cpu);
    if (state->held || amp_staged(cpu->model))
        amp_settle_loads(cpu);
}
void amp_settle_before_status(struct amp_cpu *cpu); /* the same before a load of a status */
void amp_push_store(struct amp_cpu *cpu, struct amp_pending store);
void amp_push_mark(struct amp_cpu *cpu, struct amp_kept kept);
void amp_settle(struct amp_cpu *cpu, uint32_t granule, uint8_t mask);
void amp_settle_releases(struct amp_cpu *cpu);

/* mailbox.c. A pending store to a mailbox has the CPU that it rings as its value, or AMP_CPUS more: an acknowledgement. */
static inline unsigned amp_mailbox_of(uint64_t value)
{
    return (unsigned)(value % AMP_CPUS);
}
void amp_ring_doorbell(struct amp_cpu *cpu, unsigned owner, const struct amp_pending *store); /* it arrives */
void amp_mailbox_taken(struct amp_cpu *cpu);
/* A doorbell that came to a sibling has left their domain, too. */
void amp_doorbell_out(struct amp_model *m, unsigned owner, const struct amp_pending *store);
void amp_settle_mailbox(struct amp_cpu *cpu);

/* stages.c: where some are siblings and some are not. */
#define AMP_STEP_FAR AMP_STORES /* a step below: an entry for its siblings; from here on: an inner store for the others */
#define AMP_STEP_SEEN (AMP_STORES + AMP_INNERS) /* from here on: an inner store, times AMP_CPUS, for that CPU */
#define AMP_STEPS (AMP_STEP_SEEN + AMP_INNERS * AMP_CPUS)
unsigned amp_steps_near(const struct amp_model *m, unsigned owner, unsigned out[AMP_STORES]);
unsigned amp_steps(const struct amp_model *m, unsigned owner, unsigned out[AMP_STEPS]);
void amp_make_step(struct amp_cpu *cpu, unsigned owner, unsigned step);
bool amp_push_on(struct amp_cpu *cpu); /* one step towards all of this CPU's stores being seen by all; false: they are */
bool amp_push_any(struct amp_cpu *cpu); /* the same, whatever a schedule says */
void amp_stage_barrier(struct amp_cpu *cpu, struct amp_kept orders);
bool amp_loads_wait(struct amp_cpu *cpu); /* is there a store that this CPU's next load waits for? */
bool amp_releases_wait(const struct amp_cpu *cpu);
/* This CPU has read another's write; `orders` are those of an acquire. */
void amp_stage_read(struct amp_cpu *cpu, uint64_t write, struct amp_kept orders);
/* This CPU has heard another's doorbell. */
void amp_stage_heard(struct amp_cpu *cpu, const struct amp_mail *mail);
/* Is a store ordered behind an inner one, towards the others: by barriers, as a release, or by the hardware? */
bool amp_goes_behind(const struct amp_model *m, const struct amp_inner *inner, const struct amp_pending *store, unsigned owner);
bool amp_is_before(const struct amp_inner *inner, const struct amp_pending *store); /* of one CPU, in program order */
bool amp_is_kept_behind(const struct amp_inner *inner, const struct amp_pending *store, uint8_t implicit);
bool amp_is_same_place(const struct amp_inner *inner, const struct amp_pending *store);
struct amp_pending amp_store_of(const struct amp_inner *inner);

/* observers.c: where stores reach the others one by one. */
bool amp_may_make(const struct amp_model *m, unsigned owner, const struct amp_pending *store); /* leave its CPU */
bool amp_may_leave(const struct amp_model *m, unsigned slot);                                 /* leave its domain */
bool amp_may_see(const struct amp_model *m, unsigned slot, unsigned by);
unsigned amp_sightings(const struct amp_model *m, unsigned owner, unsigned out[AMP_STEPS]);
void amp_make_copies(struct amp_cpu *cpu, unsigned slot, bool at_once); /* it has left its CPU */
void amp_let_out(struct amp_cpu *cpu, unsigned slot);     /* it leaves its domain */
void amp_make_seen(struct amp_cpu *cpu, unsigned slot, unsigned by);
/* What the marks behind an entry order behind it, towards the siblings. */
void amp_take_near_marks(struct amp_model *m, unsigned owner, unsigned entry, unsigned slot);
void amp_observe_barrier(struct amp_cpu *cpu, struct amp_kept orders);
void amp_observe_read(struct amp_cpu *cpu, uint64_t write, struct amp_kept orders);
void amp_carry_along(struct amp_cpu *cpu, unsigned slot, struct amp_kept orders); /* it has read this inner store */
bool amp_load_awaits(const struct amp_model *m, unsigned cpu); /* is there one that it waits for to be seen? */
bool amp_push_awaited(struct amp_cpu *cpu);                    /* one step towards that; false: there is none */
bool amp_sees_newest(const struct amp_model *m, unsigned cpu, uint32_t granule, uint8_t mask);
bool amp_see_newest(struct amp_cpu *cpu, uint32_t granule, uint8_t mask); /* one step towards it */

/* loads.c */
struct amp_seen {
    uint64_t value;  /* the granule's bytes; those outside the mask mean nothing */
    uint64_t time;   /* of the newest write read, 0 if none */
    uint64_t store;  /* that write's store, or the newest own pending one it was forwarded from */
    uint64_t newest; /* the newest visible store to these bytes */
    uint8_t flags;   /* AMP_FL_STALE, AMP_FL_FORWARDED */
    unsigned back;   /* how many visible writes to these bytes it missed */
    struct amp_floors least; /* with siblings: what comes after the load is not before these */
};
/* One granule of a load: which of its CPU's loads, which part of it. */
struct amp_part {
    uint32_t load, part;
};
/* What the load would return, if a schedule's goal or else the newest write decides; nothing happens. */
uint64_t amp_would_read(struct amp_cpu *cpu, struct amp_part part, uint32_t granule, uint8_t mask);
/* The most frequent step of all: what it finds is written where it is wanted, as copies of it wait for the store buffer. */
void amp_read_granule(struct amp_cpu *cpu, struct amp_part part, uint32_t granule, uint8_t mask, uint64_t floor,
                      struct amp_seen *seen);
/* Lays this CPU's pending stores over `seen`; returns the bytes that did not come from them. */
uint8_t amp_forward(const struct amp_cpu_state *state, uint32_t granule, uint8_t mask, struct amp_seen *seen);
/* staged_loads.c: with siblings. */
struct amp_wish {
    struct amp_floors floors;
    bool newest;            /* the newest that this CPU can see */
    struct amp_kept orders; /* of an acquire */
};
struct amp_seen amp_read_staged(struct amp_cpu *cpu, struct amp_part part, uint32_t granule, uint8_t mask,
                                struct amp_wish wish);
uint64_t amp_would_read_staged(struct amp_cpu *cpu, struct amp_part part, uint32_t granule, uint8_t mask);

/* As the trace has it. */
static inline uint8_t amp_missed(const struct amp_seen *seen)
{
    return seen->back < UINT8_MAX ? (uint8_t)seen->back : UINT8_MAX;
}
uint64_t amp_newest(struct amp_cpu *cpu, uint32_t granule);
void amp_raise_floor(struct amp_cpu *cpu, uint64_t time);
/* The same by an order of these bits, which may leave loads of a status where they are. */
void amp_raise_floor_by(struct amp_cpu *cpu, uint64_t time, uint8_t orders);
void amp_perform_one(struct amp_cpu *cpu, struct amp_deferred *load);
void amp_perform_all(struct amp_cpu *cpu);
void amp_perform_overlapping(struct amp_cpu *cpu, uint64_t address, uint64_t length);

/* trace.c */
#define AMP_EVENT_WORDS 5
uint64_t amp_trace_words(struct amp_model *m, const uint64_t words[AMP_EVENT_WORDS]);

/* Five words made in registers: bytes written one by one and read as words wait for the store buffer. */
static inline uint64_t amp_trace(struct amp_model *m, struct amp_event e)
{
    const uint64_t words[AMP_EVENT_WORDS] = {
        e.value,
        e.store,
        e.newest,
        e.address | (uint64_t)e.size << 32,
        e.cpu | (uint64_t)e.kind << 8 | (uint64_t)e.site << 16 | (uint64_t)e.primitive << 24 | (uint64_t)e.orders << 32 |
            (uint64_t)e.flags << 40 | (uint64_t)e.load << 48,
    };

    _Static_assert(sizeof e == sizeof words, "the trace's format, little endian");
    return amp_trace_words(m, words);
}

/* gate.c: when an access is made. */
enum amp_needs {
    AMP_LOADS = 1,      /* it loads, waits or ends, or the CPU's deferred loads come before it */
    AMP_STORES_OUT = 2, /* the CPU's stores, if any are pending, are visible before it */
};
int amp_enter(struct amp_cpu *cpu, unsigned needs);

static inline bool amp_overlaps(const struct amp_deferred *load, uint64_t address, uint64_t length)
{
    return load->address < address + length && address < load->address + load->length;
}

/* What an access to these bytes needs: the deferred loads of any of them come before it. */
static inline unsigned amp_overlap(const struct amp_cpu *cpu, uint64_t address, uint64_t length)
{
    for (const struct amp_deferred *load = cpu->deferred; load; load = load->next)
        if (amp_overlaps(load, address, length))
            return AMP_LOADS;
    return 0;
}
int amp_leave(struct amp_cpu *cpu);
void amp_lose(struct amp_model *m); /* room.c: the run is over for everybody, as if a CPU had died */

/* chance.c */
uint32_t amp_random(uint64_t *state, uint32_t n); /* below n */
uint32_t amp_choose_at_random(struct amp_cpu *cpu, uint32_t n, enum amp_question question);
void amp_draw_temper(struct amp_model *m, uint64_t seed);

#endif
