/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * code_arm.c - Arm's conditions, by the flags N, Z, C, V in bits 31 to 28 (DDI 0487, C1.2.4, "Condition code").
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

#define IT_BITS UINT64_C(0x0600fc00) /* DDI 0406C, B1.3.3 */

/* The emulator (Unicorn 2.1) brings its state up to date for a hook of an access, the bits of an IT block included, and
 * does not take these back: what is behind the block would be conditional, too. In the block it goes by what it has
 * translated, and needs no bits. */
void code_arm_settle(struct code_engine *e)
{
    uint64_t flags;

    if (!e->thumb)
        return;
    flags = code_register(e, (unsigned)e->flags_slot);
    if (!(flags & IT_BITS))
        return;
    flags &= ~IT_BITS;
    e->functions.reg_write(e->uc, e->register_id[e->flags_slot], &flags);
}
