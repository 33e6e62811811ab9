/*
 * The memory balloon: gives pages to the host and takes them back, towards
 * the host's target.
 *
 * The host writes the target (num_pages) into the configuration space. A
 * config change queues update_balloon_size_func(), which moves one array of
 * PFNs a time, tells the host through one of two queues, waits until it has
 * acknowledged, reports the new size (actual), and queues itself again until
 * the target is reached.
 *
 * A page in the balloon is allocated, flagged offline (hibernation leaves it
 * out of the image, nobody else may look at it) and off the managed total.
 * When the allocator has only its reserve left, or the host does not answer,
 * the work gives up for a moment: a timer queues it again.
 *
 * Everything that waits for the host waits for BALLOON_ACK_TIMEOUT at most.
 * After that the request stays pending: its PFN array is the device's, its
 * pages still count as being in the balloon, and whoever comes next reminds the
 * device of it (the notification may have been what got lost) and waits for
 * the late answer first. So a silent host can delay us and make a freeze
 * fail, but no page is lost or used too early, and everything goes on when it
 * answers again. A reset ends a request that was never acknowledged as if it
 * had never been made.
 *
 * Linux: drivers/virtio/virtio_balloon.c.
 */
#include "virtio_balloon.h"

#include "irqflags.h"
#include "mm.h"
#include "plant.h"
#include "slab.h"
#include "virtio_config.h"
#include "virtio_ids.h"

#define BALLOON_ACK_TIMEOUT (5 * HZ)
#define BALLOON_RETRY_NS (200 * NSEC_PER_MSEC)

/* The queues' numbers at the device. */
enum virtio_balloon_vq {
	VIRTIO_BALLOON_VQ_INFLATE,
	VIRTIO_BALLOON_VQ_DEFLATE,
	VIRTIO_BALLOON_VQ_MAX
};

static const unsigned int features[] = {
	VIRTIO_BALLOON_F_MUST_TELL_HOST,
};

/* ---- telling the host ---- */

static void balloon_ack(struct virtqueue *vq)
{
	struct virtio_balloon *vb = vq->vdev->priv;

	wake_up(&vb->acked);
}

static bool balloon_request_used(struct virtqueue *vq)
{
	unsigned long flags;
	bool used;

	local_irq_save(flags);
	used = virtqueue_get_buf(vq, NULL);
	local_irq_restore(flags);
	return used;
}

/* The host does not have them (any more): they are ordinary free memory again. */
noinline void release_pages_balloon(struct virtio_balloon *vb, struct list_head *pages)
{
	struct page *page;

	if (list_empty(pages))
		return;
	if (PLANTED(PLANT_READ_LOST))
		pr_debug("%lx\n", *(unsigned long *)page_address(list_first_entry(pages, struct page, lru)));

	list_for_each_entry(page, pages, lru) {
		__ClearPageOffline(page);
		adjust_managed_page_count(page, 1);
		vb->num_pages--;
	}
	if (PLANTED(PLANT_LEAK_ON_DEFLATE))
		list_del(pages->next);
	if (PLANTED_ONCE(PLANT_NUM_PAGES_OFF_BY_ONE))
		vb->num_pages++;
	free_unref_page_list(pages);
}

/* The pages go where the request wanted them, or back where they came from. */
static void end_request(struct virtio_balloon *vb, bool acknowledged)
{
	bool inflate = vb->unacked_vq == vb->inflate_vq;

	if (inflate == acknowledged)
		list_splice_init(&vb->in_flight, &vb->pages);
	else
		release_pages_balloon(vb, &vb->in_flight);
	vb->unacked_vq = NULL;
}

/* -ETIMEDOUT: the request stays open; -EIO: its queue is broken. */
static int wait_for_ack(struct virtio_balloon *vb)
{
	struct virtqueue *vq = vb->unacked_vq;
	bool used;

	if (!wait_event_timeout(vb->acked, (used = balloon_request_used(vq)) || vq->broken,
				BALLOON_ACK_TIMEOUT)) {
		if (!vb->silent)
			pr_warn("virtio_balloon %s: no answer to %s for %llu s\n", vb->vdev->name, vq->name,
				(u64)(BALLOON_ACK_TIMEOUT / HZ));
		vb->silent = true;
		return -ETIMEDOUT;
	}
	if (!used)
		return -EIO;
	if (vb->silent)
		pr_info("virtio_balloon %s: answers again\n", vb->vdev->name);
	vb->silent = false;
	end_request(vb, true);
	return 0;
}

