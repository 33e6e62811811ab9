/*
 * The virtio block device: requests.
 *
 * A request is one buffer: a header that the device reads, the data, and a
 * status byte that it writes last. Requests are asynchronous, up to
 * VIRTBLK_MAX_REQS of them at once; submitting one more sleeps until one ends.
 *
 * A device that answers nothing for VIRTBLK_TIMEOUT, or nonsense, loses its
 * queue, and is asked everything again: requests do no harm when they are
 * carried out twice. The queue alone is reset where RING_RESET allows it, else
 * the whole device. When that does not help, the device is given up: every
 * request ends with an error, until the next restore or thaw brings it up
 * again.
 *
 * Linux: drivers/block/virtio_blk.c.
 */
#include "irqflags.h"
#include "string.h"
#include "virtio_blk_dev.h"

#define VIRTBLK_TIMEOUT (10 * NSEC_PER_SEC)

static int virtblk_result(u8 status)
{
	switch (status) {
	case VIRTIO_BLK_S_OK:
		return 0;
	case VIRTIO_BLK_S_UNSUPP:
		return -EOPNOTSUPP;
	default:
		return -EIO;
	}
}

/*
 * The status byte is the last that the device writes, so a shorter answer has none. Legacy devices said
 * what they liked.
 */
static int virtblk_req_result(struct virtio_blk *vblk, const struct virtblk_req *vbr, u32 len)
{
	int err = virtblk_result(vbr->status);

	if (err || len == vbr->in_len || !virtio_has_feature(vblk->vdev, VIRTIO_F_VERSION_1))
		return err;
	pr_err("%s: an answer of %u bytes, not %u\n", vblk->bdev.name, len, vbr->in_len);
	return -EIO;
}

/* Interrupts off, here and in all that follows up to virtblk_do_req(). */
static void virtblk_end_request(struct virtio_blk *vblk, struct virtblk_req *vbr, int err)
{
	struct bio *bio = vbr->bio;

	vbr->bio = NULL;
	vblk->in_flight--;
	vblk->completed++;
	bio_endio(bio, err);
}

void virtblk_end_all(struct virtio_blk *vblk, int err)
{
	del_timer(&vblk->watchdog);
	for (unsigned int i = 0; i < VIRTBLK_MAX_REQS; i++)
		if (vblk->reqs[i].bio)
			virtblk_end_request(vblk, &vblk->reqs[i], err);
	wake_up(&vblk->wait);
}

/* -ENOSPC: not now, no room. */
static int virtblk_queue_req(struct virtio_blk *vblk, struct virtblk_req *vbr)
{
	int err;

	vbr->status = VIRTIO_BLK_S_IOERR; /* until the device says otherwise */
	err = virtqueue_add_sgs(vblk->vq, vbr->sg, vbr->out, vbr->in, vbr);
	vbr->queued = !err;
	return err;
}

/* ---- a device that does not do its part ---- */

static void virtblk_recycle(struct virtqueue *vq, void *data)
{
	struct virtblk_req *vbr = data;

	vbr->queued = false;
}

/* All that was taken back from the device; there was room for it before. */
void virtblk_ask_again(struct virtio_blk *vblk)
{
	for (unsigned int i = 0; i < VIRTBLK_MAX_REQS; i++) {
		struct virtblk_req *vbr = &vblk->reqs[i];
		int err = vbr->bio && !vbr->queued ? virtblk_queue_req(vblk, vbr) : 0;

		if (err)
			virtblk_end_request(vblk, vbr, err);
	}
	virtqueue_kick(vblk->vq);
	wake_up(&vblk->wait);
}

/* Between two completions the queue is reset once, then the device once; false when that did not help. */
static bool virtblk_mend(struct virtio_blk *vblk)
{
	if (!vblk->vq)
		return true; /* somebody is at it */
	if (!vblk->mended && !virtqueue_reset(vblk->vq, virtblk_recycle)) {
		pr_info("%s: queue was reset\n", vblk->bdev.name);
		vblk->mended = 1;
		virtblk_ask_again(vblk);
		return true;
	}
	if (vblk->mended == 2)
		return false;
	vblk->mended = 2;
	return virtio_device_recover(vblk->vdev);
}

