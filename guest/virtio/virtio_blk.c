/*
 * The virtio block device.
 *
 * A request is one buffer: a header that the device reads, the data, and a
 * status byte that it writes last. Requests are asynchronous, up to
 * VIRTBLK_MAX_REQS of them at once; submitting one more sleeps until one ends.
 *
 * A device that answers nothing for VIRTBLK_TIMEOUT is reset, which takes all
 * memory away from it, and every request ends with -ETIMEDOUT. It stays
 * dead (-EIO) until the next restore or thaw brings it up again.
 *
 * Linux: drivers/block/virtio_blk.c.
 */
#include "blkdev.h"
#include "irqflags.h"
#include "slab.h"
#include "string.h"
#include "timer.h"
#include "virtio_blk.h"
#include "virtio_config.h"
#include "virtio_ids.h"
#include "wait.h"

#define VIRTBLK_MAX_REQS 32
#define VIRTBLK_SEGMENT_BYTES (1u << 20) /* in one piece, when the device names no limit */
#define VIRTBLK_TIMEOUT (10 * NSEC_PER_SEC)

struct virtblk_req {
	struct virtio_blk_outhdr out_hdr;
	u8 status;
	struct bio *bio;	/* NULL: free */
	/* Header, data, status, as the ring wants them. */
	struct scatterlist sg[BIO_MAX_VECS + 2];
};

struct virtio_blk {
	struct virtio_device *vdev;
	struct virtqueue *vq;		/* NULL while frozen */
	struct block_device bdev;
	bool write_cache;		/* F_FLUSH: a write is stable only after a flush */
	unsigned int in_flight;
	u64 completed;			/* requests, ever: the watchdog's measure of progress */
	u64 completed_at_check;
	struct timer_list watchdog;
	wait_queue_head_t wait;		/* a request ended */
	struct virtblk_req reqs[VIRTBLK_MAX_REQS];
};

static const unsigned int features[] = {
	VIRTIO_BLK_F_SIZE_MAX,
	VIRTIO_BLK_F_SEG_MAX,
	VIRTIO_BLK_F_RO,
	VIRTIO_BLK_F_FLUSH,
};

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

/* Interrupts off. */
static void virtblk_end_request(struct virtio_blk *vblk, struct virtblk_req *vbr, int err)
{
	struct bio *bio = vbr->bio;

	vbr->bio = NULL;
	vblk->in_flight--;
	vblk->completed++;
	bio_endio(bio, err);
}

static void virtblk_done(struct virtqueue *vq)
{
	struct virtio_blk *vblk = vq->vdev->priv;
	struct virtblk_req *vbr;

	do {
		virtqueue_disable_cb(vq);
		while ((vbr = virtqueue_get_buf(vq, NULL)))
			virtblk_end_request(vblk, vbr, virtblk_result(vbr->status));
	} while (!vq->broken && !virtqueue_enable_cb(vq));
	wake_up(&vblk->wait);
}

/* ---- a device that does not answer ---- */

/* The queue stays, broken, until the freeze that comes before the next life. Interrupts off. */
static void virtblk_give_up(struct virtio_blk *vblk)
{
	struct virtblk_req *vbr;

	pr_err("%s: no answer for %llu s, resetting the device\n", vblk->bdev.name,
	       (u64)(VIRTBLK_TIMEOUT / NSEC_PER_SEC));
	virtio_reset_device(vblk->vdev);
	vblk->vq->broken = true;
	while ((vbr = virtqueue_detach_unused_buf(vblk->vq)))
		virtblk_end_request(vblk, vbr, -ETIMEDOUT);
	wake_up(&vblk->wait);
}

static void virtblk_watchdog(struct timer_list *timer)
{
	struct virtio_blk *vblk = from_timer(vblk, timer, watchdog);

	if (!vblk->in_flight)
		return;
	if (vblk->completed == vblk->completed_at_check) {
		virtblk_give_up(vblk);
		return;
	}
	vblk->completed_at_check = vblk->completed;
	mod_timer(timer, ktime_get_ns() + VIRTBLK_TIMEOUT);
}

static void virtblk_watch(struct virtio_blk *vblk)
{
	if (timer_pending(&vblk->watchdog))
		return;
	vblk->completed_at_check = vblk->completed;
	mod_timer(&vblk->watchdog, ktime_get_ns() + VIRTBLK_TIMEOUT);
}

