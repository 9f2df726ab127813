/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * code.h - compiled code as the part of a CPU: an emulator executes it, and every access to a shared window is an access of
 * the part's port. All other memory is private to the part, and as it was at the start of every run.
 *
 * What each instruction is, a row says (struct code_row), made once per address by whoever knows the instruction set; the
 * engine knows none. An instruction without a row, or whose row says so, is refused. Values are followed from the loads
 * that they come from: through registers, flags and private memory. A register, or a byte of private memory, carries the
 * number of a set of loads (code_taint.c); 0 is none.
 *
 * A loop that comes back to its head with the same registers and the same private memory, and has done nothing but load, or
 * store what was there, has waited: it is a look of a poll (code_loops.c). Others may go round `max_loop` times, and then the part ends with
 * -ELOOP: nothing is known of what would have come.
 *
 * Nothing passes a frame of the emulator but by returning: a hook that must end the part stops the emulator.
 */
#ifndef AMP_CODE_H
#define AMP_CODE_H

#include <stdbool.h>

#include "code_unicorn.h"
#include "include/amp.h"

#define AMP_AS_BUILT 25    /* at a site: what the compiled code has there; amp.ordering.barriers.Primitive */
#define CODE_SLOTS 104      /* registers, flags among them, that are followed */
#define CODE_NONE 255       /* no register */
#define CODE_DATA 14        /* registers that one instruction moves to or from memory, at most */
#define CODE_LOADS 1024     /* shared loads of one run: explore.h has room for no more */
#define CODE_WORDS (CODE_LOADS / 64)
#define CODE_SETS 8192      /* different sets of loads in one run */
#define CODE_SEGMENTS 64
#define CODE_WINDOWS 8
#define CODE_DEVICES 28
#define CODE_PAGE 4096
#define CODE_UNDO 512       /* private writes of one look */
#define CODE_SIGNALS (1u << 20) /* instructions after which an endless part looks for signals */
#define CODE_LOOK_LOADS 48  /* shared loads of one look; explore.h has room for 64 */
#define CODE_QUEUE 64
#define CODE_KEPT_REGISTERS 1024
#define CODE_SAID 64        /* lines that one run prints; later ones are not kept */

struct code_mask {
    uint64_t bit[2];
};

enum code_kind {
    CODE_UNKNOWN, /* no row yet */
    CODE_PLAIN,
    CODE_SELECT, /* flow[0] if the condition holds, else flow[1]; `picks` decided it */
    CODE_BRANCH, /* what comes next hangs on flow[1].from */
    CODE_LOAD,
    CODE_STORE,
    CODE_ATOMIC,
    CODE_EXCLUSIVE_LOAD,
    CODE_EXCLUSIVE_STORE,
    CODE_BARRIER,
    CODE_ISB,
    CODE_WAIT,    /* until a doorbell rings, or something happens */
    CODE_SERVICE, /* the entry of a function that the engine does itself: `detail` says which */
    CODE_TRAP,    /* ends the part with a finding */
    CODE_REFUSED,
    CODE_KINDS
};

enum code_flag {
    CODE_HEAD = 1,         /* of a loop whose last instruction is `loop_end`; `loop` is its number */
    CODE_WHOLE = 2,        /* atomic: nothing passes it */
    CODE_UNSEEN = 4,       /* atomic without a result */
    CODE_COMPARES = 8,     /* atomic: stores only if it has read what is in `expected` */
    CODE_READ_STORED = 16, /* atomic: what it has read is part of what it stores */
    CODE_MIXED = 32,       /* several registers from interleaved elements: no shared memory, and nothing that is followed */
    CODE_PRIVATE = 64,     /* no shared memory: wider than any access that happens at once */
    CODE_LOOKS = 128,      /* HEAD: the loop may be a wait */
    CODE_CONDITIONAL = 256, /* does nothing where its condition does not hold */
    CODE_BEHIND = 1024,     /* exclusive store, atomic: what is behind it comes behind its store */
    CODE_LEAVES = 2048,     /* an IT whose block, if `condition` holds, has what no look may have */
    CODE_NAMED = 4096,      /* the entry of a function that is a barrier: which one, says the row of the call */
    CODE_ALIGNED = 8192,    /* an access that is not aligned to `atom` faults */
    CODE_SPREADS = 16384,   /* a load of one element into all of `data` */
    CODE_KEEPS = 32768,     /* a load into a part of its register: the others stay */
    CODE_FENCES = 512,      /* atomic: a barrier, whatever memory it is on and whether or not it stores */
};

