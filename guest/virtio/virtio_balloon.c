/*
 * The memory balloon's driver: how the device and what it can do come and go.
 *
 *	balloon_pages.c		pages into the balloon and out of it
 *	balloon_stats.c		STATS_VQ		the host asks how the memory is used
 *	balloon_hint.c		FREE_PAGE_HINT		the host asks what is free now
 *	balloon_report.c	REPORTING		we say what is free, and stays so
 *	balloon_poison.c	PAGE_POISON		we say what free memory holds
 *	balloon_oom.c		DEFLATE_ON_OOM		pages come back before somebody dies
 *	balloon_pm.c		what becomes of it all over a hibernation
 *
 * Linux: drivers/virtio/virtio_balloon.c.
 */
#include "virtio_balloon.h"

#include "irqflags.h"
#include "slab.h"
#include "string.h"
#include "virtio_config.h"
#include "virtio_ids.h"

static const unsigned int features[] = {
	VIRTIO_BALLOON_F_MUST_TELL_HOST, VIRTIO_BALLOON_F_STATS_VQ,    VIRTIO_BALLOON_F_DEFLATE_ON_OOM,
	VIRTIO_BALLOON_F_FREE_PAGE_HINT, VIRTIO_BALLOON_F_PAGE_POISON, VIRTIO_BALLOON_F_REPORTING,
};

static const struct balloon_facility *const facilities[] = {
	&balloon_poison, &balloon_stats, &balloon_hint, &balloon_report, &balloon_oom,
};

/* Calls one operation of every facility that was negotiated and has it. */
#define call_facilities(vb, operation)                                                            \
	do {                                                                                      \
		for (unsigned int _i = 0; _i < ARRAY_SIZE(facilities); _i++)                      \
			if (virtio_has_feature((vb)->vdev, facilities[_i]->feature) &&            \
			    facilities[_i]->operation)                                            \
				facilities[_i]->operation(vb);                                    \
	} while (0)

/* ---- queues ---- */

void balloon_ack(struct virtqueue *vq)
{
	struct virtio_balloon *vb = vq->vdev->priv;

	wake_up(&vb->acked);
}

void *balloon_get_used(struct virtqueue *vq)
{
	unsigned long flags;
	bool was_broken;
	void *data;

	local_irq_save(flags);
	was_broken = vq->broken;
	data = virtqueue_get_buf(vq, NULL);
	if (vq->broken && !was_broken)
		virtio_device_recover(vq->vdev);
	local_irq_restore(flags);
	return data;
}

/*
 * QEMU (7.2) numbers only the queues that it has, so that without hints the queue for reports has the number of
 * the one for hints.
 */
static int find_vqs(struct virtio_device *vdev, struct virtqueue *vqs[], struct virtqueue_info vqs_info[])
{
	int err = virtio_find_vqs(vdev, VIRTIO_BALLOON_VQ_MAX, vqs, vqs_info);

	if (err != -ENOENT || vqs_info[VIRTIO_BALLOON_VQ_FREE_PAGE].name)
		return err;
	vqs_info[VIRTIO_BALLOON_VQ_FREE_PAGE] = vqs_info[VIRTIO_BALLOON_VQ_REPORTING];
	err = virtio_find_vqs(vdev, VIRTIO_BALLOON_VQ_REPORTING, vqs, vqs_info);
	vqs[VIRTIO_BALLOON_VQ_REPORTING] = vqs[VIRTIO_BALLOON_VQ_FREE_PAGE];
	vqs[VIRTIO_BALLOON_VQ_FREE_PAGE] = NULL;
	return err;
}

int virtballoon_init_vqs(struct virtio_balloon *vb)
{
	struct virtqueue_info vqs_info[VIRTIO_BALLOON_VQ_MAX] = {
		[VIRTIO_BALLOON_VQ_INFLATE] = { "inflate", balloon_ack },
		[VIRTIO_BALLOON_VQ_DEFLATE] = { "deflate", balloon_ack },
	};
	struct virtqueue *vqs[VIRTIO_BALLOON_VQ_MAX];
	int err;

	for (unsigned int i = 0; i < ARRAY_SIZE(facilities); i++)
		if (virtio_has_feature(vb->vdev, facilities[i]->feature) && facilities[i]->vq_info.name)
			vqs_info[facilities[i]->vq] = facilities[i]->vq_info;
	err = find_vqs(vb->vdev, vqs, vqs_info);
	if (err)
		return err;
	memcpy(vb->vqs, vqs, sizeof(vqs));
	call_facilities(vb, prepare);
	return 0;
}

/* ---- life ---- */

void virtballoon_ready(struct virtio_balloon *vb)
{
	virtio_device_ready(vb->vdev);
	call_facilities(vb, start);
}

int virtballoon_bring_back(struct virtio_balloon *vb)
{
	int err = virtballoon_init_vqs(vb);

	if (err)
		return err;
	balloon_pages_ask_again(vb);
	virtballoon_ready(vb);
	virtballoon_queue_update(vb);
	return 0;
}

