/*
 * Statistics. The device has one buffer of ours, and uses it when it wants to know how things are; we answer with
 * the buffer again, filled anew.
 *
 * This guest has no huge pages and reclaims nothing in the background, and leaves those four tags out. Twelve
 * entries of 10 bytes are also a multiple of 6 bytes, which the specification asks for.
 */
#include "plant.h"
#include "string.h"
#include "virtio_balloon.h"
#include "virtio_config.h"
#include "vmstat.h"

static void balloon_stats_request(struct virtqueue *vq)
{
	struct virtio_balloon *vb = vq->vdev->priv;

	queue_work(system_freezable_wq, &vb->update_balloon_stats_work);
}

static u64 pages_to_bytes(unsigned long pages)
{
	return (u64)pages << PAGE_SHIFT;
}

/* What could be allocated by users, those pages included that somebody would give back at once. */
static unsigned long si_mem_available(void)
{
	unsigned long pages = nr_free_pages() + shrinkable_pages();

	return pages > min_free_pages() ? pages - min_free_pages() : 0;
}

static void update_balloon_stats(struct virtio_balloon *vb)
{
	const struct virtio_balloon_stat stats[VIRTIO_BALLOON_NR_STATS] = {
		{ VIRTIO_BALLOON_S_SWAP_IN, pages_to_bytes(vm_events[PSWPIN]) },
		{ VIRTIO_BALLOON_S_SWAP_OUT, pages_to_bytes(vm_events[PSWPOUT]) },
		{ VIRTIO_BALLOON_S_MAJFLT, 0 }, /* nothing is ever faulted in from a disk */
		{ VIRTIO_BALLOON_S_MINFLT, vm_events[PGFAULT] },
		{ VIRTIO_BALLOON_S_MEMFREE, pages_to_bytes(nr_free_pages()) },
		{ VIRTIO_BALLOON_S_MEMTOT, pages_to_bytes(totalram_pages()) },
		{ VIRTIO_BALLOON_S_AVAIL, pages_to_bytes(si_mem_available()) },
		{ VIRTIO_BALLOON_S_CACHES, 0 }, /* there is no page cache */
		{ VIRTIO_BALLOON_S_OOM_KILL, vm_events[OOM_KILL] },
		{ VIRTIO_BALLOON_S_ALLOC_STALL, vm_events[ALLOCSTALL] },
		{ VIRTIO_BALLOON_S_DIRECT_SCAN, vm_events[PGSCAN_DIRECT] },
		{ VIRTIO_BALLOON_S_DIRECT_RECLAIM, vm_events[PGSTEAL_DIRECT] },
	};

	memcpy(vb->stats, stats, sizeof(stats));
}

/* The device sees the buffer with the next kick. */
static void add_stats(struct virtio_balloon *vb)
{
	struct scatterlist sg;

	update_balloon_stats(vb);
	sg_init_one(&sg, vb->stats, sizeof(vb->stats));
	virtqueue_add_outbuf(vb->vqs[VIRTIO_BALLOON_VQ_STATS], &sg, 1, vb);
}

static void update_balloon_stats_func(struct work_struct *work)
{
	struct virtio_balloon *vb = container_of(work, struct virtio_balloon, update_balloon_stats_work);
	struct virtqueue *vq = vb->vqs[VIRTIO_BALLOON_VQ_STATS];

	/* A second interrupt finds that the first was answered already. */
	if (!balloon_get_used(vq))
		return;
	add_stats(vb);
	virtqueue_kick(vq);
}

static void balloon_stats_init(struct virtio_balloon *vb)
{
	INIT_WORK(&vb->update_balloon_stats_work, update_balloon_stats_func);
}

static noinline void balloon_stats_prepare(struct virtio_balloon *vb)
{
	if (PLANTED_AGAIN(PLANT_STATS_NOT_REPRIMED))
		return;
	add_stats(vb);
}

/* It must not be notified before it is live. */
static void balloon_stats_start(struct virtio_balloon *vb)
{
	virtqueue_kick(vb->vqs[VIRTIO_BALLOON_VQ_STATS]);
}

static void balloon_stats_forget(struct virtio_balloon *vb)
{
	cancel_work_sync(system_freezable_wq, &vb->update_balloon_stats_work);
}

const struct balloon_facility balloon_stats = {
	.feature = VIRTIO_BALLOON_F_STATS_VQ,
	.vq = VIRTIO_BALLOON_VQ_STATS,
	.vq_info = { "stats", balloon_stats_request },
	.init = balloon_stats_init,
	.prepare = balloon_stats_prepare,
	.start = balloon_stats_start,
	.forget = balloon_stats_forget,
};