enum code_places { CODE_AT_LOADS, CODE_AT_STORES, CODE_AT_BARRIERS };

#define CODE_HALVES 2 /* `detail` of a BARRIER: it is that of `load_by`, and that of `store_by` */
#define CODE_JUMPS 2 /* `detail` of a LOAD: what it loads is where it goes on */

enum code_service { CODE_RETURN = 1, CODE_FAIL, CODE_KICK, CODE_SLEEP, CODE_CHOOSE, CODE_PRINT };

/* What is computed: each register in `to` from all in `from`. */
struct code_flow {
    struct code_mask to, from;
};

/* One instruction. 184 bytes; amp/code/rows.py writes them. */
struct code_row {
    uint8_t kind;      /* enum code_kind */
    uint8_t condition; /* SELECT, CONDITIONAL: the architecture's number */
    uint16_t flags;    /* enum code_flag */
    uint8_t length;    /* in bytes */
    uint8_t detail;    /* 1 is a call; SERVICE: which */
    uint8_t element;   /* bytes of memory for each of `data` */
    uint8_t atom;      /* bytes of an access that happen at once, if aligned; 0: as the emulator makes it */
    /* Primitives that order the access; 0 none. BARRIER: load_by is what it is, store_by what it is with a drain behind it;
     * of a call of a barrier's function load_by is that one. */
    uint16_t load_by, store_by;
    uint8_t site;  /* BARRIER, and what load_by or store_by order: of the program; 0 none */
    uint8_t ahead; /* the site right before it, where the compiler put no barrier; 0 none */
    uint16_t loop; /* HEAD: its number. In what the engine is given: does nothing in the loop count? */
    uint8_t expected;
    uint8_t block; /* Thumb: ITSTATE of an instruction in an IT block */
    uint8_t data[CODE_DATA]; /* registers, in the order of their memory; ATOMIC: the operand, the result */
    uint64_t loop_end;
    struct code_mask address; /* registers of which the address is computed */
    struct code_flow flow[2];
    struct code_mask picks;
    struct code_mask dead; /* HEAD: registers that nobody reads any more before they are written */
    struct code_mask reads, writes; /* all that it reads; what it overwrites whole, whatever happens */
};

/* A set of loads: those that a value is computed from, and those, and the ones that decided which value it is. */
struct code_set {
    uint64_t depends[CODE_WORDS], picks[CODE_WORDS];
};

struct code_segment {
    uint64_t start, size; /* whole pages */
    uint32_t permissions;
    uint8_t *host, *pristine;
    uint8_t *dirty;       /* a byte a page */
    uint32_t *index;      /* executable: number of the row at each address, in units of 1 << shift bytes */
};

struct code_window {
    uint64_t start, size, region; /* guest address, bytes, address in the region */
    uint8_t *host;
};

/* Registers of devices: amp.code.rows.Device. */
enum code_device_kind {
    CODE_DOORBELL,    /* a store rings the CPU `value` */
    CODE_STATUS,      /* a load gives `value` if its own doorbell has rung, and was not taken, else 0 */
    CODE_ACKNOWLEDGE, /* a store takes it */
    CODE_DRAIN,       /* a store drains an outer cache */
};

struct code_device {
    uint64_t address, value;
    uint8_t kind;
};

/* What an outer cache has when it is drained. It has only what has arrived there: the barrier that waits until all
 * has, and that no shared access has followed yet, is `settled`. */
struct code_settled {
    uint16_t drained; /* what it is with the drain; 0: there is none */
    uint16_t site;
};

/* Eight bytes of private memory that carry something. */
struct code_shade {
    uint64_t granule; /* address / 8 + 1; 0: free */
    uint16_t set[8];
};
#define CODE_SHADES 8192 /* a power of two */

struct code_undo {
    uint64_t address;
    uint8_t size;
    bool fresh; /* written before anything that could come out otherwise has read it */
    uint8_t old[8];
    uint16_t old_set[8];
};

