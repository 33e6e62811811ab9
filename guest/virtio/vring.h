/* Inside a split virtqueue: the state that virtio_ring.c works on and vring_create.c makes. */
#ifndef VRING_H
#define VRING_H

#include "virtio_config.h"
#include "virtio_ring.h"

struct vring_desc_state {
	void *data;			/* the driver's token; NULL: not a head in use */
	struct vring_desc *indir_desc;	/* the indirect table, if any */
	unsigned int num;		/* descriptors of the ring in this chain */
	u32 in_len;			/* bytes that the device may write */
	u16 next;			/* next of the chain, or next free one */
};

struct vring_virtqueue {
	struct virtqueue vq;
	struct vring vring;
	unsigned int order;		/* 2^order pages hold the three arrays */
	size_t bytes;			/* that they take */
	bool indirect;
	bool event;
	bool in_order;
	bool long_len_told;		/* the device writes more than it may, says its used length */
	u16 free_head;
	u16 num_added;			/* since the last kick */
	u16 last_used_idx;
	u16 avail_idx_shadow;
	u16 avail_flags_shadow;
	u16 oldest;			/* in_order: head of the buffer that comes back next */
	u16 batch;			/* in_order: buffers still to come of what one used element gave back */
	u32 batch_len;			/* in_order: used length of the last of them */
	bool (*notify)(struct virtqueue *vq);
	struct vring_desc_state desc_state[];
};

#define to_vvq(_vq) container_of(_vq, struct vring_virtqueue, vq)

/* These two live behind the rings' last elements. */
#define vring_used_event(vr)	((vr)->avail->ring[(vr)->num])
#define vring_avail_event(vr)	(*(u16 *)&(vr)->used->ring[(vr)->num])

#endif
