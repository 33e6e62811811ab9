/*
 * Free page hints. A host that is about to copy the guest asks what it need not copy: it writes a command ID into the
 * configuration, and gets
 *
 *	a buffer to read	the ID, which begins a round
 *	buffers to write	the free blocks, one each
 *	a buffer to read	VIRTIO_BALLOON_CMD_ID_STOP: no more are coming
 *
 * The blocks are taken from the allocator and kept until the host is DONE, for what is in them may be lost
 * meanwhile. When the guest needs one of them earlier it takes it, and writes all of it, which tells the host
 * that the hint is void. A round ends before its time when the ID changes: STOP, DONE, or another round.
 */
#include "irqflags.h"
#include "plant.h"
#include "string.h"
#include "virtio_balloon.h"
#include "virtio_config.h"

#define VIRTIO_BALLOON_HINT_BLOCK_ORDER MAX_ORDER
#define HINT_BLOCK_PAGES (1UL << VIRTIO_BALLOON_HINT_BLOCK_ORDER)

/* ---- the blocks ---- */

static struct page *take_hinted_block(struct virtio_balloon *vb)
{
	struct page *page;
	unsigned long flags;

	local_irq_save(flags);
	page = list_first_entry_or_null(&vb->free_page_list, struct page, lru);
	if (page) {
		list_del(&page->lru);
		vb->num_free_page_blocks--;
	}
	local_irq_restore(flags);
	return page;
}

/* At least nr pages, or all there are; returns how many. */
static noinline unsigned long return_free_pages_to_mm(struct virtio_balloon *vb, unsigned long nr)
{
	unsigned long freed = 0;
	struct page *page;

	while (freed < nr && (page = take_hinted_block(vb))) {
		if (vb->cmd_id_received != VIRTIO_BALLOON_CMD_ID_DONE && !PLANTED(PLANT_HINT_NOT_INITIALISED))
			memset(page_address(page), 0, HINT_BLOCK_PAGES * PAGE_SIZE);
		__free_pages(page, VIRTIO_BALLOON_HINT_BLOCK_ORDER);
		freed += HINT_BLOCK_PAGES;
	}
	return freed;
}

static unsigned long balloon_hint_count(struct shrinker *shrinker)
{
	return container_of(shrinker, struct virtio_balloon, shrinker)->num_free_page_blocks * HINT_BLOCK_PAGES;
}

static unsigned long balloon_hint_scan(struct shrinker *shrinker, unsigned long nr)
{
	return return_free_pages_to_mm(container_of(shrinker, struct virtio_balloon, shrinker), nr);
}

/* ---- a round ---- */

/*
 * The host's latest wish. It is read when the host says that it has changed, and at no other time: once QEMU (7.2) has
 * seen a round begin, the field reads STOP, which it does not mean.
 */
static u32 virtio_balloon_cmd_id_received(struct virtio_balloon *vb)
{
	if (READ_ONCE(vb->cmd_id_changed)) {
		WRITE_ONCE(vb->cmd_id_changed, false);
		/* STOP when the device does not stop changing it: it will say so again. */
		virtio_cread_le(vb->vdev, struct virtio_balloon_config, free_page_hint_cmd_id,
				&vb->cmd_id_received);
	}
	return vb->cmd_id_received;
}

/* What the device has used needs nothing done. */
static bool has_room(struct virtqueue *vq, unsigned int wanted)
{
	while (balloon_get_used(vq))
		;
	return vq->num_free >= wanted;
}

/* Waits until so many descriptors are free. It may have been a notification that got lost. */
static int wait_for_room(struct virtio_balloon *vb, unsigned int wanted)
{
	struct virtqueue *vq = vb->vqs[VIRTIO_BALLOON_VQ_FREE_PAGE];

	if (has_room(vq, wanted))
		return 0;
	virtqueue_kick_again(vq);
	if (wait_event_timeout(vb->acked, has_room(vq, wanted) || vq->broken, BALLOON_ACK_TIMEOUT))
		return vq->broken ? -EIO : 0;
	return -ETIMEDOUT;
}

static int send_cmd_id(struct virtio_balloon *vb, const __le32 *id)
{
	struct virtqueue *vq = vb->vqs[VIRTIO_BALLOON_VQ_FREE_PAGE];
	struct scatterlist sg;
	int err;

	sg_init_one(&sg, id, sizeof(*id));
	err = virtqueue_add_outbuf(vq, &sg, 1, vb);
	if (!err)
		virtqueue_kick(vq);
	return err;
}