/* A store that a look has come to: made when the look has ended. */
struct code_queued {
    uint64_t address, value, pc;
    uint8_t size;
    const struct code_device *device; /* NULL: memory */
    unsigned how;
    uint32_t pair;
    uint16_t address_set, value_set;
};

enum code_stop {
    CODE_RUNNING,
    CODE_STOP_ERROR,   /* `error` */
    CODE_STOP_UNKNOWN, /* no row at `pc` */
    CODE_STOP_HEAD,    /* a loop to be looked at begins */
    CODE_STOP_AROUND,  /* a look is back at its head */
    CODE_STOP_RETRIED, /* the same at its load-exclusive, behind a store-exclusive that has failed */
    CODE_STOP_LEFT,    /* a look is over: before the instruction at `pc` */
    CODE_STOP_SAME,    /* the same, and that is a store-exclusive of what its load has read */
    CODE_STOP_QUEUED,  /* a look is over: there are stores to make */
    CODE_STOP_SERVICE,
    CODE_STOP_LOOP,
    CODE_STOP_STEPS,
    CODE_STOP_FAULT,   /* a finding: `fault` says which */
    CODE_STOP_REFUSED,
};

/* An access or a barrier, for who tells the run: where it stands, the value that was loaded or stored, and how many accesses
 * and barriers of the part were before it. */
struct code_kept {
    uint64_t pc, value;
    uint32_t before;
};

/* A line that the part has printed; `at`: behind so many accesses and barriers of its own. */
struct code_said {
    uint32_t at;
    char text[AMP_TEXT_BYTES];
};

enum code_fault {
    CODE_FAULT_NONE,
    CODE_FAULT_WILD,
    CODE_FAULT_TRAP,
    CODE_FAULT_UNDEFINED,
    CODE_FAULT_MODIFIED, /* refused: code is written over */
    CODE_FAULT_UNALIGNED,
    CODE_FAULT_STATUS, /* refused: a register is read that is only written */
    CODE_FAULT_REGISTER,  /* refused: part of a register, the one at `fault_register`, and not from its first byte */
    CODE_FAULT_BELOW,     /* refused: reads below the stack pointer */
    CODE_FAULT_FORGOTTEN, /* refused: reads a register that a wait was taken to leave to nobody */
};

struct code_monitor {
    uint64_t address, value, pc;
    uint32_t size, load; /* load: its number + 1; 0: none */
    bool shared, may_fail, failed;
    uint8_t before[CODE_SLOTS][16]; /* and `set`, `undos`: as they were before the load */
    uint16_t set[CODE_SLOTS];
    unsigned undos;
};

struct code_saved {
    uint8_t value[CODE_SLOTS][16];
    uint16_t set[CODE_SLOTS];
    struct code_mask tainted, forgotten;
    uint64_t controlled[CODE_WORDS];
    uint64_t pc, before;
    uint32_t loads, sets_used, places[3];
    struct code_monitor monitor;
    struct code_settled settled;
};

struct code_head {
    uint64_t run;
    uint32_t rounds;
    bool spins; /* nothing in the loop counts */
};

struct code_engine {
    struct code_unicorn functions;
    uc_engine *uc;
    uc_context *start;
    /* What the registers are: the emulator's numbers, in the order of the slots; -1 none. */
    int register_id[CODE_SLOTS];
    uint8_t register_bytes[CODE_SLOTS];
    unsigned registers;
    int pc_id, flags_slot, stack_slot, frame_slot, argument_slot;
    int link_slot; /* < 0: the return address lies on the stack, 8 bytes */
    unsigned thumb; /* Arm: bit 0 of an address says Thumb; 1: it always is, 2: as the T bit of the flags has it */
    unsigned shift; /* instructions are multiples of so many bits' bytes */
    uint64_t return_at;
    uint64_t max_loop, max_steps;
    struct code_segment segment[CODE_SEGMENTS];
    unsigned segments, last_segment;
    struct code_window window[CODE_WINDOWS];
    unsigned windows;
    struct code_device device[CODE_DEVICES];
    unsigned devices;
    uint64_t stack_start, stack_size, red_zone; /* from here to so far below the stack pointer nothing is kept for anybody */
    struct code_row *row;
    uint32_t rows, rows_room;
    struct code_head *head;
    uint32_t heads;
    /* Makes rows for the code at `pc`: 0, or an error to end the part with. */
    int (*compile)(struct code_engine *e, uint64_t pc);
    bool (*holds)(const struct code_engine *e, uint64_t flags, unsigned condition);
    void *owner;