void virtblk_done(struct virtqueue *vq)
{
	struct virtio_blk *vblk = vq->vdev->priv;
	struct virtblk_req *vbr;
	u32 len;

	do {
		virtqueue_disable_cb(vq);
		while ((vbr = virtqueue_get_buf(vq, &len))) {
			vblk->mended = 0;
			virtblk_end_request(vblk, vbr, virtblk_req_result(vblk, vbr, len));
		}
	} while (!vq->broken && !virtqueue_enable_cb(vq));
	wake_up(&vblk->wait);
	if (vq->broken)
		virtblk_mend(vblk);
}

static void virtblk_watch(struct virtio_blk *vblk)
{
	vblk->completed_at_check = vblk->completed;
	mod_timer(&vblk->watchdog, ktime_get_ns() + VIRTBLK_TIMEOUT);
}

void virtblk_watchdog(struct timer_list *timer)
{
	struct virtio_blk *vblk = from_timer(vblk, timer, watchdog);

	if (!vblk->in_flight)
		return;
	if (vblk->completed == vblk->completed_at_check) {
		pr_err("%s: no answer for %llu s\n", vblk->bdev.name,
		       (u64)(VIRTBLK_TIMEOUT / NSEC_PER_SEC));
		if (!virtblk_mend(vblk))
			virtio_device_give_up(vblk->vdev, -ETIMEDOUT);
	}
	if (vblk->in_flight)
		virtblk_watch(vblk);
}

/* ---- requests ---- */

static struct virtblk_req *virtblk_free_req(struct virtio_blk *vblk)
{
	for (unsigned int i = 0; i < VIRTBLK_MAX_REQS; i++)
		if (!vblk->reqs[i].bio)
			return &vblk->reqs[i];
	return NULL;
}

/* -ENOSPC: not now, no room. */
static int virtblk_add_req(struct virtio_blk *vblk, u32 type, struct bio *bio)
{
	struct virtblk_req *vbr = virtblk_free_req(vblk);
	int err;

	if (!vbr)
		return -ENOSPC;
	vbr->out_hdr.type = type;
	vbr->out_hdr.ioprio = 0;
	vbr->out_hdr.sector = bio->sector;
	vbr->out = vbr->in = 1;
	vbr->in_len = sizeof(vbr->status);

	sg_init_one(&vbr->sg[0], &vbr->out_hdr, sizeof(vbr->out_hdr));
	memcpy(&vbr->sg[1], bio->vec, bio->vcnt * sizeof(bio->vec[0]));
	sg_init_one(&vbr->sg[1 + bio->vcnt], &vbr->status, sizeof(vbr->status));
	if (type == VIRTIO_BLK_T_OUT) {
		vbr->out += bio->vcnt;
	} else {
		vbr->in += bio->vcnt;
		vbr->in_len += bio_bytes(bio);
	}
	err = virtblk_queue_req(vblk, vbr);
	if (err)
		return err;
	vbr->bio = bio;
	vblk->in_flight++;
	if (!timer_pending(&vblk->watchdog))
		virtblk_watch(vblk);
	virtqueue_kick(vblk->vq);
	return 0;
}

static int virtblk_try_req(struct virtio_blk *vblk, u32 type, struct bio *bio)
{
	unsigned long flags;
	int err;

	local_irq_save(flags);
	if (vblk->vdev->failed)
		err = -EIO;
	else if (!vblk->vq || vblk->vq->broken)
		err = -ENOSPC; /* it is being mended */
	else
		err = virtblk_add_req(vblk, type, bio);
	local_irq_restore(flags);
	return err;
}

void virtblk_do_req(struct virtio_blk *vblk, u32 type, struct bio *bio)
{
	int err;

	/* Full: some request is in flight, and either it ends or the watchdog ends it. */
	wait_event(vblk->wait, (err = virtblk_try_req(vblk, type, bio)) != -ENOSPC);
	if (err)
		bio_endio(bio, err);
}

void virtblk_submit(struct block_device *bdev, struct bio *bio)
{
	struct virtio_blk *vblk = container_of(bdev, struct virtio_blk, bdev);

	switch (bio->op) {
	case REQ_OP_READ:
		virtblk_do_req(vblk, VIRTIO_BLK_T_IN, bio);
		break;
	case REQ_OP_WRITE:
		virtblk_do_req(vblk, VIRTIO_BLK_T_OUT, bio);
		break;
	case REQ_OP_FLUSH:
		if (vblk->write_cache)
			virtblk_do_req(vblk, VIRTIO_BLK_T_FLUSH, bio);
		else
			bio_endio(bio, 0);
		break;
	}
}