/* ---- requests ---- */

static struct virtblk_req *virtblk_free_req(struct virtio_blk *vblk)
{
	for (unsigned int i = 0; i < VIRTBLK_MAX_REQS; i++)
		if (!vblk->reqs[i].bio)
			return &vblk->reqs[i];
	return NULL;
}

/* -ENOSPC: not now, no room. Interrupts off. */
static int virtblk_add_req(struct virtio_blk *vblk, u32 type, struct bio *bio)
{
	struct virtblk_req *vbr = virtblk_free_req(vblk);
	unsigned int out = 1, in = 1;
	int err;

	if (!vbr)
		return -ENOSPC;
	vbr->out_hdr.type = type;
	vbr->out_hdr.ioprio = 0;
	vbr->out_hdr.sector = bio->sector;
	vbr->status = VIRTIO_BLK_S_IOERR; /* until the device says otherwise */

	sg_init_one(&vbr->sg[0], &vbr->out_hdr, sizeof(vbr->out_hdr));
	memcpy(&vbr->sg[1], bio->vec, bio->vcnt * sizeof(bio->vec[0]));
	sg_init_one(&vbr->sg[1 + bio->vcnt], &vbr->status, sizeof(vbr->status));
	if (type == VIRTIO_BLK_T_OUT)
		out += bio->vcnt;
	else
		in += bio->vcnt;

	err = virtqueue_add_sgs(vblk->vq, vbr->sg, out, in, vbr);
	if (err)
		return err;
	vbr->bio = bio;
	vblk->in_flight++;
	virtblk_watch(vblk);
	virtqueue_kick(vblk->vq);
	return 0;
}

static int virtblk_try_req(struct virtio_blk *vblk, u32 type, struct bio *bio)
{
	unsigned long flags;
	int err;

	local_irq_save(flags);
	err = vblk->vq ? virtblk_add_req(vblk, type, bio) : -EIO;
	local_irq_restore(flags);
	return err;
}

static void do_req(struct virtio_blk *vblk, u32 type, struct bio *bio)
{
	int err;

	/* Full: some request is in flight, and either it ends or the watchdog ends it. */
	wait_event(vblk->wait, (err = virtblk_try_req(vblk, type, bio)) != -ENOSPC);
	if (err)
		bio_endio(bio, err);
}

static void virtblk_submit(struct block_device *bdev, struct bio *bio)
{
	struct virtio_blk *vblk = container_of(bdev, struct virtio_blk, bdev);

	switch (bio->op) {
	case REQ_OP_READ:
		do_req(vblk, VIRTIO_BLK_T_IN, bio);
		break;
	case REQ_OP_WRITE:
		do_req(vblk, VIRTIO_BLK_T_OUT, bio);
		break;
	case REQ_OP_FLUSH:
		if (vblk->write_cache)
			do_req(vblk, VIRTIO_BLK_T_FLUSH, bio);
		else
			bio_endio(bio, 0);
		break;
	}
}

static void virtblk_id_done(struct bio *bio)
{
	complete(bio->private);
}

/* The device's serial number, at most 20 bytes and not always terminated; "" when it has none. */
static void virtblk_get_id(struct virtio_blk *vblk, char id[VIRTIO_BLK_ID_BYTES + 1])
{
	struct completion done;
	struct bio *bio = kmalloc(sizeof(*bio), GFP_KERNEL);

	memset(id, 0, VIRTIO_BLK_ID_BYTES + 1);
	if (!bio)
		return;
	init_completion(&done);
	bio_init(bio, &vblk->bdev, REQ_OP_READ, 0);
	bio_add_page(bio, __pa(id), VIRTIO_BLK_ID_BYTES);
	bio->end_io = virtblk_id_done;
	bio->private = &done;
	do_req(vblk, VIRTIO_BLK_T_GET_ID, bio);
	wait_for_completion(&done);
	if (bio->status)
		id[0] = '\0';
	kfree(bio);
}

/* ---- life ---- */

static int init_vq(struct virtio_blk *vblk)
{
	const struct virtqueue_info info = { "requests", virtblk_done };
	struct virtqueue *vq;
	int err = virtio_find_vqs(vblk->vdev, 1, &vq, &info);

	if (!err)
		vblk->vq = vq;
	return err;
}

