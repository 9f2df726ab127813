/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mandatory.h - virtio_rmb(false) and virtio_wmb(false) as they were when weak_barriers was made: rmb() and wmb(). Today's
 * include/linux/virtio_ring.h has dma_rmb() and dma_wmb() there.
 */
#include <asm/barrier.h>

#undef dma_rmb
#undef dma_wmb
#define dma_rmb() rmb()
#define dma_wmb() wmb()