/* There is one array of PFNs: before a new request, the last one must have ended. */
static int finish_last_request(struct virtio_balloon *vb)
{
	if (!vb->unacked_vq)
		return 0;
	virtqueue_notify(vb->unacked_vq);
	return wait_for_ack(vb);
}

static noinline int tell_host(struct virtio_balloon *vb, struct virtqueue *vq)
{
	struct scatterlist sg;
	int err;

	vb->unacked_vq = vq;
	sg_init_one(&sg, vb->pfns, sizeof(vb->pfns[0]) * vb->num_pfns);
	err = virtqueue_add_outbuf(vq, &sg, 1, vb);
	if (err) {
		end_request(vb, false);
		return err;
	}
	if (vq == vb->inflate_vq)
		vb->inflated_total += vb->num_pfns;
	else
		vb->deflated_total += vb->num_pfns;
	virtqueue_kick(vq);
	return wait_for_ack(vb);
}

static void set_page_pfns(struct virtio_balloon *vb, struct page *page)
{
	vb->pfns[vb->num_pfns++] = page_to_pfn(page);
}

/* ---- moving pages ---- */

/* Puts up to num pages into the balloon, one array at most; returns how many, or an error. */
noinline int fill_balloon(struct virtio_balloon *vb, unsigned long num)
{
	int err = finish_last_request(vb);
	struct page *page;

	if (err)
		return err;
	num = alloc_pages_bulk_list(GFP_USER, min(num, ARRAY_SIZE(vb->pfns)), &vb->in_flight);
	if (!num)
		return -ENOMEM;
	vb->num_pfns = 0;
	list_for_each_entry(page, &vb->in_flight, lru) {
		__SetPageOffline(page);
		adjust_managed_page_count(page, -1);
		set_page_pfns(vb, page);
	}
	vb->num_pages += num;
	if (PLANTED(PLANT_INFLATE_TWICE))
		vb->pfns[vb->num_pfns - 1] = vb->pfns[0];
	if (PLANTED(PLANT_INFLATE_OUTSIDE_RAM))
		vb->pfns[0] = max_pfn;
	err = tell_host(vb, vb->inflate_vq);
	if (!err && PLANTED_ONCE(PLANT_FREE_BALLOONED)) {
		LIST_HEAD(freed);

		list_move_tail(&virtballoon_first_page(vb)->lru, &freed);
		release_pages_balloon(vb, &freed);
		vb->num_pages++;
	}
	return err ? err : (int)num;
}

/*
 * Takes up to num pages out of the balloon, one array at most; returns how many, or an error. The
 * host is always told first and its acknowledgement awaited, whether it asked for that (MUST_TELL_HOST)
 * or not.
 */
noinline int leak_balloon(struct virtio_balloon *vb, unsigned long num)
{
	int err = finish_last_request(vb);

	if (err)
		return err;
	num = min(num, ARRAY_SIZE(vb->pfns));
	for (vb->num_pfns = 0; vb->num_pfns < num && !list_empty(&vb->pages);) {
		struct page *page = virtballoon_first_page(vb);

		list_move_tail(&page->lru, &vb->in_flight);
		set_page_pfns(vb, page);
		if (PLANTED(PLANT_REUSE_BEFORE_ACK))
			*(unsigned long *)page_address(page) = 0;
	}
	if (!vb->num_pfns)
		return 0;
	if (PLANTED(PLANT_DEFLATE_STRANGER))
		vb->pfns[0] = page_to_pfn(virt_to_page(vb));
	num = vb->num_pfns;
	err = tell_host(vb, vb->deflate_vq);
	return err ? err : (int)num;
}

/* How many pages are missing in the balloon (positive) or too many (negative). */
long towards_target(struct virtio_balloon *vb)
{
	__le32 target;

	virtio_cread_le(vb->vdev, struct virtio_balloon_config, num_pages, &target);
	return (long)target - (long)vb->num_pages;
}

/* Reports what the host has: pages that are on their way in are not its own yet, those on their way out are. */
noinline void update_balloon_size(struct virtio_balloon *vb)
{
	bool inflating = vb->unacked_vq && vb->unacked_vq == vb->inflate_vq;
	__le32 actual = vb->num_pages - (inflating ? vb->num_pfns : 0) + PLANTED(PLANT_ACTUAL_OFF_BY_ONE);

	if (PLANTED(PLANT_WRITE_BALLOONED) && !list_empty(&vb->pages))
		*(unsigned long *)page_address(virtballoon_first_page(vb)) = actual;
	virtio_cwrite_le(vb->vdev, struct virtio_balloon_config, actual, &actual);
}