/* One descriptor is left for the stop. -ENOMEM: nothing is free. */
static noinline int get_free_page_and_send(struct virtio_balloon *vb)
{
	struct virtqueue *vq = vb->vqs[VIRTIO_BALLOON_VQ_FREE_PAGE];
	struct scatterlist sg;
	unsigned long flags;
	struct page *page;
	int err;

	err = wait_for_room(vb, 2);
	if (err)
		return err;
	page = alloc_pages(GFP_USER | __GFP_NORETRY, VIRTIO_BALLOON_HINT_BLOCK_ORDER);
	if (!page)
		return -ENOMEM;
	sg_init_one(&sg, page_address(page), HINT_BLOCK_PAGES * PAGE_SIZE);
	err = virtqueue_add_inbuf(vq, &sg, 1, page);
	if (err) {
		__free_pages(page, VIRTIO_BALLOON_HINT_BLOCK_ORDER);
		return err;
	}
	local_irq_save(flags);
	list_add(&page->lru, &vb->free_page_list);
	vb->num_free_page_blocks++;
	local_irq_restore(flags);
	vb->hinted_total += HINT_BLOCK_PAGES;
	virtqueue_kick(vq);
	return 0;
}

/* The last round's buffers have to be back: the ID of this one takes the place of that. */
static int hint_free_pages(struct virtio_balloon *vb)
{
	int err = wait_for_room(vb, virtqueue_get_vring_size(vb->vqs[VIRTIO_BALLOON_VQ_FREE_PAGE]));

	if (err)
		return err;
	vb->cmd_id_active = vb->cmd_id_received;
	err = send_cmd_id(vb, &vb->cmd_id_active);
	while (!err && virtio_balloon_cmd_id_received(vb) == vb->cmd_id_active)
		err = get_free_page_and_send(vb);
	if (!err || err == -ENOMEM)
		err = send_cmd_id(vb, &vb->cmd_id_stop);
	return err;
}

static void report_free_page_func(struct work_struct *work)
{
	struct virtio_balloon *vb = container_of(work, struct virtio_balloon, report_free_page_work);
	u32 id = virtio_balloon_cmd_id_received(vb);
	int err = 0;

	if (id == VIRTIO_BALLOON_CMD_ID_DONE)
		return_free_pages_to_mm(vb, ~0UL);
	else if (id != VIRTIO_BALLOON_CMD_ID_STOP && id != vb->cmd_id_active)
		err = hint_free_pages(vb);
	if (err)
		pr_warn("virtio_balloon %s: free page hints broken off: error %d\n", vb->vdev->name, err);
}

/* ---- life ---- */

static void balloon_hint_changed(struct virtio_balloon *vb)
{
	WRITE_ONCE(vb->cmd_id_changed, true);
	queue_work(system_freezable_wq, &vb->report_free_page_work);
}

static void balloon_hint_init(struct virtio_balloon *vb)
{
	INIT_WORK(&vb->report_free_page_work, report_free_page_func);
	INIT_LIST_HEAD(&vb->free_page_list);
	vb->shrinker.count_objects = balloon_hint_count;
	vb->shrinker.scan_objects = balloon_hint_scan;
	vb->cmd_id_stop = VIRTIO_BALLOON_CMD_ID_STOP;
}

/* A device that was reset may use an ID again. */
static void balloon_hint_prepare(struct virtio_balloon *vb)
{
	vb->cmd_id_received = VIRTIO_BALLOON_CMD_ID_STOP;
	vb->cmd_id_active = VIRTIO_BALLOON_CMD_ID_STOP;
}

static void balloon_hint_start(struct virtio_balloon *vb)
{
	register_shrinker(&vb->shrinker);
	balloon_hint_changed(vb);
}

static void balloon_hint_stop(struct virtio_balloon *vb)
{
	unregister_shrinker(&vb->shrinker);
}

static void balloon_hint_forget(struct virtio_balloon *vb)
{
	cancel_work_sync(system_freezable_wq, &vb->report_free_page_work);
	return_free_pages_to_mm(vb, ~0UL);
}

const struct balloon_facility balloon_hint = {
	.feature = VIRTIO_BALLOON_F_FREE_PAGE_HINT,
	.vq = VIRTIO_BALLOON_VQ_FREE_PAGE,
	.vq_info = { "free_page", balloon_ack },
	.init = balloon_hint_init,
	.prepare = balloon_hint_prepare,
	.start = balloon_hint_start,
	.changed = balloon_hint_changed,
	.stop = balloon_hint_stop,
	.forget = balloon_hint_forget,
};
