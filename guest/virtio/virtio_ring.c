/*
 * Split virtqueues.
 *
 * Three arrays shared with the device: the descriptor table and the available
 * ring are ours to write, the used ring is the device's. A buffer is a chain
 * of descriptors, or one descriptor that points to an indirect table; its
 * head's number goes into the available ring, the index of that ring is
 * published, and the device puts the number into the used ring when it is
 * done. All indices run freely over 16 bits.
 *
 * Nothing that the device can write is trusted: what is needed to take a
 * buffer back (who owns it, how long its chain is, which descriptor is next)
 * is kept in desc_state, out of the device's sight. A used element that names
 * no outstanding buffer, or a used index that ran past the available one,
 * marks the queue broken, and a broken queue gives and takes nothing more.
 *
 * Notifications are suppressed in both directions: with EVENT_IDX through
 * used_event and avail_event, without it through the rings' flags.
 *
 * With IN_ORDER buffers come back as they were given. Descriptors are then
 * used round the table, freeing is counting, and one used element may give a
 * batch back: it names the last buffer, and the ones before it, whose
 * elements are not written, are taken as used to the last byte.
 *
 * The caller serialises access to one queue (interrupts off, or a lock).
 *
 * Linux: drivers/virtio/virtio_ring.c.
 */
#include "io.h"
#include "slab.h"
#include "string.h"
#include "vring.h"

static void vq_broken(struct vring_virtqueue *vvq, const char *what, unsigned int value)
{
	struct virtio_device *vdev = vvq->vq.vdev;

	vvq->vq.broken = true;
	pr_err("%s: %s: %s %u, queue is broken\n", vdev->name, vvq->vq.name, what, value);
}

/* ---- giving buffers ---- */

static void write_desc(struct vring_desc *desc, const struct scatterlist *sg, u16 flags, u16 next)
{
	desc->addr = sg->addr;
	desc->len = sg->length;
	desc->flags = flags;
	desc->next = next;
}

static u16 sg_flags(unsigned int i, unsigned int out_sgs, unsigned int total)
{
	return (i < out_sgs ? 0 : VRING_DESC_F_WRITE) | (i + 1 < total ? VRING_DESC_F_NEXT : 0);
}

/* One descriptor of the ring stands for a whole table; false when there is no memory for it. */
static bool add_indirect(struct vring_virtqueue *vvq, u16 head, const struct scatterlist *sg,
			 unsigned int out_sgs, unsigned int total)
{
	struct vring_desc *table = kmalloc(total * sizeof(*table), GFP_KERNEL);
	struct scatterlist whole;

	if (!table)
		return false;
	for (unsigned int i = 0; i < total; i++)
		write_desc(&table[i], &sg[i], sg_flags(i, out_sgs, total), i + 1 < total ? i + 1 : 0);

	whole.addr = __pa(table);
	whole.length = total * sizeof(*table);
	write_desc(&vvq->vring.desc[head], &whole, VRING_DESC_F_INDIRECT, 0);
	vvq->desc_state[head].indir_desc = table;
	vvq->desc_state[head].num = 1;
	vvq->free_head = vvq->desc_state[head].next;
	vvq->vq.num_free--;
	return true;
}

static void add_direct(struct vring_virtqueue *vvq, u16 head, const struct scatterlist *sg,
		       unsigned int out_sgs, unsigned int total)
{
	u16 i = head;

	for (unsigned int n = 0; n < total; n++) {
		u16 next = vvq->desc_state[i].next;

		write_desc(&vvq->vring.desc[i], &sg[n], sg_flags(n, out_sgs, total), next);
		i = next;
	}
	vvq->desc_state[head].indir_desc = NULL;
	vvq->desc_state[head].num = total;
	vvq->free_head = i;
	vvq->vq.num_free -= total;
}

/**
 * virtqueue_add_sgs - expose a buffer to the device
 * @vq: the queue
 * @sg: the pieces, first those that the device reads, then those it writes
 * @out_sgs: how many it reads
 * @in_sgs: how many it writes
 * @data: what virtqueue_get_buf() returns for it; not NULL
 *
 * The device hears of it at the next kick. Returns 0, -ENOSPC (the ring is
 * full; the caller should kick and wait), -EINVAL or -EIO (broken queue).
 */
