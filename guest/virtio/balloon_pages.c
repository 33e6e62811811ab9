/*
 * The balloon's pages: gives them to the host and takes them back, towards the
 * host's target.
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

#include "plant.h"
#include "virtio_config.h"

#define BALLOON_RETRY (HZ / 5)

/* ---- telling the host ---- */

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
	if ((vb->unacked_vq == VIRTIO_BALLOON_VQ_INFLATE) == acknowledged)
		list_splice_init(&vb->in_flight, &vb->pages);
	else
		release_pages_balloon(vb, &vb->in_flight);
	vb->unacked = vb->cut_off = false;
}

/* -ETIMEDOUT: the request stays open; -EIO: so it does, and its queue is broken, but for a reset. */
static int wait_for_ack(struct virtio_balloon *vb)
{
	struct virtqueue *vq = vb->vqs[vb->unacked_vq];
	bool used;

	if (!wait_event_timeout(vb->acked, (used = balloon_get_used(vq)) || vq->broken,
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
	if (!vb->unacked)
		return 0;
	/* A queue that broke in a freeze is still broken. */
	if (!virtqueue_kick_again(vb->vqs[vb->unacked_vq]))
		virtio_device_recover(vb->vdev);
	return wait_for_ack(vb);
}

static int add_request(struct virtio_balloon *vb)
{
	struct scatterlist sg;

	sg_init_one(&sg, vb->pfns, sizeof(vb->pfns[0]) * vb->num_pfns);
	return virtqueue_add_outbuf(vb->vqs[vb->unacked_vq], &sg, 1, vb);
}

static noinline int tell_host(struct virtio_balloon *vb, enum virtio_balloon_vq number)
{
	int err;

	vb->unacked = true;
	vb->unacked_vq = number;
	err = add_request(vb);
	if (err) {
		end_request(vb, false);
		return err;
	}
	if (number == VIRTIO_BALLOON_VQ_INFLATE)
		vb->inflated_total += vb->num_pfns;
	else
		vb->deflated_total += vb->num_pfns;
	virtqueue_kick(vb->vqs[number]);
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
	err = tell_host(vb, VIRTIO_BALLOON_VQ_INFLATE);
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
	err = tell_host(vb, VIRTIO_BALLOON_VQ_DEFLATE);
	return err ? err : (int)num;
}

/* How many pages are missing in the balloon (positive) or too many (negative). An unsteady target is none. */
long towards_target(struct virtio_balloon *vb)
{
	__le32 target;

	if (virtio_cread_le(vb->vdev, struct virtio_balloon_config, num_pages, &target))
		return 0;
	return (long)target - (long)vb->num_pages;
}

/*
 * Reports what the host has: pages that are on their way in are not its own yet, those on their way out are.
 * A request that a broken queue or a reset has cut off may have been carried out: nobody knows until it has been
 * made again, and acknowledged.
 */
noinline void update_balloon_size(struct virtio_balloon *vb)
{
	bool inflating = vb->unacked && vb->unacked_vq == VIRTIO_BALLOON_VQ_INFLATE;
	__le32 actual = vb->num_pages - (inflating ? vb->num_pfns : 0) + PLANTED(PLANT_ACTUAL_OFF_BY_ONE);

	if (vb->unacked && (vb->cut_off || vb->vqs[vb->unacked_vq]->broken))
		return;
	if (PLANTED(PLANT_WRITE_BALLOONED) && !list_empty(&vb->pages))
		*(unsigned long *)page_address(virtballoon_first_page(vb)) = actual;
	virtio_cwrite_le(vb->vdev, struct virtio_balloon_config, actual, &actual);
}

/* ---- the work ---- */

void virtballoon_queue_update(struct virtio_balloon *vb)
{
	mod_delayed_work(system_freezable_wq, &vb->update_balloon_size_work, 0);
}

/* One step towards the target: how many pages it moved, 0 when there is nothing to do, or an error. */
static int move_balloon(struct virtio_balloon *vb)
{
	bool was_open = vb->unacked;
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
	struct virtio_balloon *vb =
		container_of(to_delayed_work(work), struct virtio_balloon, update_balloon_size_work);
	int moved;

	mutex_lock(&vb->balloon_lock);
	moved = move_balloon(vb);
	if (moved)
		mod_delayed_work(system_freezable_wq, &vb->update_balloon_size_work,
				 moved > 0 ? 0 : BALLOON_RETRY);
	mutex_unlock(&vb->balloon_lock);
}

void balloon_pages_init(struct virtio_balloon *vb)
{
	mutex_init(&vb->balloon_lock);
	INIT_LIST_HEAD(&vb->pages);
	INIT_LIST_HEAD(&vb->in_flight);
	INIT_DELAYED_WORK(&vb->update_balloon_size_work, update_balloon_size_func);
}

/* From here on nobody else moves pages. */
void balloon_pages_stop(struct virtio_balloon *vb)
{
	cancel_delayed_work_sync(&vb->update_balloon_size_work);
	vb->silent = false;
	if (vb->unacked && balloon_get_used(vb->vqs[vb->unacked_vq]))
		end_request(vb, true);
	vb->cut_off = vb->unacked;
}

void balloon_pages_forget(struct virtio_balloon *vb)
{
	if (vb->unacked)
		end_request(vb, false);
}

void balloon_pages_ask_again(struct virtio_balloon *vb)
{
	if (vb->unacked && add_request(vb))
		pr_warn("virtio_balloon %s: an open request cannot be made again\n", vb->vdev->name);
}
