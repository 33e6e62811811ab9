/*
 * The virtio block device: probe, sleep and recovery. Requests are in virtio_blk_req.c.
 *
 * Linux: drivers/block/virtio_blk.c.
 */
#include "irqflags.h"
#include "slab.h"
#include "string.h"
#include "virtio_blk_dev.h"
#include "virtio_ids.h"

#define VIRTBLK_SEGMENT_BYTES (1u << 20) /* in one piece, when the device names no limit */

static const unsigned int features[] = {
	VIRTIO_BLK_F_SIZE_MAX,
	VIRTIO_BLK_F_SEG_MAX,
	VIRTIO_BLK_F_RO,
	VIRTIO_BLK_F_FLUSH,
};

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
	virtblk_do_req(vblk, VIRTIO_BLK_T_GET_ID, bio);
	wait_for_completion(&done);
	if (bio->status)
		id[0] = '\0';
	kfree(bio);
}

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

	if (virtio_cread_le(vdev, struct virtio_blk_config, capacity, &bdev->nr_sectors))
		return -EIO;
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

static void virtblk_del_vq(struct virtio_blk *vblk)
{
	if (vblk->vq)
		vblk->vdev->config->del_vqs(vblk->vdev);
	vblk->vq = NULL;
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
	virtblk_del_vq(vblk);
	return 0;
}

static int virtblk_restore(struct virtio_device *vdev)
{
	struct virtio_blk *vblk = vdev->priv;
	u64 nr_sectors;
	int err = init_vq(vblk);

	if (err)
		return err;
	err = virtio_cread_le(vdev, struct virtio_blk_config, capacity, &nr_sectors);
	if (err) {
		virtblk_del_vq(vblk);
		return err;
	}
	if (nr_sectors != vblk->bdev.nr_sectors) {
		pr_warn("%s: %llu sectors, were %llu\n", vblk->bdev.name, (unsigned long long)nr_sectors,
			(unsigned long long)vblk->bdev.nr_sectors);
		vblk->bdev.nr_sectors = nr_sectors;
	}
	return 0;
}

/* The device was reset in the midst of its work: what it had is ours again. */
static void virtblk_reset_prepare(struct virtio_device *vdev)
{
	struct virtio_blk *vblk = vdev->priv;
	unsigned long flags;

	local_irq_save(flags);
	for (unsigned int i = 0; i < VIRTBLK_MAX_REQS; i++)
		vblk->reqs[i].queued = false;
	virtblk_del_vq(vblk);
	local_irq_restore(flags);
}

static int virtblk_reset_done(struct virtio_device *vdev)
{
	struct virtio_blk *vblk = vdev->priv;
	unsigned long flags;
	int err = virtblk_restore(vdev);

	if (err)
		return err;
	virtio_device_ready(vdev);
	local_irq_save(flags);
	virtblk_ask_again(vblk);
	local_irq_restore(flags);
	return 0;
}

static void virtblk_given_up(struct virtio_device *vdev)
{
	struct virtio_blk *vblk = vdev->priv;
	unsigned long flags;

	local_irq_save(flags);
	virtblk_del_vq(vblk);
	vblk->mended = 0;
	virtblk_end_all(vblk, -ETIMEDOUT);
	local_irq_restore(flags);
}

static const struct virtio_driver virtio_blk = {
	.name = "virtio_blk",
	.device_id = VIRTIO_ID_BLOCK,
	.feature_table = features,
	.feature_table_size = ARRAY_SIZE(features),
	.probe = virtblk_probe,
	.freeze = virtblk_freeze,
	.restore = virtblk_restore,
	.reset_prepare = virtblk_reset_prepare,
	.reset_done = virtblk_reset_done,
	.given_up = virtblk_given_up,
};

module_virtio_driver(virtio_blk);