int virtqueue_add_sgs(struct virtqueue *vq, const struct scatterlist *sg,
		      unsigned int out_sgs, unsigned int in_sgs, void *data)
{
	struct vring_virtqueue *vvq = to_vvq(vq);
	unsigned int total = out_sgs + in_sgs;
	struct vring *vr = &vvq->vring;
	u16 head = vvq->free_head;

	if (vq->broken)
		return -EIO;
	/* The specification forbids a chain longer than the queue, indirect ones too. */
	if (!total || total > vr->num || !data)
		return -EINVAL;
	if (!vq->num_free)
		return -ENOSPC;

	if (!(vvq->indirect && total > 1 && add_indirect(vvq, head, sg, out_sgs, total))) {
		if (vq->num_free < total)
			return -ENOSPC;
		add_direct(vvq, head, sg, out_sgs, total);
	}
	vvq->desc_state[head].data = data;
	vvq->desc_state[head].in_len = 0;
	for (unsigned int i = out_sgs; i < total; i++)
		vvq->desc_state[head].in_len += sg[i].length;

	vr->avail->ring[vvq->avail_idx_shadow & (vr->num - 1)] = head;
	/* Descriptors and ring entry must be visible before the index that covers them. */
	wmb();
	vvq->avail_idx_shadow++;
	WRITE_ONCE(vr->avail->idx, vvq->avail_idx_shadow);
	vvq->num_added++;

	/* 2^16 buffers without a kick would wrap the event index comparison. */
	if (vvq->num_added == UINT16_MAX)
		virtqueue_kick(vq);
	return 0;
}

/* A buffer that the device reads. */
int virtqueue_add_outbuf(struct virtqueue *vq, const struct scatterlist *sg, unsigned int num, void *data)
{
	return virtqueue_add_sgs(vq, sg, num, 0, data);
}

/* A buffer that the device writes. */
int virtqueue_add_inbuf(struct virtqueue *vq, const struct scatterlist *sg, unsigned int num, void *data)
{
	return virtqueue_add_sgs(vq, sg, 0, num, data);
}

/* Does the device want to hear of the buffers added since the last kick? */
bool virtqueue_kick_prepare(struct virtqueue *vq)
{
	struct vring_virtqueue *vvq = to_vvq(vq);
	u16 new = vvq->avail_idx_shadow;
	u16 old = new - vvq->num_added;

	/* The index must be visible before the device's wish is read, or both sides may sleep. */
	mb();
	vvq->num_added = 0;
	if (vvq->event)
		return vring_need_event(READ_ONCE(vring_avail_event(&vvq->vring)), new, old);
	return !(READ_ONCE(vvq->vring.used->flags) & VRING_USED_F_NO_NOTIFY);
}

/* Tell the device; false when the queue is broken. */
bool virtqueue_notify(struct virtqueue *vq)
{
	struct vring_virtqueue *vvq = to_vvq(vq);

	return !vq->broken && vvq->notify(vq);
}

bool virtqueue_kick(struct virtqueue *vq)
{
	return virtqueue_kick_prepare(vq) ? virtqueue_notify(vq) : !vq->broken;
}

/* Kick for all that the device has not used, in case a notification got lost; if it wants to hear of them. */
bool virtqueue_kick_again(struct virtqueue *vq)
{
	struct vring_virtqueue *vvq = to_vvq(vq);

	vvq->num_added = vvq->avail_idx_shadow - vvq->last_used_idx;
	return virtqueue_kick(vq);
}

/* What VIRTIO_F_NOTIFICATION_DATA adds to the queue's number: where the next available entry will be. */
u32 vring_notification_data(struct virtqueue *vq)
{
	return (u32)to_vvq(vq)->avail_idx_shadow << 16 | vq->index;
}

/* ---- taking them back ---- */

static void detach_buf(struct vring_virtqueue *vvq, u16 head)
{
	struct vring_desc_state *state = &vvq->desc_state[head];
	u16 last = head;

	/* In order, what is free lies between free_head and the oldest buffer. */
	if (!vvq->in_order) {
		for (unsigned int n = 1; n < state->num; n++)
			last = vvq->desc_state[last].next;
		vvq->desc_state[last].next = vvq->free_head;
		vvq->free_head = head;
	}
	vvq->vq.num_free += state->num;

	state->data = NULL;
	kfree(state->indir_desc);
	state->indir_desc = NULL;
}

static bool more_used(struct vring_virtqueue *vvq)
{
	return vvq->last_used_idx != READ_ONCE(vvq->vring.used->idx);
}

static struct vring_used_elem read_used_elem(const struct vring_virtqueue *vvq)
{
	const struct vring *vr = &vvq->vring;
	const struct vring_used_elem *elem = &vr->used->ring[vvq->last_used_idx & (vr->num - 1)];

	return (struct vring_used_elem){ READ_ONCE(elem->id), READ_ONCE(elem->len) };
}

static bool next_used(struct vring_virtqueue *vvq, struct vring_used_elem *used)
{
	*used = read_used_elem(vvq);
	if (used->id >= vvq->vring.num)
		vq_broken(vvq, "id out of range:", used->id);
	else if (!vvq->desc_state[used->id].data)
		vq_broken(vvq, "id is not a head:", used->id);
	return !vvq->vq.broken;
}

static u16 next_head(const struct vring_virtqueue *vvq, u16 head)
{
	return (head + vvq->desc_state[head].num) & (vvq->vring.num - 1);
}

