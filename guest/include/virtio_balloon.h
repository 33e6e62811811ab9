/*
 * The memory balloon: features and configuration (virtio 1.4, "Memory Balloon Device"; Linux:
 * uapi/linux/virtio_balloon.h), and the driver's state, which its policies and the shell share.
 */
#ifndef VIRTIO_BALLOON_H
#define VIRTIO_BALLOON_H

#include "mm.h"
#include "mutex.h"
#include "timer.h"
#include "virtio.h"
#include "workqueue.h"

#define VIRTIO_BALLOON_F_MUST_TELL_HOST 0 /* the host must acknowledge before a page is used again */

#define VIRTIO_BALLOON_PFN_SHIFT 12

struct virtio_balloon_config {
	__le32 num_pages; /* the host's target, in pages of 4 KiB */
	__le32 actual; /* what the guest has given, in pages of 4 KiB */
};

/* PFNs in one request. */
#define VIRTIO_BALLOON_ARRAY_PFNS_MAX 256

/*
 * What the driver does around a hibernation. Each policy is one moment in the life of Linux's
 * driver, named by its era and the commit that introduced it.
 *
 * freeze: before the snapshot. No work of the driver's runs any more. On success the device is reset and
 *	the queues are deleted. NULL: the driver knows nothing of hibernation, and nothing is called.
 * quiesce: in the resuming kernel, before it gives way to the image.
 * thaw: the same machine goes on: the hibernation failed, or the image is about to be written.
 * restore: another machine, whose device knows nothing of our pages.
 * The last two leave the queues ready for use.
 */
struct virtio_balloon;

struct balloon_pm_ops {
	const char *name;
	const char *commit;
	int (*freeze)(struct virtio_balloon *vb);
	int (*quiesce)(struct virtio_balloon *vb);
	int (*thaw)(struct virtio_balloon *vb);
	int (*restore)(struct virtio_balloon *vb);
};

struct virtio_balloon {
	struct virtio_device *vdev;
	struct virtqueue *inflate_vq, *deflate_vq; /* NULL while there is no device to talk to */
	const struct balloon_pm_ops *pm;

	struct work_struct update_balloon_size_work;
	struct timer_list retry_timer; /* queues the work again */
	struct mutex balloon_lock; /* for everything below */

	struct list_head pages; /* in the balloon */
	struct list_head in_flight; /* on their way in or out: the host was told, and did not acknowledge yet */
	unsigned long num_pages; /* on both lists */

	wait_queue_head_t acked;
	struct virtqueue *unacked_vq; /* owes us an acknowledgement: pfns is the device's */
	bool silent; /* it has owed it for too long */
	unsigned int num_pfns;
	__le32 pfns[VIRTIO_BALLOON_ARRAY_PFNS_MAX];

	u64 inflated_total, deflated_total; /* pages told to the host, ever */
};

static inline struct page *virtballoon_first_page(struct virtio_balloon *vb)
{
	return list_first_entry(&vb->pages, struct page, lru);
}

/* The driver's parts that policies are made of (virtio_balloon.c). */
int virtballoon_init_vqs(struct virtio_balloon *vb);
int virtballoon_del_vqs(struct virtio_balloon *vb);
long towards_target(struct virtio_balloon *vb);
int fill_balloon(struct virtio_balloon *vb, unsigned long num);
int leak_balloon(struct virtio_balloon *vb, unsigned long num);
void release_pages_balloon(struct virtio_balloon *vb, struct list_head *pages);
void update_balloon_size(struct virtio_balloon *vb);
void virtballoon_queue_update(struct virtio_balloon *vb);

/* The policy of the boot argument balloon.policy; the newest when there is none (balloon_pm.c). */
const struct balloon_pm_ops *balloon_pm_select(void);

#endif
