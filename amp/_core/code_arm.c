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