/* ---- the work ---- */

void virtballoon_queue_update(struct virtio_balloon *vb)
{
	queue_work(system_freezable_wq, &vb->update_balloon_size_work);
}

static void virtballoon_retry(struct timer_list *timer)
{
	struct virtio_balloon *vb = from_timer(vb, timer, retry_timer);

	virtballoon_queue_update(vb);
}

/* One step towards the target: how many pages it moved, 0 when there is nothing to do, or an error. */
static int move_balloon(struct virtio_balloon *vb)
{
	bool was_open = vb->unacked_vq;
	int moved = finish_last_request(vb);
	long diff = towards_target(vb);

	if (!moved && diff)
		moved = diff > 0 ? fill_balloon(vb, diff) : leak_balloon(vb, -diff);
	if (moved || was_open)
		update_balloon_size(vb);
	return moved;
}

static void update_balloon_size_func(struct work_struct *work)
{
	struct virtio_balloon *vb = container_of(work, struct virtio_balloon, update_balloon_size_work);
	int moved;

	mutex_lock(&vb->balloon_lock);
	/* Work that was queued before a hibernation may find that the device did not come back. */
	moved = vb->inflate_vq ? move_balloon(vb) : 0;
	if (moved > 0)
		virtballoon_queue_update(vb);
	else if (moved < 0)
		mod_timer(&vb->retry_timer, ktime_get_ns() + BALLOON_RETRY_NS);
	mutex_unlock(&vb->balloon_lock);
}

static void virtballoon_changed(struct virtio_device *vdev)
{
	virtballoon_queue_update(vdev->priv);
}

/* ---- life ---- */

int virtballoon_init_vqs(struct virtio_balloon *vb)
{
	static const struct virtqueue_info vqs_info[VIRTIO_BALLOON_VQ_MAX] = {
		[VIRTIO_BALLOON_VQ_INFLATE] = { "inflate", balloon_ack },
		[VIRTIO_BALLOON_VQ_DEFLATE] = { "deflate", balloon_ack },
	};
	struct virtqueue *vqs[VIRTIO_BALLOON_VQ_MAX];
	int err = virtio_find_vqs(vb->vdev, VIRTIO_BALLOON_VQ_MAX, vqs, vqs_info);

	if (err)
		return err;
	vb->inflate_vq = vqs[VIRTIO_BALLOON_VQ_INFLATE];
	vb->deflate_vq = vqs[VIRTIO_BALLOON_VQ_DEFLATE];
	return 0;
}

/*
 * The device must not speak to us any more. A request that it has not acknowledged by now, it never will.
 * A device that does not finish its reset keeps the queues: freed memory must not be its own.
 */
int virtballoon_del_vqs(struct virtio_balloon *vb)
{
	int err = virtio_reset_device(vb->vdev);

	if (err)
		return err;
	del_timer(&vb->retry_timer);
	if (vb->unacked_vq)
		end_request(vb, balloon_request_used(vb->unacked_vq));
	vb->silent = false;
	vb->vdev->config->del_vqs(vb->vdev);
	vb->inflate_vq = NULL;
	vb->deflate_vq = NULL;
	return 0;
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
	mutex_init(&vb->balloon_lock);
	init_waitqueue_head(&vb->acked);
	INIT_LIST_HEAD(&vb->pages);
	INIT_LIST_HEAD(&vb->in_flight);
	INIT_WORK(&vb->update_balloon_size_work, update_balloon_size_func);
	timer_setup(&vb->retry_timer, virtballoon_retry);
	vdev->priv = vb;

	err = virtballoon_init_vqs(vb);
	if (err) {
		kfree(vb);
		return err;
	}
	virtio_device_ready(vdev);
	pr_info("virtio_balloon %s: policy %s (%s)\n", vdev->name, vb->pm->name, vb->pm->commit);
	if (towards_target(vb))
		virtballoon_queue_update(vb);
	return 0;
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

	release_pages_balloon(vb, &vb->pages);
}

static const struct virtio_driver virtio_balloon = {
	.name = "virtio_balloon",
	.device_id = VIRTIO_ID_BALLOON,
	.feature_table = features,
	.feature_table_size = ARRAY_SIZE(features),
	.probe = virtballoon_probe,
	.config_changed = virtballoon_changed,
	.freeze = virtballoon_freeze,
	.quiesce = virtballoon_quiesce,
	.thaw = virtballoon_thaw,
	.restore = virtballoon_restore,
	.lost = virtballoon_lost,
};

module_virtio_driver(virtio_balloon);
