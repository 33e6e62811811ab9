/*
 * A split virtqueue's life: memory, a fresh start, the end; and the reset of one queue of a device that
 * works on (VIRTIO_F_RING_RESET).
 *
 * The three arrays lie in one piece: descriptors, available ring, and the used ring at the alignment that
 * the transport wants. That is how the legacy interface must have it, and fine for the other.
 *
 * Linux: drivers/virtio/virtio_ring.c.
 */
#include "irqflags.h"
#include "slab.h"
#include "string.h"
#include "vring.h"

/* As on the first day: nothing given, nothing taken. The device does not look. */
static void vring_init_state(struct vring_virtqueue *vvq)
{
	unsigned int num = vvq->vring.num;

	memset(vvq->vring.desc, 0, vvq->bytes);
	memset(vvq->desc_state, 0, num * sizeof(vvq->desc_state[0]));
	for (unsigned int i = 0; i < num; i++)
		vvq->desc_state[i].next = (i + 1) & (num - 1);
	vvq->vq.broken = false;
	vvq->vq.num_free = num;
	vvq->free_head = vvq->oldest = vvq->batch = 0;
	vvq->num_added = vvq->last_used_idx = 0;
	vvq->avail_idx_shadow = vvq->avail_flags_shadow = 0;
	if (!vvq->vq.callback)
		virtqueue_disable_cb(&vvq->vq);
}

/**
 * vring_create_virtqueue - allocate an empty queue
 * @index: its number at the device
 * @num: descriptors, a power of two
 * @align: of the used ring, bytes: 4, or what the legacy interface was told
 * @notify: how the transport tells the device
 * @callback: called from the interrupt when buffers were used; NULL: never
 *
 * Returns NULL when memory is short.
 */
struct virtqueue *vring_create_virtqueue(unsigned int index, unsigned int num, size_t align,
					 struct virtio_device *vdev, bool (*notify)(struct virtqueue *vq),
					 vq_callback_t *callback, const char *name)
{
	size_t avail = num * sizeof(struct vring_desc);
	size_t used = ALIGN(avail + sizeof(struct vring_avail) + (num + 1) * sizeof(u16), align);
	struct vring_virtqueue *vvq;

	vvq = kzalloc(sizeof(*vvq) + num * sizeof(vvq->desc_state[0]), GFP_KERNEL);
	if (!vvq)
		return NULL;
	vvq->bytes = used + sizeof(struct vring_used) + num * sizeof(struct vring_used_elem) + sizeof(u16);
	while (vvq->bytes > PAGE_SIZE << vvq->order)
		vvq->order++;
	vvq->vring.num = num;
	vvq->vring.desc = __get_free_pages(GFP_KERNEL, vvq->order);
	if (!vvq->vring.desc) {
		kfree(vvq);
		return NULL;
	}
	vvq->vring.avail = (void *)vvq->vring.desc + avail;
	vvq->vring.used = (void *)vvq->vring.desc + used;

	vvq->indirect = virtio_has_feature(vdev, VIRTIO_RING_F_INDIRECT_DESC);
	vvq->event = virtio_has_feature(vdev, VIRTIO_RING_F_EVENT_IDX);
	vvq->in_order = virtio_has_feature(vdev, VIRTIO_F_IN_ORDER);
	vvq->notify = notify;
	vvq->vq.vdev = vdev;
	vvq->vq.name = name;
	vvq->vq.index = index;
	vvq->vq.callback = callback;
	vring_init_state(vvq);
	list_add_tail(&vvq->vq.list, &vdev->vqs);
	return &vvq->vq;
}

/* Free a queue that is not live any more; buffers still in it stay with the driver. */
void vring_del_virtqueue(struct virtqueue *vq)
{
	struct vring_virtqueue *vvq = to_vvq(vq);

	while (virtqueue_detach_unused_buf(vq))
		;
	list_del(&vq->list);
	free_pages(vvq->vring.desc, vvq->order);
	kfree(vvq);
}

/**
 * virtqueue_reset - take every buffer back from the device, and start the queue afresh
 * @vq: the queue; it may be broken
 * @recycle: gets the data of each buffer that the device had not used; may not add it again
 *
 * The device's other queues go on. Returns 0, or an error, and then the queue is as it was: -EOPNOTSUPP
 * without RING_RESET, -EIO: the whole device needs a reset, -ETIMEDOUT: it did not let go of the queue.
 */
int virtqueue_reset(struct virtqueue *vq, void (*recycle)(struct virtqueue *vq, void *data))
{
	const struct virtio_config_ops *config = vq->vdev->config;
	unsigned long flags;
	void *data;
	int err;

	if (!virtio_has_feature(vq->vdev, VIRTIO_F_RING_RESET))
		return -EOPNOTSUPP;
	if (vq->vdev->needs_reset)
		return -EIO;
	local_irq_save(flags);
	err = config->disable_vq_and_reset(vq);
	if (!err) {
		while ((data = virtqueue_detach_unused_buf(vq)))
			recycle(vq, data);
		vring_init_state(to_vvq(vq));
		config->enable_vq_after_reset(vq);
	}
	local_irq_restore(flags);
	return err;
}

unsigned int virtqueue_get_vring_size(const struct virtqueue *vq)
{
	return to_vvq(vq)->vring.num;
}

phys_addr_t virtqueue_get_desc_addr(const struct virtqueue *vq)
{
	return __pa(to_vvq(vq)->vring.desc);
}

phys_addr_t virtqueue_get_avail_addr(const struct virtqueue *vq)
{
	return __pa(to_vvq(vq)->vring.avail);
}

phys_addr_t virtqueue_get_used_addr(const struct virtqueue *vq)
{
	return __pa(to_vvq(vq)->vring.used);
}
