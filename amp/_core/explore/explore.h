/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * explore.h - every execution of a program, one run after the other.
 *
 * A run is a list of choices: which write each read returns, and where a write stands among those of its cell. The
 * program is run again from its start for each list; it must be deterministic, and is told when it is not. Turns are no
 * choice: a CPU runs until it waits, for it makes no difference to anybody when a read happens, only what it reads. So
 * each execution (up to the order of what does not interfere) is met once:
 *   - a read takes one of the writes that are there (of those the order allows), newest first; or
 *   - it is postponed until there is a new write. That way is only tried if some run has shown a later write that does
 *     not come from this read (Flanagan and Godefroid, POPL 2005, for the idea of adding alternatives when a race shows);
 *   - or, when that later write does come after the read in program order or by what was read, but nothing orders the two,
 *     the read is promised the write's value, and the run counts only if such a write then follows: load->store
 *     reordering (Kokologiannakis and Vafeiadis, ASPLOS 2020, for hardware models).
 * A run that comes to a state where an earlier one has been is cut short there (key.c).
 *
 * `state` below: what a program has done so far is told by `log`, a hash of everything that it could know.
 */
#ifndef AMP_EXPLORE_H
#define AMP_EXPLORE_H

#include "graph.h"

#define XP_CHOICES 8192
#define XP_OPTIONS 128
#define XP_PROMISES 16 /* values that one cell is known to be written with; more end the exploration */
#define XP_OFFERS 64   /* values that one read is promised in turn; the same */
#define XP_LIVE 256
#define XP_LOOKS 64 /* reads of one look, and the cells they cover */

enum xp_result {
    XP_DONE = 0,
    XP_BLOCKED = 1, /* nothing to read yet: let another CPU run, then ask again */
    XP_OVER = 2,    /* this run has ended: unwind */
    XP_UNLOOK = 3,  /* inside a look of a poll: the look found nothing; unwind to the poll */
};

enum xp_chooser { XP_EXHAUSTIVE, XP_SC, XP_RANDOM, XP_PCT, XP_URW, XP_REPLAY };

enum xp_choice_kind { XP_CHOOSE_SOURCE, XP_CHOOSE_PLACE, XP_CHOOSE_BINDING, XP_CHOOSE_VALUE };
enum xp_branch { XP_OPTION, XP_POSTPONE, XP_PROMISE };

struct xp_choice {
    uint8_t kind, branch;        /* what is chosen; how, in this run */
    uint8_t cpu;
    bool may_postpone;           /* a race showed that it should be tried */
    bool postponed;              /* ... and it has been */
    uint16_t index, options;     /* OPTION: which, of how many */
    uint16_t next_option;        /* not tried yet: from here on */
    uint8_t promises, next_promise;
    uint64_t promise[XP_OFFERS], promised;
    uint64_t trail;              /* of the run up to here: a program that comes here otherwise is not deterministic */
    uint64_t key[2];             /* the state it was first met in; 0, 0: none */
    uint64_t later[AMP_CPUS];    /* what was written from here on, by whom: bit n is any cell that is n modulo 64 */
};

enum xp_cpu_status { XP_RUNNING, XP_READING, XP_POLLING, XP_WAITING, XP_ENDED };

/* A read of a look, as it went. */
struct xp_seen {
    uint8_t cells;
    bool promised;
    uint16_t cell[XP_SPAN];
    xp_event_id source[XP_SPAN];
    int32_t choice;
    uint64_t value; /* promised */
};

struct xp_cpu {
    uint8_t status;
    bool wake;          /* there is a new write to what it waits for */
    bool voluntary;     /* it was postponed, though it could have gone on */
    bool in_look;
    bool unlooked;      /* inside a look that cannot go on: whatever the program does next, the look is undone */
    bool waits;         /* for a doorbell behind the newest one taken */
    xp_event_id pending; /* the read that it stands at; 0 none */
    xp_event_id mark;    /* it must read a write no older than this event; 0: any. In a look: its read number `forced` */
    uint16_t wakes;
    uint16_t wake_cell[XP_LOOKS];
    xp_event_id wake_source[XP_LOOKS]; /* POLLING: what the look in vain read there */
    uint16_t looked;     /* reads of this look so far */
    uint16_t forced;     /* so many the next look repeats: it was postponed behind them */
    struct xp_seen seen[XP_LOOKS];
    uint64_t log;
    uint64_t path;       /* the same of this look alone */
    uint32_t made;       /* values so far: names those that live */
    xp_event_id taken;   /* the newest doorbell taken */
};

/* What is known of the program from earlier runs: who reads and writes a cell, and what. */
struct xp_learned {
    uint8_t readers, writers; /* bit per CPU */
    uint8_t values[AMP_CPUS]; /* how many different ones; above XP_PROMISES: too many to keep */
    uint8_t mask[AMP_CPUS][XP_PROMISES]; /* the bytes that were written with it */
    uint64_t value[AMP_CPUS][XP_PROMISES];
};

struct xp_state { /* one that a run has been in; key 0, 0: an empty place */
    uint64_t key[2], later[AMP_CPUS];
};

/* A value that the program holds, whether or not it has looked into it. */
struct xp_live {
    uint64_t what;
    unsigned cpu;
    const struct xp_set *depends;
};

struct xp_look { /* the graph as it was before a look */
    unsigned events, words;
    struct xp_event event[XP_EVENTS];
    uint64_t before[XP_EVENTS][XP_WORDS];
    struct xp_graph_cpu cpu;
    uint64_t log;
    uint32_t made;
};

