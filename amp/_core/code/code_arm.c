/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * code_arm.c - Arm's conditions, by the flags N, Z, C, V in bits 31 to 28 (DDI 0487, C1.2.4, "Condition code"); and the
 * state of Thumb's IT blocks (DDI 0406C, A2.5.2, "ITSTATE").
 *
 * The emulator knows the state of a block when it translates its instructions, and has it right wherever a translation
 * ends. Whoever is told of an access in between finds the state of that instruction left behind, where it counts as that
 * of the next translation: it would make conditional what is not. So it is taken away there, and put back where the
 * emulator goes on inside of a block.
 */
#include "code.h"

bool code_arm_holds(const struct code_engine *e, uint64_t flags, unsigned condition)
{
    bool n = flags >> 31 & 1, z = flags >> 30 & 1, c = flags >> 29 & 1, v = flags >> 28 & 1, holds;

    (void)e;
    switch (condition >> 1 & 7) {
    case 0: holds = z; break;
    case 1: holds = c; break;
    case 2: holds = n; break;
    case 3: holds = v; break;
    case 4: holds = c && !z; break;
    case 5: holds = n == v; break;
    case 6: holds = n == v && !z; break;
    default: return true;
    }
    return holds != (condition & 1);
}

/* ITSTATE[1:0] is CPSR[26:25], ITSTATE[7:2] is CPSR[15:10] (DDI 0406C, B1.3.3). */
#define BLOCK_BITS UINT64_C(0x0600fc00)

static void put(struct code_engine *e, uint64_t block)
{
    uint64_t flags = code_register(e, (unsigned)e->flags_slot), bits = (block & 3) << 25 | (block >> 2) << 10;

    if ((flags & BLOCK_BITS) == bits)
        return;
    flags = (flags & ~BLOCK_BITS) | bits;
    e->functions.reg_write(e->uc, e->register_id[e->flags_slot], &flags);
}

void code_set_block(struct code_engine *e, const struct code_row *row)
{
    if (e->thumb)
        put(e, row ? row->block : 0);
}

void code_forget_block(struct code_engine *e)
{
    if (e->now && e->now->block)
        put(e, 0);
}
