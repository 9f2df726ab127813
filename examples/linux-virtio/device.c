/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * device.c - what a device does with drivers/vhost/vringh.c: each request is read, checked, and answered.
 */
#include <linux/vringh.h>
#include <linux/virtio_ring.h>
#include <uapi/linux/virtio_config.h>

#include "amp_code.h"
#include "harness.h"

static struct vringh ring;

static void open(unsigned long weak_barriers, unsigned long event_idx)
{
	struct vring vring;
	u64 features = BIT_ULL(VIRTIO_F_VERSION_1) | (event_idx ? BIT_ULL(VIRTIO_RING_F_EVENT_IDX) : 0);

	vring_init(&vring, ENTRIES, (void *)SHARED, ALIGN);
	if (vringh_init_kern(&ring, features, ENTRIES, weak_barriers, vring.desc, vring.avail, vring.used))
		kernel_fault("vringh_init_kern()");
}

/* Message number `n`, if it is there. What was asked is a copy; it is checked at once, or when the buffer has been given back. */
static bool serve_one(unsigned long n, bool later)
{
	struct kvec readable[2], writable[2];
	struct vringh_kiov request, reply;
	u32 asked, answer = REPLY(n);
	u16 head;
	int found;

	vringh_kiov_init(&request, readable, 2);
	vringh_kiov_init(&reply, writable, 2);
	found = vringh_getdesc_kern(&ring, &request, &reply, &head, GFP_KERNEL);
	if (!found)
		return false;
	amp_assert(found == 1);
	amp_assert(vringh_iov_pull_kern(&request, &asked, sizeof asked) == sizeof asked);
	if (!later)
		amp_assert(asked == REQUEST(n));
	amp_assert(vringh_iov_push_kern(&reply, &answer, sizeof answer) == sizeof answer);
	amp_assert(vringh_complete_kern(&ring, head, sizeof answer) == 0);
	amp_assert(asked == REQUEST(n));
	return true;
}

static void poll(unsigned long weak_barriers, unsigned long messages, bool later)
{
	open(weak_barriers, false);
	for (unsigned long n = 0; n < messages; n++) {
		while (!serve_one(n, later))
			;
		vringh_need_notify_kern(&ring);
	}
}

/* A device that polls. */
void serve(unsigned long weak_barriers, unsigned long messages)
{
	poll(weak_barriers, messages, false);
}

/* The same, but that it gives each buffer back before it looks into its copy. */
void serve_and_look_later(unsigned long weak_barriers, unsigned long messages)
{
	poll(weak_barriers, messages, true);
}

/* A device that sleeps until its doorbell rings, and rings that of a driver who wants it. */
void serve_by_doorbell(unsigned long weak_barriers, unsigned long messages, unsigned long event_idx)
{
	open(weak_barriers, event_idx);
	for (unsigned long n = 0; n < messages; n++) {
		vringh_notify_disable_kern(&ring);
		while (!serve_one(n, false)) {
			if (vringh_notify_enable_kern(&ring))
				amp_wait();
			vringh_notify_disable_kern(&ring);
		}
		if (vringh_need_notify_kern(&ring) > 0)
			amp_kick(DRIVER);
	}
}
