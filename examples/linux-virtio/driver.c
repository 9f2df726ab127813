/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * driver.c - what a driver does with drivers/virtio/virtio_ring.c: a request and room for the reply in each message.
 */
#include <linux/virtio.h>
#include <linux/virtio_ring.h>
#include <linux/virtio_config.h>

#include "amp_code.h"
#include "harness.h"

struct message {
	u32 request, reply;
};
#define MESSAGE(n) ((volatile struct message *)BUFFERS + (n) % (ENTRIES / 2))

static struct virtio_device device = {.features = BIT_ULL(VIRTIO_F_VERSION_1), .vqs = LIST_HEAD_INIT(device.vqs)};
static unsigned long sent, received;

static bool send(struct virtqueue *vq)
{
	volatile struct message *message = MESSAGE(sent);
	struct scatterlist out, in, *both[] = {&out, &in};

	message->request = REQUEST(sent);
	sg_init_one(&out, (void *)&message->request, sizeof message->request);
	sg_init_one(&in, (void *)&message->reply, sizeof message->reply);
	if (virtqueue_add_sgs(vq, both, 1, 1, (void *)message, GFP_KERNEL))
		return false;
	sent++;
	return true;
}

static bool receive(struct virtqueue *vq)
{
	volatile struct message *message;
	unsigned int bytes;

	message = virtqueue_get_buf(vq, &bytes);
	if (!message)
		return false;
	amp_assert(message == MESSAGE(received));
	amp_assert(bytes == sizeof message->reply);
	amp_assert(message->reply == REPLY(received));
	received++;
	return true;
}

static bool no_doorbell(struct virtqueue *vq)
{
	return true;
}

static bool doorbell(struct virtqueue *vq)
{
	amp_kick(DEVICE);
	return true;
}

static void interrupt(struct virtqueue *vq)
{
}

static struct virtqueue *open(unsigned long weak_barriers, bool sleeps, unsigned long event_idx)
{
	if (event_idx)
		device.features |= BIT_ULL(VIRTIO_RING_F_EVENT_IDX);
	return vring_new_virtqueue(0, ENTRIES, ALIGN, &device, weak_barriers, false, (void *)SHARED,
				   sleeps ? doorbell : no_doorbell, sleeps ? interrupt : NULL, "messages");
}

static void send_what_fits(struct virtqueue *vq, unsigned long messages)
{
	while (sent < messages && vq->num_free >= 2 && send(vq))
		virtqueue_kick(vq);
}

/* To a device that polls; it polls itself. */
void drive(unsigned long weak_barriers, unsigned long messages)
{
	struct virtqueue *vq = open(weak_barriers, false, false);

	while (received < messages) {
		send_what_fits(vq, messages);
		while (!receive(vq))
			;
	}
}

/* To a device that sleeps; it sleeps itself, and wants an interrupt only then, as a network driver does. */
void drive_by_interrupt(unsigned long weak_barriers, unsigned long messages, unsigned long event_idx)
{
	struct virtqueue *vq = open(weak_barriers, true, event_idx);

	while (received < messages) {
		send_what_fits(vq, messages);
		virtqueue_disable_cb(vq);
		while (!receive(vq)) {
			if (virtqueue_enable_cb(vq))
				amp_wait();
			virtqueue_disable_cb(vq);
		}
	}
}

/* The same, but that interrupts stay enabled, as rpmsg's do. */
void drive_by_callback(unsigned long weak_barriers, unsigned long messages, unsigned long event_idx)
{
	struct virtqueue *vq = open(weak_barriers, true, event_idx);

	while (received < messages) {
		send_what_fits(vq, messages);
		while (!receive(vq))
			amp_wait();
	}
}