/* The device was reset, and does not speak to us any more. */
static void del_vqs(struct virtio_balloon *vb)
{
	balloon_pages_stop(vb);
	call_facilities(vb, forget);
	vb->vdev->config->del_vqs(vb->vdev);
	memset(vb->vqs, 0, sizeof(vb->vqs));
}

/* A device that does not finish its reset keeps the queues: freed memory must not be its own. */
int virtballoon_del_vqs(struct virtio_balloon *vb)
{
	int err;

	call_facilities(vb, stop);
	err = virtio_reset_device(vb->vdev);
	if (err) {
		call_facilities(vb, start);
		return err;
	}
	del_vqs(vb);
	balloon_pages_forget(vb);
	return 0;
}

/*
 * Poison is for a guest that poisons. One that does, and cannot say so, must not report: the host would give it
 * back pages that hold something else.
 */
static void virtballoon_validate(struct virtio_device *vdev)
{
	vdev->features &= balloon_pm_select()->features | ~VIRTIO_BALLOON_FEATURES;
	if (!page_poisoning_enabled())
		__virtio_clear_bit(vdev, VIRTIO_BALLOON_F_PAGE_POISON);
	else if (!virtio_has_feature(vdev, VIRTIO_BALLOON_F_PAGE_POISON))
		__virtio_clear_bit(vdev, VIRTIO_BALLOON_F_REPORTING);
}

static int virtballoon_probe(struct virtio_device *vdev)
{
	struct virtio_balloon *vb = kzalloc(sizeof(*vb), GFP_KERNEL);
	int err;

	if (!vb)
		return -ENOMEM;
	vb->vdev = vdev;
	vb->pm = balloon_pm_select();
	vdev->no_pm = !vb->pm->freeze;
	init_waitqueue_head(&vb->acked);
	balloon_pages_init(vb);
	call_facilities(vb, init);
	vdev->priv = vb;

	err = virtballoon_init_vqs(vb);
	if (err) {
		kfree(vb);
		return err;
	}
	virtballoon_ready(vb);
	pr_info("virtio_balloon %s: policy %s (%s)\n", vdev->name, vb->pm->name, vb->pm->commit);
	if (towards_target(vb))
		virtballoon_queue_update(vb);
	return 0;
}

static void virtballoon_changed(struct virtio_device *vdev)
{
	struct virtio_balloon *vb = vdev->priv;

	virtballoon_queue_update(vb);
	call_facilities(vb, changed);
}

static int virtballoon_freeze(struct virtio_device *vdev)
{
	struct virtio_balloon *vb = vdev->priv;

	return vb->pm->freeze(vb);
}

static int virtballoon_quiesce(struct virtio_device *vdev)
{
	struct virtio_balloon *vb = vdev->priv;

	return vb->pm->quiesce(vb);
}

static int virtballoon_thaw(struct virtio_device *vdev)
{
	struct virtio_balloon *vb = vdev->priv;

	return vb->pm->thaw(vb);
}

static int virtballoon_restore(struct virtio_device *vdev)
{
	struct virtio_balloon *vb = vdev->priv;

	return vb->pm->restore(vb);
}

/* This machine's host has none of our pages, and no way to get them. */
static void virtballoon_lost(struct virtio_device *vdev)
{
	struct virtio_balloon *vb = vdev->priv;

	balloon_pages_forget(vb);
	release_pages_balloon(vb, &vb->pages);
}

/* The host keeps what it has, over a reset in the midst of everything. */
static void virtballoon_reset_prepare(struct virtio_device *vdev)
{
	struct virtio_balloon *vb = vdev->priv;

	call_facilities(vb, stop);
	del_vqs(vb);
}

static int virtballoon_reset_done(struct virtio_device *vdev)
{
	return virtballoon_bring_back(vdev->priv);
}

/* What is in the balloon stays there: the host may have it, and we have no way to ask. */
static void virtballoon_given_up(struct virtio_device *vdev)
{
	struct virtio_balloon *vb = vdev->priv;

	if (vb->vqs[VIRTIO_BALLOON_VQ_INFLATE])
		virtballoon_reset_prepare(vdev);
}

static const struct virtio_driver virtio_balloon = {
	.name = "virtio_balloon",
	.device_id = VIRTIO_ID_BALLOON,
	.feature_table = features,
	.feature_table_size = ARRAY_SIZE(features),
	.validate = virtballoon_validate,
	.probe = virtballoon_probe,
	.config_changed = virtballoon_changed,
	.freeze = virtballoon_freeze,
	.quiesce = virtballoon_quiesce,
	.thaw = virtballoon_thaw,
	.restore = virtballoon_restore,
	.lost = virtballoon_lost,
	.reset_prepare = virtballoon_reset_prepare,
	.reset_done = virtballoon_reset_done,
	.given_up = virtballoon_given_up,
};

module_virtio_driver(virtio_balloon);