/* The element behind the last batch names the last buffer of the next, at most `left` buffers on. */
static bool next_batch(struct vring_virtqueue *vvq, u16 left)
{
	struct vring_used_elem used = read_used_elem(vvq);
	u16 head = vvq->oldest;

	for (vvq->batch = 1; head != used.id; vvq->batch++, head = next_head(vvq, head))
		if (vvq->batch == left) {
			vq_broken(vvq, "id is not in order:", used.id);
			return false;
		}
	vvq->batch_len = used.len;
	return true;
}

static bool next_used_in_order(struct vring_virtqueue *vvq, u16 left, struct vring_used_elem *used)
{
	if (!vvq->batch && !next_batch(vvq, left))
		return false;
	used->id = vvq->oldest;
	used->len = --vvq->batch ? vvq->desc_state[used->id].in_len : vvq->batch_len;
	vvq->oldest = next_head(vvq, used->id);
	return true;
}

/* Bytes that the device can have written. Legacy devices were free in what they said, and are not blamed. */
static u32 believable_len(struct vring_virtqueue *vvq, const struct vring_used_elem *used)
{
	u32 in_len = vvq->desc_state[used->id].in_len;

	if (used->len <= in_len)
		return used->len;
	if (!vvq->long_len_told && virtio_has_feature(vvq->vq.vdev, VIRTIO_F_VERSION_1))
		pr_warn("%s: %s: used length %u of a buffer of %u bytes\n", vvq->vq.vdev->name, vvq->vq.name,
			used->len, in_len);
	vvq->long_len_told = true;
	return in_len;
}

/**
 * virtqueue_get_buf - take back the next buffer that the device has used
 * @vq: the queue
 * @len: where to put the number of bytes the device says it wrote, at most what it may; NULL is fine
 *
 * Returns the data given to virtqueue_add_sgs(), or NULL: none, or broken.
 */
void *virtqueue_get_buf(struct virtqueue *vq, u32 *len)
{
	struct vring_virtqueue *vvq = to_vvq(vq);
	struct vring *vr = &vvq->vring;
	struct vring_used_elem used;
	u16 used_idx, left;
	void *data;
	u32 believed;

	if (vq->broken || !more_used(vvq))
		return NULL;
	/* The element is valid only once the index has been seen. */
	rmb();

	used_idx = READ_ONCE(vr->used->idx);
	left = used_idx - vvq->last_used_idx;
	if ((u16)(vvq->avail_idx_shadow - vvq->last_used_idx) < left) {
		vq_broken(vvq, "bad used index", used_idx);
		return NULL;
	}
	if (!(vvq->in_order ? next_used_in_order(vvq, left, &used) : next_used(vvq, &used)))
		return NULL;

	data = vvq->desc_state[used.id].data;
	believed = believable_len(vvq, &used);
	if (len)
		*len = believed;
	detach_buf(vvq, used.id);
	vvq->last_used_idx++;

	/* With interrupts wanted, ask for one at the very next element. */
	if (vvq->event && !(vvq->avail_flags_shadow & VRING_AVAIL_F_NO_INTERRUPT)) {
		WRITE_ONCE(vring_used_event(vr), vvq->last_used_idx);
		mb();
	}
	return data;
}

/* Ask for no interrupts; the device may still send some. */
void virtqueue_disable_cb(struct virtqueue *vq)
{
	struct vring_virtqueue *vvq = to_vvq(vq);

	vvq->avail_flags_shadow |= VRING_AVAIL_F_NO_INTERRUPT;
	/* With EVENT_IDX the flags stay 0; a used_event left behind is silent until the index wraps. */
	if (!vvq->event)
		WRITE_ONCE(vvq->vring.avail->flags, vvq->avail_flags_shadow);
}

/* Ask for interrupts again; false if a buffer was used meanwhile: the caller must look again. */
bool virtqueue_enable_cb(struct virtqueue *vq)
{
	struct vring_virtqueue *vvq = to_vvq(vq);

	vvq->avail_flags_shadow &= ~VRING_AVAIL_F_NO_INTERRUPT;
	if (vvq->event)
		WRITE_ONCE(vring_used_event(&vvq->vring), vvq->last_used_idx);
	else
		WRITE_ONCE(vvq->vring.avail->flags, vvq->avail_flags_shadow);
	mb();
	return !more_used(vvq);
}

/*
 * Take back a buffer that the device never used; only after a reset of the device or the queue, which the
 * queue needs too, unless it is deleted, before it takes more. NULL when none is left.
 */
void *virtqueue_detach_unused_buf(struct virtqueue *vq)
{
	struct vring_virtqueue *vvq = to_vvq(vq);

	for (unsigned int i = 0; i < vvq->vring.num; i++) {
		void *data = vvq->desc_state[i].data;

		if (data) {
			detach_buf(vvq, i);
			return data;
		}
	}
	return NULL;
}

/* The transport's interrupt handler calls this for each queue: spurious calls are normal. */
void vring_interrupt(struct virtqueue *vq)
{
	if (more_used(to_vvq(vq)) && !vq->broken && vq->callback)
		vq->callback(vq);
}
