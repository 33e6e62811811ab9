/*
 * Registers of virtio over MMIO, version 2 (virtio 1.4, "MMIO Device Register
 * Layout"; Linux: uapi/linux/virtio_mmio.h). R: read only, W: write only.
 */
#ifndef VIRTIO_MMIO_H
#define VIRTIO_MMIO_H

#define VIRTIO_MMIO_MAGIC_VALUE		0x000	/* R: "virt" */
#define VIRTIO_MMIO_VERSION		0x004	/* R: 2 */
#define VIRTIO_MMIO_DEVICE_ID		0x008	/* R: 0 is an empty slot */
#define VIRTIO_MMIO_DEVICE_FEATURES	0x010	/* R */
#define VIRTIO_MMIO_DEVICE_FEATURES_SEL	0x014	/* W */
#define VIRTIO_MMIO_DRIVER_FEATURES	0x020	/* W */
#define VIRTIO_MMIO_DRIVER_FEATURES_SEL	0x024	/* W */
#define VIRTIO_MMIO_QUEUE_SEL		0x030	/* W */
#define VIRTIO_MMIO_QUEUE_NUM_MAX	0x034	/* R: QueueSizeMax */
#define VIRTIO_MMIO_QUEUE_NUM		0x038	/* W: QueueSize */
#define VIRTIO_MMIO_QUEUE_READY		0x044	/* RW */
#define VIRTIO_MMIO_QUEUE_NOTIFY	0x050	/* W */
#define VIRTIO_MMIO_INTERRUPT_STATUS	0x060	/* R */
#define VIRTIO_MMIO_INTERRUPT_ACK	0x064	/* W */
#define VIRTIO_MMIO_STATUS		0x070	/* RW */
#define VIRTIO_MMIO_QUEUE_DESC_LOW	0x080	/* W */
#define VIRTIO_MMIO_QUEUE_DESC_HIGH	0x084	/* W */
#define VIRTIO_MMIO_QUEUE_AVAIL_LOW	0x090	/* W: QueueDriver */
#define VIRTIO_MMIO_QUEUE_AVAIL_HIGH	0x094	/* W */
#define VIRTIO_MMIO_QUEUE_USED_LOW	0x0a0	/* W: QueueDevice */
#define VIRTIO_MMIO_QUEUE_USED_HIGH	0x0a4	/* W */
#define VIRTIO_MMIO_CONFIG_GENERATION	0x0fc	/* R */
#define VIRTIO_MMIO_CONFIG		0x100

#define VIRTIO_MMIO_MAGIC		0x74726976
#define VIRTIO_MMIO_VERSION_LEGACY	1
#define VIRTIO_MMIO_VERSION_MODERN	2

#define VIRTIO_MMIO_INT_VRING		1	/* a buffer was used */
#define VIRTIO_MMIO_INT_CONFIG		2	/* the configuration changed */

#endif
