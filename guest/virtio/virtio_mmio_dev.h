/* Inside the MMIO transport: one device, and the operations that its files share. */
#ifndef VIRTIO_MMIO_DEV_H
#define VIRTIO_MMIO_DEV_H

#include "io.h"
#include "irq.h"
#include "kernel.h"
#include "time.h"
#include "virtio_config.h"
#include "virtio_mmio.h"

#define VIRTIO_MMIO_RESET_TIMEOUT_NS NSEC_PER_SEC

struct virtio_mmio_device {
	struct virtio_device vdev;
	void *base;
	unsigned int irq;
	bool legacy; /* version 1 */
};

#define to_virtio_mmio_device(_vdev) container_of(_vdev, struct virtio_mmio_device, vdev)

static inline u32 vm_readl(struct virtio_device *vdev, unsigned int reg)
{
	return readl(to_virtio_mmio_device(vdev)->base + reg);
}

static inline void vm_writel(struct virtio_device *vdev, u32 value, unsigned int reg)
{
	writel(value, to_virtio_mmio_device(vdev)->base + reg);
}

/* The configuration space (virtio_mmio_config.c). */
int vm_get(struct virtio_device *vdev, unsigned int offset, void *buf, unsigned int len);
void vm_set(struct virtio_device *vdev, unsigned int offset, const void *buf, unsigned int len);

/* Queues (virtio_mmio_vq.c); find and del also take and give back the interrupt. */
irqreturn_t vm_interrupt(int irq, void *opaque);
int vm_find_vqs(struct virtio_device *vdev, unsigned int nvqs, struct virtqueue *vqs[],
		const struct virtqueue_info vqs_info[]);
void vm_del_vqs(struct virtio_device *vdev);
int vm_disable_vq_and_reset(struct virtqueue *vq);
void vm_enable_vq_after_reset(struct virtqueue *vq);

#endif
