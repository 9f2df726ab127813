/* SPDX-License-Identifier: BSD-3-Clause */
/* One function per number of a primitive, so that what the compiler makes of each can be read in its assembly. */
#include "fences.h"

#define BY_NUMBER(number)        \
    void fence_##number(void);   \
    void fence_##number(void)    \
    {                            \
        amp_fence_real(number);  \
    }

BY_NUMBER(0)
BY_NUMBER(1)
BY_NUMBER(2)
BY_NUMBER(3)
BY_NUMBER(4)
BY_NUMBER(5)
BY_NUMBER(6)
BY_NUMBER(7)
BY_NUMBER(8)
BY_NUMBER(9)
BY_NUMBER(10)
BY_NUMBER(11)
BY_NUMBER(12)
BY_NUMBER(13)
BY_NUMBER(14)
BY_NUMBER(15)
BY_NUMBER(16)
BY_NUMBER(17)
BY_NUMBER(18)