static int virtblk_read_limits(struct virtio_blk *vblk)
{
	struct virtio_device *vdev = vblk->vdev;
	struct block_device *bdev = &vblk->bdev;
	u32 seg_max, size_max;

	virtio_cread_le(vdev, struct virtio_blk_config, capacity, &bdev->nr_sectors);
	/* A device that does not say takes one segment a request, of any size. */
	if (virtio_cread_le_feature(vdev, VIRTIO_BLK_F_SEG_MAX, struct virtio_blk_config, seg_max,
				    &seg_max) ||
	    !seg_max)
		seg_max = 1;
	if (virtio_cread_le_feature(vdev, VIRTIO_BLK_F_SIZE_MAX, struct virtio_blk_config, size_max,
				    &size_max))
		size_max = VIRTBLK_SEGMENT_BYTES;
	if (size_max < PAGE_SIZE) {
		pr_err("%s: segments of at most %u bytes are not supported\n", vdev->name, size_max);
		return -EINVAL;
	}
	/* Header and status need two descriptors of the queue's. */
	bdev->max_segments = min(min(seg_max, virtqueue_get_vring_size(vblk->vq) - 2), BIO_MAX_VECS + 0u);
	bdev->max_segment_size = size_max;
	bdev->read_only = virtio_has_feature(vdev, VIRTIO_BLK_F_RO);
	vblk->write_cache = virtio_has_feature(vdev, VIRTIO_BLK_F_FLUSH);
	return 0;
}

static int virtblk_probe(struct virtio_device *vdev)
{
	static char next_letter = 'a';
	char id[VIRTIO_BLK_ID_BYTES + 1];
	struct virtio_blk *vblk;
	int err;

	vblk = kzalloc(sizeof(*vblk), GFP_KERNEL);
	if (!vblk)
		return -ENOMEM;
	vblk->vdev = vdev;
	vblk->bdev.submit = virtblk_submit;
	init_waitqueue_head(&vblk->wait);
	timer_setup(&vblk->watchdog, virtblk_watchdog);
	vdev->priv = vblk;

	err = init_vq(vblk);
	if (err)
		goto out_free;
	err = virtblk_read_limits(vblk);
	if (err)
		goto out_del_vqs;
	snprintf(vblk->bdev.name, sizeof(vblk->bdev.name), "vd%c", next_letter++);

	virtio_device_ready(vdev);
	virtblk_get_id(vblk, id);
	pr_info("virtio_blk %s: [%s] %llu 512-byte logical blocks%s%s\n", vdev->name, vblk->bdev.name,
		(unsigned long long)vblk->bdev.nr_sectors, id[0] ? ", serial " : "", id);
	add_disk(&vblk->bdev);
	return 0;

out_del_vqs:
	vdev->config->del_vqs(vdev);
out_free:
	kfree(vblk);
	return err;
}

/* Requests are allowed to end; the watchdog sees to it that they do. */
static int virtblk_freeze(struct virtio_device *vdev)
{
	struct virtio_blk *vblk = vdev->priv;
	int err;

	wait_event(vblk->wait, !vblk->in_flight);
	del_timer(&vblk->watchdog);
	err = virtio_reset_device(vdev);
	if (err)
		return err; /* it may still write to our memory: the queue stays */
	vdev->config->del_vqs(vdev);
	vblk->vq = NULL;
	return 0;
}

static int virtblk_restore(struct virtio_device *vdev)
{
	struct virtio_blk *vblk = vdev->priv;
	u64 nr_sectors;
	int err = init_vq(vblk);

	if (err)
		return err;
	virtio_cread_le(vdev, struct virtio_blk_config, capacity, &nr_sectors);
	if (nr_sectors != vblk->bdev.nr_sectors) {
		pr_warn("%s: %llu sectors, were %llu\n", vblk->bdev.name, (unsigned long long)nr_sectors,
			(unsigned long long)vblk->bdev.nr_sectors);
		vblk->bdev.nr_sectors = nr_sectors;
	}
	return 0;
}

static const struct virtio_driver virtio_blk = {
	.name = "virtio_blk",
	.device_id = VIRTIO_ID_BLOCK,
	.feature_table = features,
	.feature_table_size = ARRAY_SIZE(features),
	.probe = virtblk_probe,
	.freeze = virtblk_freeze,
	.restore = virtblk_restore,
};

module_virtio_driver(virtio_blk);
