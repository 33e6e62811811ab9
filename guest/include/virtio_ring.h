/*
 * The split virtqueue's layout in memory (virtio 1.4, "Split Virtqueues";
 * Linux: uapi/linux/virtio_ring.h) and what a transport needs of the ring.
 */
#ifndef VIRTIO_RING_H
#define VIRTIO_RING_H

#include "virtio.h"

#define VRING_USED_ALIGN_SIZE		4

#define VRING_DESC_F_NEXT		1
#define VRING_DESC_F_WRITE		2
#define VRING_DESC_F_INDIRECT		4

#define VRING_USED_F_NO_NOTIFY		1
#define VRING_AVAIL_F_NO_INTERRUPT	1

struct vring_desc {
	u64 addr;
	u32 len;
	u16 flags;
	u16 next;
};

struct vring_avail {
	u16 flags;
	u16 idx;
	u16 ring[];		/* then used_event */
};

struct vring_used_elem {
	u32 id;
	u32 len;
};

struct vring_used {
	u16 flags;
	u16 idx;
	struct vring_used_elem ring[];	/* then avail_event */
};

struct vring {
	unsigned int num;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
};

/* Did the other side ask to hear of an index in (old_idx, new_idx]? */
static inline bool vring_need_event(u16 event_idx, u16 new_idx, u16 old_idx)
{
	return (u16)(new_idx - event_idx - 1) < (u16)(new_idx - old_idx);
}

struct virtqueue *vring_create_virtqueue(unsigned int index, unsigned int num, size_t align,
					 struct virtio_device *vdev, bool (*notify)(struct virtqueue *vq),
					 vq_callback_t *callback, const char *name);
void vring_del_virtqueue(struct virtqueue *vq);
void vring_interrupt(struct virtqueue *vq);
u32 vring_notification_data(struct virtqueue *vq);

phys_addr_t virtqueue_get_desc_addr(const struct virtqueue *vq);
phys_addr_t virtqueue_get_avail_addr(const struct virtqueue *vq);
phys_addr_t virtqueue_get_used_addr(const struct virtqueue *vq);

#endif
