/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bell.h - doorbells between processes: one 32-bit word in the region, and the futex on it.
 *
 * The word is the whole state, every change one atomic operation on it, so a process may die at any point and leave a
 * state that means something. Bits, per CPU: RUNG (a kick not yet taken; kicks coalesce), ASLEEP, GONE (retired), LOOK
 * (model, free mode: stores are on their way, help them along), TIMED (asleep, but with a time limit). STALLED: every CPU
 * sleeps without a limit and nothing is under way. LOST: a process died.
 */
#ifndef AMP_BELL_H
#define AMP_BELL_H

#include "core.h"

#define AMP_RUNG(cpu) (UINT32_C(1) << (cpu))
#define AMP_ASLEEP(cpu) (UINT32_C(1) << (AMP_CPUS + (cpu)))
#define AMP_GONE(cpu) (UINT32_C(1) << (2 * AMP_CPUS + (cpu)))
#define AMP_LOOK(cpu) (UINT32_C(1) << (3 * AMP_CPUS + (cpu)))
#define AMP_STALLED (UINT32_C(1) << 24)
#define AMP_LOST (UINT32_C(1) << 25)
#define AMP_TIMED(cpu) (UINT32_C(1) << (26 + (cpu)))

/* Never blocks. A system call only if the target sleeps. */
void amp_bell_ring(uint32_t *board, unsigned target);
void amp_bell_look(uint32_t *board, unsigned target);
void amp_bell_gone(uint32_t *board, unsigned cpu);
void amp_bell_lost(uint32_t *board);
/* Is a kick there? Takes it. 0, or -EAGAIN. */
int amp_bell_take(uint32_t *board, unsigned cpu);
/* Spin, then sleep, until RUNG or LOOK; takes neither. 0, -EDEADLK, -ESHUTDOWN, -EPIPE, -ETIMEDOUT, -EINTR. */
int amp_bell_sleep(uint32_t *board, unsigned cpu, unsigned cpus, uint64_t spin_ns, int64_t timeout_ns);
/* The two together, for a CPU without a model: returns 0 with the kick taken. */
int amp_bell_wait(uint32_t *board, unsigned cpu, unsigned cpus, uint64_t spin_ns, int64_t timeout_ns);

/*
 * A signal between a caller's last look and the futex interrupts nothing: no sleep is longer than this before the caller
 * gets -EINTR and can look again.
 */
#define AMP_LOOK_UP_NS INT64_C(500000000)

uint64_t amp_now_ns(void);
int amp_futex_wait(uint32_t *word, uint32_t seen, int64_t timeout_ns);
void amp_futex_wake(uint32_t *word);

#endif
