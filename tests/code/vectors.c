/* SPDX-License-Identifier: BSD-3-Clause */
/* The number that was loaded is put into one half of a vector register; an address comes from that half, or the other. */
#include <stdint.h>

#include "amp_code.h"

#define DATA (*(volatile uint64_t *)0x40000000)
#define FLAG (*(volatile uint64_t *)0x40000040)

void gives(void)
{
    DATA = 42;
    amp_mb();
    FLAG = 1;
}

/* `puts`: from x1, which was loaded, into v0; `gets`: from v0 into x2. */
#define TAKES(name, puts, gets)                                                                                       \
    void name(void)                                                                                                   \
    {                                                                                                                 \
        register uint64_t flag __asm__("x1");                                                                         \
        uint64_t data;                                                                                                \
                                                                                                                      \
        while (!(flag = FLAG))                                                                                        \
            ;                                                                                                         \
        __asm__ volatile("sub sp, sp, #64\n"                                                                          \
                         "mov x3, #0\n"                                                                               \
                         "movi v0.2d, #0\n"                                                                           \
                         "movi v1.2d, #0\n"                                                                           \
                         "stp q0, q0, [sp]\n"                                                                         \
                         puts "\n" gets "\n"                                                                          \
                         "add sp, sp, #64\n"                                                                          \
                         "eor x2, x2, x2\n"                                                                           \
                         "ldr %0, [%2, x2]"                                                                           \
                         : "=&r"(data)                                                                                \
                         : "r"(flag), "r"(0x40000000)                                                                 \
                         : "x2", "x3", "x4", "v0", "v1", "v2", "memory");                                             \
        amp_assert(data == 42);                                                                                       \
    }

#define BOTH(name, puts, gets, other)        \
    TAKES(depends_##name, puts, gets)        \
    TAKES(is_free_##name, puts, other)

BOTH(ins_0, "ins v0.d[0], x1", "umov x2, v0.d[0]", "umov x2, v0.d[1]")
BOTH(ins_1, "ins v0.d[1], x1", "umov x2, v0.d[1]", "fmov x2, d0")
BOTH(fmov, "fmov d0, x1", "fmov x2, d0", "fmov x2, v0.d[1]")
BOTH(lane, "ins v0.s[3], w1", "umov w2, v0.s[2]", "umov w2, v0.s[1]")
BOTH(stored, "ins v0.d[1], x1\nstr q0, [sp]", "ldr x2, [sp, #8]", "ldr x2, [sp]")
BOTH(pair, "ins v0.d[1], x1\nstp q1, q0, [sp]", "ldr x2, [sp, #24]", "ldr x2, [sp, #16]")
BOTH(loaded, "str x1, [sp, #8]\nldr q0, [sp]", "fmov x2, v0.d[1]", "fmov x2, d0")
BOTH(loaded_pair, "str x1, [sp, #16]\nldp q1, q0, [sp]", "fmov x2, d0", "fmov x2, d1")
BOTH(many, "str x1, [sp, #16]\nmov x4, sp\nld1 {v0.2d, v1.2d}, [x4]", "fmov x2, d1", "fmov x2, v1.d[1]")
BOTH(cleared, "ins v0.d[1], x1", "str q0, [sp]\nldr x2, [sp, #8]", "ldr d0, [sp]\nfmov x2, v0.d[1]")
BOTH(ext, "ins v0.d[1], x1\next v0.16b, v0.16b, v1.16b, #8", "fmov x2, d0", "fmov x2, v0.d[1]")
BOTH(ext_of_12, "ins v0.d[1], x1\next v0.16b, v1.16b, v0.16b, #12", "fmov x2, v0.d[1]", "fmov x2, d0")
BOTH(zip, "ins v0.d[0], x1\nzip1 v0.2d, v1.2d, v0.2d", "fmov x2, v0.d[1]", "fmov x2, d0")
BOTH(dup, "ins v0.d[1], x1\ndup v1.2d, v0.d[1]", "fmov x2, d1", "fmov x2, d0")
BOTH(add, "ins v0.d[1], x1\nadd v0.4s, v0.4s, v1.4s", "fmov x2, v0.d[1]", "fmov x2, d0")
BOTH(short_add, "ins v0.d[0], x1\nadd v0.2s, v0.2s, v1.2s", "fmov x2, d0", "fmov x2, v0.d[1]")
BOTH(by_element, "ins v1.d[1], x1\nmla v0.4s, v0.4s, v1.s[2]", "fmov x2, d0", "fmov x2, d1")
BOTH(narrowed, "ins v1.d[1], x1\nxtn2 v0.4s, v1.2d", "fmov x2, v0.d[1]", "fmov x2, d0")
BOTH(lane_beside, "ins v0.d[0], x1\nmov x4, sp\nld1 {v0.b}[3], [x4]", "fmov x2, d0", "umov x2, v0.d[1]")
BOTH(lane_beside_high, "ins v0.d[1], x1\nmov x4, sp\nld1 {v0.s}[3], [x4]", "umov w2, v0.s[2]", "fmov x2, d0")
BOTH(lane_over, "dup v0.2d, x1\nmov x4, sp\nld1 {v0.d}[1], [x4]", "fmov x2, d0", "umov x2, v0.d[1]")
BOTH(lane_loaded, "str x1, [sp, #8]\nadd x4, sp, #8\nld1 {v0.h}[4], [x4], #2", "umov x2, v0.d[1]", "fmov x2, d0")
BOTH(lane_shared, "movz x4, #0x4000, lsl #16\nadd x4, x4, #64\nld1 {v0.s}[1], [x4]", "fmov x2, d0", "umov x2, v0.d[1]")
BOTH(lane_stored, "ins v0.d[1], x1\nadd x4, sp, #8\nst1 {v0.d}[1], [x4]\nst1 {v0.s}[1], [sp]", "ldr x2, [sp, #8]",
     "ldr x2, [sp]")
BOTH(repeated_short, "str x1, [sp]\nmov x4, sp\nld1r {v0.2s}, [x4]", "fmov x2, d0", "umov x2, v0.d[1]")
BOTH(in_turn_over, "dup v0.2d, x1\nins v2.d[0], x1\nmov x4, sp\nld2 {v0.2d, v1.2d}, [x4]", "fmov x2, d2", "fmov x2, d0")
TAKES(depends_repeated, "str x1, [sp]\nmov x4, sp\nld1r {v0.4s}, [x4]", "umov x2, v0.d[1]")
TAKES(depends_in_turn, "dup v1.2d, x1\nmov x4, sp\nst2 {v0.2d, v1.2d}, [x4]", "ldr x2, [sp, #8]") /* is refused */
TAKES(depends_across, "ins v0.d[1], x1\naddp v0.2d, v0.2d, v1.2d", "fmov x2, v0.d[1]") /* whole: nobody says which half */