    /* of a run */
    const struct amp_port *port;
    uint64_t run;
    bool ready, busy;
    enum code_stop stop;
    int error;
    enum code_fault fault;
    uint64_t fault_address, fault_register;
    unsigned fault_size, fault_type;
    uint64_t pc, before; /* of this instruction, and of the one before it */
    const struct code_row *now;
    bool resumed, again; /* the head of a loop has been seen to; `before` is right already */
    uint64_t steps;
    uint16_t set[CODE_SLOTS];
    struct code_mask tainted; /* slots whose set is not empty */
    struct code_mask forgotten; /* dead at the head of a loop that may have waited, and not written since */
    uint64_t forgotten_at;      /* that head */
    uint16_t address_set, data_set[CODE_DATA];
    uint64_t first; /* address of the instruction's first access */
    unsigned accesses;
    bool compared;
    uint64_t controlled[CODE_WORDS]; /* loads on which a branch has hung */
    uint64_t time[CODE_LOADS];
    bool held[CODE_LOADS];
    uint32_t loads, holding; /* numbers are given anew in long runs: code_forget_loads() */
    uint64_t watched; /* where its last load of shared memory was, in the region */
    struct code_monitor monitor;
    uint32_t atomic_load;
    uint64_t atomic_value;
    uint64_t expected; /* COMPARES: what is in that register */
    uint16_t expected_set;
    struct code_settled settled;
    uint8_t reached[AMP_SITES_LIMIT]; /* sites that any run has come to, until somebody has asked */

    struct code_set *sets;
    uint32_t sets_used;
    uint64_t epoch; /* what `joined` knows is of this one */
    struct {
        uint64_t run; /* its epoch, and how */
        uint16_t a, b, joined;
    } joined[4096];
    struct code_shade *shade;
    uint16_t shaded[CODE_SHADES / 2];
    uint32_t shades;

    /* of a look */
    bool looking;
    bool trying; /* what comes behind its last access: nothing is told of it */
    bool same;   /* the store that is queued is an atomic's, of what that has read */
    uc_context *aside;
    struct code_saved saved;
    uint64_t head_at, loop_end, called_from; /* called_from: where a function that the loop calls returns to; 0 */
    bool straight; /* no branch yet */
    struct {
        uint64_t address;
        unsigned size;
    } seen[32];
    unsigned seen_used, looked;
    struct code_undo undo[CODE_UNDO];
    unsigned undos;
    struct code_queued queue[CODE_QUEUE];
    unsigned queued;
    enum code_stop ended;

    /* Loads, stores and barriers of this run (CODE_AT_LOADS and so on), in the order of issue; NULL: not kept. Of the first
     * CODE_KEPT_REGISTERS of each also the first `general` registers, as they were before the instruction. */
    struct code_kept *place[3];
    uint64_t *registers_at[3];
    uint32_t places[3], places_room;
    unsigned general;
    struct code_said said[CODE_SAID];
    uint32_t said_used;
};

/* code_run.c */
int code_open(struct code_engine *e); /* hooks, and the state that every run begins with */
void code_close(struct code_engine *e);
void code_part(const struct amp_port *port, void *engine); /* a part for amp_run() */
void code_stop(struct code_engine *e, enum code_stop why);
void code_emulate(struct code_engine *e); /* until it stops */

/* code_arm.c: does the condition hold, by these flags? And Thumb's IT blocks. */
bool code_arm_holds(const struct code_engine *e, uint64_t flags, unsigned condition);
void code_set_block(struct code_engine *e, const struct code_row *row); /* the emulator's, before that instruction */
void code_forget_block(struct code_engine *e);