struct explorer {
    struct xp_graph graph;
    struct xp_cpu cpu[AMP_CPUS];
    struct xp_learned learned[XP_CELLS];
    struct xp_look look;
    struct xp_choice choice[XP_CHOICES];
    uint32_t choices;   /* made in this run */
    uint32_t depth;     /* on the stack */
    uint32_t lessons;   /* values in `learned`, those of earlier explorations included */
    bool reads_status;  /* some run has read a mailbox's status */
    bool compared;      /* was there a compare-and-swap that orders less if it stores nothing? */
    uint64_t initial[XP_CELLS];
    unsigned current;
    unsigned promised;  /* reads that wait for the write they were promised */
    bool over, merged, merging, failed;
    bool outdated;      /* who reads and writes a cell was not all known when states were told apart: begin anew */
    int error;          /* why the whole exploration cannot go on: -E2BIG a size, -EPROTO not deterministic */
    uint64_t trail;
    /* choosers */
    uint8_t chooser;
    uint64_t random;
    uint32_t pct_depth, pct_length, pct_at[16];
    uint8_t pct_priority[AMP_CPUS];
    uint16_t longest[AMP_CPUS]; /* events of a CPU in the longest run so far */
    double weight;      /* of the sampled path: how many there may be (Knuth 1975) */
    /* found so far */
    struct xp_counts {
        uint64_t runs, executions, redundant, cut;
    } counts, counts_before; /* before the run that was begun last */
    struct xp_state *visited; /* open addressing */
    uint64_t visited_room, states;
    uint64_t fresh[AMP_CPUS]; /* written since the last choice; bits as in `later` */
    unsigned (*live)(struct explorer *x, struct xp_live *list, unsigned room); /* or NULL; more than room: too many */
    void *user;
};

int xp_open(struct explorer *x, unsigned cpus, unsigned levels);
void xp_close(struct explorer *x);
/* At a run's end: what a compare-and-swap orders depends on what it reads, so whatever another CPU is known to write there
 * it is promised, too. What is learned afterwards may have come too late for some: while `lessons` grows, begin again. */
void xp_expect_of_compares(struct explorer *x);
void xp_restart(struct explorer *x); /* forget all choices and states; cells and what was learned stay */

void xp_begin(struct explorer *x); /* the next run */
void xp_begin_again(struct explorer *x); /* the last one once more, counted once */
int xp_next(struct explorer *x);   /* whose turn; -1: nobody can go on */
enum xp_ending { XP_COMPLETE, XP_STALL, XP_REDUNDANT, XP_MERGED, XP_FAILED };
enum xp_ending xp_ending(struct explorer *x);
bool xp_advance(struct explorer *x); /* to the next list of choices; false: that was the last one */

/* One CPU's accesses. `word` gets the event's number and what was read. */
int xp_load(struct explorer *x, unsigned cpu, const uint16_t *cells, unsigned n, struct xp_orders acquire,
            const struct xp_set *address, uint64_t *value, xp_event_id *event);
/* A read whose value nobody needs yet; xp_resolve when somebody does. */
int xp_issue(struct explorer *x, unsigned cpu, const uint16_t *cells, unsigned n, const struct xp_set *address,
             xp_event_id *event);
int xp_resolve(struct explorer *x, unsigned cpu, xp_event_id event, uint64_t *value);
int xp_store(struct explorer *x, enum xp_kind kind, unsigned cpu, const uint16_t *cells, unsigned n, uint64_t value,
             struct xp_orders release, const struct xp_set *depends, const struct xp_set *address, xp_event_id partner);
int xp_wait(struct explorer *x, unsigned cpu, uint16_t mailbox, xp_event_id *event);
/* Has its doorbell rung, and been neither taken nor acknowledged? `rung` says so. A load, which takes nothing. */
int xp_status(struct explorer *x, unsigned cpu, uint16_t mailbox, const struct xp_set *address, uint64_t *rung,
              xp_event_id *event);
/* Did the look in vain read the newest writes there are? Then nothing but a new write can end the poll. */
bool xp_saw_newest(const struct explorer *x, unsigned cpu);
void xp_barrier(struct explorer *x, unsigned cpu, struct xp_orders orders);
void xp_end(struct explorer *x, unsigned cpu);
void xp_fail(struct explorer *x, unsigned cpu); /* a violation: the run ends, once what was promised is there */

/* The program dropped the value unread: as if the read had not been. */
void xp_forget(struct explorer *x, xp_event_id event);

void xp_look_begin(struct explorer *x, unsigned cpu);
void xp_look_end(struct explorer *x, unsigned cpu, bool found);
void xp_look_undone(struct explorer *x, unsigned cpu); /* after XP_UNLOOK */
/* These tell looks apart: by what the program knows before it, and by what the look has done so far, too. */
uint64_t xp_look_place(const struct explorer *x, unsigned cpu);
uint64_t xp_look_path(const struct explorer *x, unsigned cpu);

/* What the program has come to know. */
void xp_log(struct explorer *x, unsigned cpu, uint64_t what);

static inline uint64_t xp_mix(uint64_t hash, uint64_t value)
{
    hash ^= value + UINT64_C(0x9e3779b97f4a7c15) + (hash << 6) + (hash >> 2);
    hash ^= hash >> 30;
    hash *= UINT64_C(0xbf58476d1ce4e5b9);
    return hash ^ hash >> 27;
}

/* key.c: the states that runs have been in. xp_key: 0, or negative for a state that cannot be told. */
int xp_key(struct explorer *x, uint64_t key[2]);
struct xp_state *xp_find_state(struct explorer *x, const uint64_t key[2]);
int xp_add_state(struct explorer *x, const uint64_t key[2]);
void xp_forget_states(struct explorer *x);

/* chooser.c */
void xp_chooser_begin(struct explorer *x);
unsigned xp_whose_turn(struct explorer *x, unsigned nth);
int xp_sample(struct explorer *x, struct xp_choice *c); /* -1: nothing to choose from */

#endif
