/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * harness.c - the functions of the kernel that rest_of_linux.h only declares.
 */
#include "amp_code.h"

__noreturn void kernel_fault(const char *text)
{
	amp_fail(text);
	__builtin_unreachable();
}

/* Private to each side; nothing is given back. */
void *kmalloc(size_t bytes, gfp_t flags)
{
	static u64 arena[128];
	static size_t used;
	void *found = arena + used;

	used += (bytes + sizeof arena[0] - 1) / sizeof arena[0];
	BUG_ON(used > sizeof arena / sizeof arena[0]);
	return found;
}

/* By words where it can, as the kernel's do. */
void *memcpy(void *to, const void *from, size_t bytes)
{
	size_t done = 0;

	if (!(((unsigned long)to | (unsigned long)from) % sizeof(u32)))
		for (; done + sizeof(u32) <= bytes; done += sizeof(u32))
			*(u32 *)(to + done) = *(const u32 *)(from + done);
	for (; done < bytes; done++)
		*(u8 *)(to + done) = *(const u8 *)(from + done);
	return to;
}

void *memset(void *to, int byte, size_t bytes)
{
	for (size_t done = 0; done < bytes; done++)
		*(u8 *)(to + done) = byte;
	return to;
}

int memcmp(const void *one, const void *other, size_t bytes)
{
	for (size_t at = 0; at < bytes; at++)
		if (((const u8 *)one)[at] != ((const u8 *)other)[at])
			return ((const u8 *)one)[at] - ((const u8 *)other)[at];
	return 0;
}

#ifdef CONFIG_ARM_HEAVY_MB
/*
 * arch/arm/mm/flush.c, and what outer_cache.sync is on an OMAP4: a write to the PL310's Cache Sync register
 * (arch/arm/mm/cache-l2x0.c, l2c210_sync; arch/arm/mach-omap2/omap44xx.h has the base).
 */
void arm_heavy_mb(void)
{
	*(volatile u32 *)(0x48242000 + 0x730) = 0;
}
#endif
