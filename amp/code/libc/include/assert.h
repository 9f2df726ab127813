/* SPDX-License-Identifier: BSD-3-Clause */
/* assert(): a violation if it does not hold, as amp_assert(). NDEBUG takes it out. */
#include "amp_code.h"

#undef assert
#ifdef NDEBUG
#define assert(condition) ((void)0)
#else
#define assert(condition) amp_assert(condition)
#endif