/* code_taint.c */
void code_taint_begin(struct code_engine *e);
uint16_t code_join(struct code_engine *e, uint16_t a, uint16_t b);
uint16_t code_pick(struct code_engine *e, uint16_t value, uint16_t decider); /* `decider` only decides which it is */
uint16_t code_through(struct code_engine *e, uint16_t address); /* what is read at an address that was computed */
uint16_t code_set_of(struct code_engine *e, uint32_t load);
uint16_t code_gather(struct code_engine *e, const struct code_mask *mask);
uint64_t code_time(struct code_engine *e, const uint64_t *loads, bool *made); /* `made`: to be dropped */
int code_hang(struct code_engine *e, uint16_t set); /* what comes next hangs on it */
void code_drop_dead(struct code_engine *e);
/* Between two instructions, where no execution is explored: the loads that something comes from, and that of an exclusive
 * pair, get new numbers, if few are left. There all that is known of a value is the latest of its loads' times. */
void code_forget_loads(struct code_engine *e);
void code_set_register(struct code_engine *e, unsigned slot, uint16_t set);

/* code_memory.c */
struct code_segment *code_segment_at(struct code_engine *e, uint64_t address);
struct code_window *code_window_at(struct code_engine *e, uint64_t address);
const struct code_row *code_row_at(struct code_engine *e, uint64_t address);
void code_memory_begin(struct code_engine *e);
uint16_t code_shade_of(struct code_engine *e, uint64_t address, unsigned size);
int code_private_write(struct code_engine *e, uint64_t address, unsigned size, uint16_t set);
void code_private_read(struct code_engine *e, uint64_t address, unsigned size);
bool code_memory_changed(const struct code_engine *e); /* by this look */
void code_memory_undo(struct code_engine *e, unsigned from); /* the writes of this look from that one on */

/* code_loads.c, code_stores.c */
void code_on_read(uc_engine *uc, int type, uint64_t address, int size, int64_t value, void *user);
void code_on_write(uc_engine *uc, int type, uint64_t address, int size, int64_t value, void *user);
int code_make_queued(struct code_engine *e);

/* code_devices.c */
bool code_has_device(const struct code_engine *e, enum code_device_kind kind);
void code_sleep(struct code_engine *e); /* until its doorbell rings; where its status is known, that stays so */

/* code_access.c */
bool code_again(const struct code_engine *e, int *error); /* a call came to an end: is it to be made again? */
void code_place(struct code_engine *e, unsigned kind, uint64_t pc, uint64_t value); /* an access, or a barrier, stands there */

/* code_barrier.c */
/* What stands at a site: AMP_AS_BUILT where the program says nothing else. Whoever asks has come to it. */
unsigned code_at_site(struct code_engine *e, unsigned site);
int code_barrier(struct code_engine *e, unsigned primitive, unsigned site);
int code_barrier_of(struct code_engine *e, const struct code_row *row); /* that a drain may follow */
int code_drain(struct code_engine *e);

/* code_step.c */
void code_on_code(uc_engine *uc, uint64_t address, uint32_t size, void *user);
uint64_t code_register(const struct code_engine *e, unsigned slot);
uint64_t code_return_address(struct code_engine *e); /* at a function's entry */
void code_read_registers(const struct code_engine *e, uint8_t value[CODE_SLOTS][16]);
void code_write_registers(const struct code_engine *e, uint8_t value[CODE_SLOTS][16]);

/* code_loops.c */
bool code_at_head(struct code_engine *e, const struct code_row *row); /* is the emulator to stop here? */
bool code_stores_same(const struct code_engine *e, const struct code_row *row); /* a store-exclusive, what its load has read? */
int code_look_at_loop(struct code_engine *e);
void code_look_in_vain(struct code_engine *e, const uint32_t places[3]); /* where nothing is undone, its loads stand */

static inline bool code_has(const struct code_mask *mask, unsigned slot)
{
    return mask->bit[slot >> 6] >> (slot & 63) & 1;
}

static inline void code_put(struct code_mask *mask, unsigned slot)
{
    mask->bit[slot >> 6] |= UINT64_C(1) << (slot & 63);
}

static inline bool code_meet(const struct code_mask *a, const struct code_mask *b)
{
    return (a->bit[0] & b->bit[0]) | (a->bit[1] & b->bit[1]);
}

#endif
