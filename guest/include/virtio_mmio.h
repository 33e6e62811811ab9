/*
 * Registers of virtio over MMIO (virtio 1.4, "MMIO Device Register Layout" and
 * "Legacy interface"; Linux: uapi/linux/virtio_mmio.h). R: read only, W: write
 * only; [1]: version 1 only, [2]: version 2 only.
 */
#ifndef VIRTIO_MMIO_H
#define VIRTIO_MMIO_H

#define VIRTIO_MMIO_MAGIC_VALUE		0x000	/* R: "virt" */
#define VIRTIO_MMIO_VERSION		0x004	/* R: 1 is the legacy interface */
#define VIRTIO_MMIO_DEVICE_ID		0x008	/* R: 0 is an empty slot */
#define VIRTIO_MMIO_DEVICE_FEATURES	0x010	/* R */
#define VIRTIO_MMIO_DEVICE_FEATURES_SEL	0x014	/* W */
#define VIRTIO_MMIO_DRIVER_FEATURES	0x020	/* W */
#define VIRTIO_MMIO_DRIVER_FEATURES_SEL	0x024	/* W */
#define VIRTIO_MMIO_GUEST_PAGE_SIZE	0x028	/* W [1]: bytes, the unit of QUEUE_PFN */
#define VIRTIO_MMIO_QUEUE_SEL		0x030	/* W */
#define VIRTIO_MMIO_QUEUE_NUM_MAX	0x034	/* R: QueueSizeMax */
#define VIRTIO_MMIO_QUEUE_NUM		0x038	/* W: QueueSize */
#define VIRTIO_MMIO_QUEUE_ALIGN		0x03c	/* W [1]: of the used ring, bytes */
#define VIRTIO_MMIO_QUEUE_PFN		0x040	/* RW [1]: of the descriptor table; 0: not in use */
#define VIRTIO_MMIO_QUEUE_READY		0x044	/* RW [2] */
#define VIRTIO_MMIO_QUEUE_NOTIFY	0x050	/* W */
#define VIRTIO_MMIO_INTERRUPT_STATUS	0x060	/* R */
#define VIRTIO_MMIO_INTERRUPT_ACK	0x064	/* W */
#define VIRTIO_MMIO_STATUS		0x070	/* RW */
#define VIRTIO_MMIO_QUEUE_DESC_LOW	0x080	/* W [2] */
#define VIRTIO_MMIO_QUEUE_DESC_HIGH	0x084	/* W [2] */
#define VIRTIO_MMIO_QUEUE_AVAIL_LOW	0x090	/* W [2]: QueueDriver */
#define VIRTIO_MMIO_QUEUE_AVAIL_HIGH	0x094	/* W [2] */
#define VIRTIO_MMIO_QUEUE_USED_LOW	0x0a0	/* W [2]: QueueDevice */
#define VIRTIO_MMIO_QUEUE_USED_HIGH	0x0a4	/* W [2] */
#define VIRTIO_MMIO_QUEUE_RESET		0x0c0	/* RW [2]: reads 1 until the queue is reset */
#define VIRTIO_MMIO_CONFIG_GENERATION	0x0fc	/* R [2] */
#define VIRTIO_MMIO_CONFIG		0x100

#define VIRTIO_MMIO_MAGIC		0x74726976
#define VIRTIO_MMIO_VERSION_LEGACY	1
#define VIRTIO_MMIO_VERSION_MODERN	2

#define VIRTIO_MMIO_INT_VRING		1	/* a buffer was used */
#define VIRTIO_MMIO_INT_CONFIG		2	/* the configuration changed */

#endif
