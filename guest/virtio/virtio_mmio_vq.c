/*
 * Virtio over MMIO: queues and the interrupt.
 *
 * Per-queue registers act on the queue that QueueSel selects. A modern queue is described (size, three
 * addresses) while QueueReady is 0, and QueueReady = 1 hands it over. A legacy queue is one piece of
 * memory whose page number, written to QueuePFN, hands it over; 0 takes it back.
 *
 * Linux: drivers/virtio/virtio_mmio.c.
 */
#include "virtio_mmio_dev.h"
#include "virtio_ring.h"

#define VIRTQUEUE_NUM_LIMIT 256 /* descriptors: more than any driver here keeps busy */

static bool vm_notify(struct virtqueue *vq)
{
	vm_writel(vq->vdev, vq->index, VIRTIO_MMIO_QUEUE_NOTIFY);
	return true;
}

static bool vm_notify_with_data(struct virtqueue *vq)
{
	vm_writel(vq->vdev, vring_notification_data(vq), VIRTIO_MMIO_QUEUE_NOTIFY);
	return true;
}

/*
 * Acknowledged before the rings are looked at: a buffer used in between raises the interrupt again, where
 * acknowledging last would lose it.
 */
irqreturn_t vm_interrupt(int irq, void *opaque)
{
	struct virtio_device *vdev = opaque;
	struct virtqueue *vq;
	u32 status;

	status = vm_readl(vdev, VIRTIO_MMIO_INTERRUPT_STATUS);
	status &= VIRTIO_MMIO_INT_VRING | VIRTIO_MMIO_INT_CONFIG;
	if (!status)
		return IRQ_NONE;
	vm_writel(vdev, status, VIRTIO_MMIO_INTERRUPT_ACK);

	if (status & VIRTIO_MMIO_INT_CONFIG)
		virtio_config_changed(vdev);
	if (status & VIRTIO_MMIO_INT_VRING)
		list_for_each_entry(vq, &vdev->vqs, list)
			vring_interrupt(vq);
	return IRQ_HANDLED;
}

/* ---- one queue ---- */

static void vm_write_address(struct virtio_device *vdev, phys_addr_t addr, unsigned int low,
			     unsigned int high)
{
	vm_writel(vdev, (u32)addr, low);
	vm_writel(vdev, addr >> 32, high);
}

/* Hands the queue that QueueSel selects over to the device. */
static void vm_activate_vq(struct virtqueue *vq)
{
	struct virtio_device *vdev = vq->vdev;

	vm_writel(vdev, virtqueue_get_vring_size(vq), VIRTIO_MMIO_QUEUE_NUM);
	if (to_virtio_mmio_device(vdev)->legacy) {
		vm_writel(vdev, PAGE_SIZE, VIRTIO_MMIO_QUEUE_ALIGN);
		vm_writel(vdev, virtqueue_get_desc_addr(vq) >> PAGE_SHIFT, VIRTIO_MMIO_QUEUE_PFN);
		return;
	}
	vm_write_address(vdev, virtqueue_get_desc_addr(vq), VIRTIO_MMIO_QUEUE_DESC_LOW,
			 VIRTIO_MMIO_QUEUE_DESC_HIGH);
	vm_write_address(vdev, virtqueue_get_avail_addr(vq), VIRTIO_MMIO_QUEUE_AVAIL_LOW,
			 VIRTIO_MMIO_QUEUE_AVAIL_HIGH);
	vm_write_address(vdev, virtqueue_get_used_addr(vq), VIRTIO_MMIO_QUEUE_USED_LOW,
			 VIRTIO_MMIO_QUEUE_USED_HIGH);
	vm_writel(vdev, 1, VIRTIO_MMIO_QUEUE_READY);
}

/* The register that says whether the queue is the device's: 0, when it is ours. */
static unsigned int vm_live_reg(struct virtio_device *vdev)
{
	return to_virtio_mmio_device(vdev)->legacy ? VIRTIO_MMIO_QUEUE_PFN : VIRTIO_MMIO_QUEUE_READY;
}

