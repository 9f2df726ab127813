/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rest_of_linux.h - what drivers/virtio/virtio_ring.c and drivers/vhost/vringh.c ask of the kernel beside virtio. Whatever
 * orders accesses to the ring is not here: barriers, READ_ONCE, WRITE_ONCE and everything of virtio are the kernel's own
 * headers. The Makefile makes a header of each name in STUBS that includes this one.
 *
 * Memory is flat: a virtual address is a physical one, and no device has an IOMMU in front of it. Nothing is freed.
 */
#ifndef REST_OF_LINUX_H
#define REST_OF_LINUX_H

#include <linux/compiler.h>
#include <linux/types.h>
#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/container_of.h>
#include <linux/dma-direction.h>
#include <linux/err.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/stdarg.h>
#include <asm/byteorder.h>
#include <uapi/linux/uio.h>

/* linux/limits.h, asm/page.h */
#define SIZE_MAX (~(size_t)0)
#define PAGE_SIZE 4096ul
#define PAGE_ALIGN(size) (((size) + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1))

/* What goes wrong is a finding: no message is printed. harness.c has kernel_fault(). */
__noreturn void kernel_fault(const char *text);
#define BUG() kernel_fault("BUG()")
#define BUG_ON(condition)                                  \
	do {                                                   \
		if (unlikely(condition))                           \
			kernel_fault("BUG_ON(" #condition ")");        \
	} while (0)
#define WARN_ON(condition)                                 \
	({                                                     \
		bool warns = (condition);                          \
		if (unlikely(warns))                               \
			kernel_fault("WARN_ON(" #condition ")");       \
		warns;                                             \
	})
#define WARN_ON_ONCE(condition) WARN_ON(condition)
#define dev_err(device, ...) kernel_fault("dev_err(): the other side has spoilt the ring")
#define dev_warn(device, ...) kernel_fault("dev_warn()")
#define pr_debug(...) ((void)0)
#define panic(...) kernel_fault("panic()")

/* linux/printk.h, linux/ratelimit.h: vringh_bad() reports a broken ring. */
#define KERN_NOTICE ""
#define DEFAULT_RATELIMIT_INTERVAL 0
#define DEFAULT_RATELIMIT_BURST 0
#define DEFINE_RATELIMIT_STATE(name, interval, burst) int name
#define __ratelimit(state) ((void)(state), true)
#define printk(...) ((void)0)
#define vprintk(format, arguments) ((void)(arguments), kernel_fault(format))

/* linux/module.h */
#define EXPORT_SYMBOL(symbol)
#define EXPORT_SYMBOL_GPL(symbol)
#define MODULE_LICENSE(text)
struct module;

/* linux/slab.h, linux/gfp.h: harness.c has an arena. */
#define GFP_KERNEL 0
#define __GFP_HIGHMEM 0
#define __GFP_NOWARN 0
#define __GFP_ZERO 0
void *kmalloc(size_t bytes, gfp_t flags);
static inline void kfree(const void *pointer) {}
static inline void *kmalloc_array(size_t n, size_t bytes, gfp_t flags)
{
	return kmalloc(n * bytes, flags);
}
static inline void *krealloc_array(void *pointer, size_t n, size_t bytes, gfp_t flags)
{
	kernel_fault("krealloc_array()");
}
static inline void *alloc_pages_exact(size_t bytes, gfp_t flags)
{
	kernel_fault("alloc_pages_exact()"); /* the ring is where the harness says */
}
static inline void free_pages_exact(void *pages, size_t bytes) {}

/* linux/string.h: harness.c */
void *memcpy(void *to, const void *from, size_t bytes);
void *memset(void *to, int byte, size_t bytes);
int memcmp(const void *one, const void *other, size_t bytes);

/* linux/spinlock.h: each side is one thread, and no interrupt handler runs beside it. */
typedef struct {
} spinlock_t;
#define spin_lock_init(lock) ((void)(lock))
#define spin_lock(lock) ((void)(lock))
#define spin_unlock(lock) ((void)(lock))

/* linux/device.h */
struct device_driver {
	const char *name;
};
struct device {
	struct device *parent;
	struct device_driver *driver;
	u64 *dma_mask;
	u64 coherent_dma_mask;
};

/* linux/scatterlist.h: an entry stands alone. */
struct page;
struct scatterlist {
	void *address;
	unsigned int offset, length;
};
static inline void sg_init_one(struct scatterlist *sg, void *address, unsigned int length)
{
	*sg = (struct scatterlist){.address = address, .length = length};
}
#define sg_next(sg) ((void)(sg), (struct scatterlist *)NULL)
#define sg_page(sg) ((struct page *)(sg)->address)
#define sg_phys(sg) ((unsigned long)(sg)->address)
#define virt_to_phys(address) ((unsigned long)(address))
#define kmsan_handle_dma(page, offset, length, direction) ((void)0)

/* linux/dma-mapping.h: no device here has VIRTIO_F_ACCESS_PLATFORM, so nothing is mapped. */
#define dma_map_page(...) ((dma_addr_t)0)
#define dma_map_single(...) ((dma_addr_t)0)
#define dma_unmap_page(...) ((void)0)
#define dma_unmap_single(...) ((void)0)
#define dma_map_single_attrs(...) ((dma_addr_t)0)
#define dma_unmap_single_attrs(...) ((void)0)
#define dma_sync_single_range_for_cpu(...) ((void)0)
#define dma_sync_single_range_for_device(...) ((void)0)
#define dma_need_sync(...) false
#define dma_mapping_error(...) 0
#define dma_max_mapping_size(device) SIZE_MAX
#define dma_alloc_coherent(...) ((void *)NULL)
#define dma_free_coherent(...) ((void)0)
#define xen_domain() false

/* linux/kernel.h, linux/rcupdate.h, linux/cpumask.h: virtio_config.h names them. */
#define might_sleep() ((void)0)
#define synchronize_rcu() ((void)0)
struct cpumask;

/* linux/uio.h */
struct kvec {
	void *iov_base;
	size_t iov_len;
};

/* linux/uaccess.h: of vringh's two kinds of memory the user's is not used. */
#define get_user(value, pointer) ((void)(pointer), -EFAULT)
#define put_user(value, pointer) ((void)(pointer), (void)(value), -EFAULT)
#define copy_from_user(to, from, bytes) ((void)(to), (void)(from), (size_t)(bytes))
#define copy_to_user(to, from, bytes) ((void)(to), (void)(from), (size_t)(bytes))

#endif