static struct virtqueue *vm_setup_vq(struct virtio_device *vdev, unsigned int index,
				     const struct virtqueue_info *info)
{
	bool legacy = to_virtio_mmio_device(vdev)->legacy;
	bool with_data = virtio_has_feature(vdev, VIRTIO_F_NOTIFICATION_DATA);
	struct virtqueue *vq;
	unsigned int num;

	vm_writel(vdev, index, VIRTIO_MMIO_QUEUE_SEL);
	if (vm_readl(vdev, vm_live_reg(vdev)))
		return ERR_PTR(-EBUSY);
	num = vm_readl(vdev, VIRTIO_MMIO_QUEUE_NUM_MAX);
	if (!num)
		return ERR_PTR(-ENOENT);
	num = min(num, VIRTQUEUE_NUM_LIMIT + 0u);
	while (num & (num - 1)) /* the largest power of two in it */
		num &= num - 1;

	vq = vring_create_virtqueue(index, num, legacy ? PAGE_SIZE : VRING_USED_ALIGN_SIZE, vdev,
				    with_data ? vm_notify_with_data : vm_notify, info->callback, info->name);
	if (!vq)
		return ERR_PTR(-ENOMEM);
	vm_activate_vq(vq);
	return vq;
}

static void vm_del_vq(struct virtqueue *vq)
{
	struct virtio_device *vdev = vq->vdev;

	vm_writel(vdev, vq->index, VIRTIO_MMIO_QUEUE_SEL);
	vm_writel(vdev, 0, vm_live_reg(vdev));
	/* Reading it back makes sure that the device has let go of the memory. */
	WARN_ON(vm_readl(vdev, vm_live_reg(vdev)));
	vring_del_virtqueue(vq);
}

int vm_disable_vq_and_reset(struct virtqueue *vq)
{
	struct virtio_device *vdev = vq->vdev;
	u64 deadline = ktime_get_ns() + VIRTIO_MMIO_RESET_TIMEOUT_NS;

	vm_writel(vdev, vq->index, VIRTIO_MMIO_QUEUE_SEL);
	vm_writel(vdev, 1, VIRTIO_MMIO_QUEUE_RESET);
	while (vm_readl(vdev, VIRTIO_MMIO_QUEUE_RESET) || vm_readl(vdev, VIRTIO_MMIO_QUEUE_READY))
		if (ktime_get_ns() > deadline)
			return -ETIMEDOUT;
	return 0;
}

void vm_enable_vq_after_reset(struct virtqueue *vq)
{
	vm_writel(vq->vdev, vq->index, VIRTIO_MMIO_QUEUE_SEL);
	vm_activate_vq(vq);
}

/* ---- all of a device's ---- */

void vm_del_vqs(struct virtio_device *vdev)
{
	struct virtqueue *vq, *next;

	free_irq(to_virtio_mmio_device(vdev)->irq, vdev);
	list_for_each_entry_safe(vq, next, &vdev->vqs, list)
		vm_del_vq(vq);
}

int vm_find_vqs(struct virtio_device *vdev, unsigned int nvqs, struct virtqueue *vqs[],
		const struct virtqueue_info vqs_info[])
{
	int err;

	err = request_irq(to_virtio_mmio_device(vdev)->irq, vm_interrupt, vdev->name, vdev);
	if (err)
		return err;
	for (unsigned int i = 0; i < nvqs; i++) {
		vqs[i] = NULL;
		if (!vqs_info[i].name)
			continue;
		vqs[i] = vm_setup_vq(vdev, i, &vqs_info[i]);
		if (IS_ERR(vqs[i])) {
			err = PTR_ERR(vqs[i]);
			pr_err("%s: queue %u (%s): error %d\n", vdev->name, i, vqs_info[i].name, err);
			vm_del_vqs(vdev);
			return err;
		}
	}
	return 0;
}
