/*
 * The memory balloon: features and configuration (virtio 1.4, "Memory Balloon Device"; Linux:
 * uapi/linux/virtio_balloon.h), and the driver's state, which its files, its policies and the shell share.
 */
#ifndef VIRTIO_BALLOON_H
#define VIRTIO_BALLOON_H

#include "mm.h"
#include "mutex.h"
#include "oom.h"
#include "page_reporting.h"
#include "shrinker.h"
#include "virtio.h"
#include "workqueue.h"

#define VIRTIO_BALLOON_F_MUST_TELL_HOST 0 /* the host must acknowledge before a page is used again */
#define VIRTIO_BALLOON_F_STATS_VQ 1	  /* the host can ask for statistics */
#define VIRTIO_BALLOON_F_DEFLATE_ON_OOM 2 /* the guest may take pages back before it dies */
#define VIRTIO_BALLOON_F_FREE_PAGE_HINT 3 /* the host can ask for what is free, while it migrates the guest */
#define VIRTIO_BALLOON_F_PAGE_POISON 4	  /* the guest says what free memory holds */
#define VIRTIO_BALLOON_F_REPORTING 5	  /* the guest says what is free, whenever it likes */

#define VIRTIO_BALLOON_FEATURES ((2ULL << VIRTIO_BALLOON_F_REPORTING) - 1) /* all of them */

#define VIRTIO_BALLOON_PFN_SHIFT 12

struct virtio_balloon_config {
	__le32 num_pages; /* the host's target, in pages of 4 KiB */
	__le32 actual; /* what the guest has given, in pages of 4 KiB */
	__le32 free_page_hint_cmd_id; /* the host's wish; FREE_PAGE_HINT */
	__le32 poison_val; /* PAGE_POISON */
};

/* The queues' numbers at the device. */
enum virtio_balloon_vq {
	VIRTIO_BALLOON_VQ_INFLATE,
	VIRTIO_BALLOON_VQ_DEFLATE,
	VIRTIO_BALLOON_VQ_STATS,
	VIRTIO_BALLOON_VQ_FREE_PAGE,
	VIRTIO_BALLOON_VQ_REPORTING,
	VIRTIO_BALLOON_VQ_MAX
};

#define VIRTIO_BALLOON_S_SWAP_IN 0   /* in bytes, as all that is no event */
#define VIRTIO_BALLOON_S_SWAP_OUT 1
#define VIRTIO_BALLOON_S_MAJFLT 2
#define VIRTIO_BALLOON_S_MINFLT 3
#define VIRTIO_BALLOON_S_MEMFREE 4
#define VIRTIO_BALLOON_S_MEMTOT 5
#define VIRTIO_BALLOON_S_AVAIL 6
#define VIRTIO_BALLOON_S_CACHES 7
#define VIRTIO_BALLOON_S_OOM_KILL 10
#define VIRTIO_BALLOON_S_ALLOC_STALL 11
#define VIRTIO_BALLOON_S_DIRECT_SCAN 13
#define VIRTIO_BALLOON_S_DIRECT_RECLAIM 15

struct virtio_balloon_stat {
	__le16 tag;
	__le64 val;
} __packed;

#define VIRTIO_BALLOON_NR_STATS 12 /* that this guest has */

/* Values of free_page_hint_cmd_id that do not ask for hints. */
#define VIRTIO_BALLOON_CMD_ID_STOP 0
#define VIRTIO_BALLOON_CMD_ID_DONE 1

/* PFNs in one request. */
#define VIRTIO_BALLOON_ARRAY_PFNS_MAX 256

/* How long the host may take to acknowledge anything. */
#define BALLOON_ACK_TIMEOUT (5 * HZ)

/*
 * What the driver does around a hibernation. Each policy is one moment in the life of Linux's
 * driver, named by its era and the commit that introduced it.
 *
 * features: those that the driver of its time knew.
 * freeze: before the snapshot. No work of the driver's runs any more. On success the device is reset and
 *	the queues are deleted. NULL: the driver knows nothing of hibernation, and nothing is called.
 * quiesce: in the resuming kernel, before it gives way to the image.
 * thaw: the same machine goes on: the hibernation failed, or the image is about to be written.
 * restore: another machine, whose device knows nothing of our pages.
 * The last two leave the queues ready for use and the device live.
 */
struct virtio_balloon;

struct balloon_pm_ops {
	const char *name;
	const char *commit;
	u64 features;
	int (*freeze)(struct virtio_balloon *vb);
	int (*quiesce)(struct virtio_balloon *vb);
	int (*thaw)(struct virtio_balloon *vb);
	int (*restore)(struct virtio_balloon *vb);
};

/*
 * What the driver can do besides inflating and deflating, one feature each, with its queue if it has a name.
 * All operations but init are called each time that the device comes and goes, and any may be NULL.
 *
 * init: once.
 * prepare: the queues are there, the device is not live yet.
 * start: it is live.
 * changed: so is its configuration, perhaps. From the interrupt.
 * stop: ask it for nothing more; it is about to be reset.
 * forget: it was reset: what it had of ours, it has no more.
 */
struct balloon_facility {
	unsigned int feature;
	enum virtio_balloon_vq vq;
	struct virtqueue_info vq_info;
	void (*init)(struct virtio_balloon *vb);
	void (*prepare)(struct virtio_balloon *vb);
	void (*start)(struct virtio_balloon *vb);
	void (*changed)(struct virtio_balloon *vb);
	void (*stop)(struct virtio_balloon *vb);
	void (*forget)(struct virtio_balloon *vb);
};

extern const struct balloon_facility balloon_stats, balloon_hint, balloon_poison, balloon_report, balloon_oom;

struct virtio_balloon {
	struct virtio_device *vdev;
	struct virtqueue *vqs[VIRTIO_BALLOON_VQ_MAX]; /* NULL while there is no device to talk to, or without the feature */
	const struct balloon_pm_ops *pm;
	wait_queue_head_t acked; /* the device has used a buffer */

	/* Moving pages (balloon_pages.c). */
	struct delayed_work update_balloon_size_work;
	struct mutex balloon_lock; /* for all the following */
	struct list_head pages; /* in the balloon */
	struct list_head in_flight; /* on their way in or out: the host was told, and did not acknowledge yet */
	unsigned long num_pages; /* on both lists */
	bool unacked; /* unacked_vq owes us an acknowledgement: pfns is the device's */
	enum virtio_balloon_vq unacked_vq;
	bool cut_off; /* by a reset, with what it owes us done or not */
	bool silent; /* it has owed it for too long */
	unsigned int num_pfns;
	__le32 pfns[VIRTIO_BALLOON_ARRAY_PFNS_MAX];
	u64 inflated_total, deflated_total; /* pages told to the host, ever */

	/* Statistics (balloon_stats.c). */
	struct work_struct update_balloon_stats_work;
	struct virtio_balloon_stat stats[VIRTIO_BALLOON_NR_STATS]; /* the device's, but for the work */

	/* Free page hints (balloon_hint.c). */
	struct work_struct report_free_page_work;
	struct shrinker shrinker;
	struct list_head free_page_list; /* blocks that were hinted, kept back for the host */
	unsigned long num_free_page_blocks; /* on it */
	__le32 cmd_id_received; /* the host's latest wish that we know of */
	bool cmd_id_changed; /* it may have another one */
	__le32 cmd_id_active; /* of the last round that we began; the device reads it */
	__le32 cmd_id_stop; /* this too */
	u64 hinted_total; /* pages, ever */

	/* Free page reporting (balloon_report.c). */
	struct page_reporting_dev_info pr_dev_info;
	u64 reported_total; /* pages, ever */

	/* Deflating when memory is out (balloon_oom.c). */
	struct oom_notifier oom_notifier;
	u64 oom_deflated_total; /* pages, ever */
};

static inline struct page *virtballoon_first_page(struct virtio_balloon *vb)
{
	return list_first_entry(&vb->pages, struct page, lru);
}

/*
 * The device comes and goes (virtio_balloon.c): queues, then DRIVER_OK; both, with the balloon as it is; a reset, and no
 * queues.
 */
int virtballoon_init_vqs(struct virtio_balloon *vb);
void virtballoon_ready(struct virtio_balloon *vb);
int virtballoon_bring_back(struct virtio_balloon *vb);
int virtballoon_del_vqs(struct virtio_balloon *vb);

/* A queue's callback that wakes those who wait for the device. */
void balloon_ack(struct virtqueue *vq);
/* The next buffer that the device has used; NULL when there is none. A device that lies about it is reset. */
void *balloon_get_used(struct virtqueue *vq);

/* Moving pages (balloon_pages.c). */
void balloon_pages_init(struct virtio_balloon *vb);
/* After a reset. A request that was not acknowledged stays open, until one of the next two. */
void balloon_pages_stop(struct virtio_balloon *vb);
/* It is as if the request had never been made, for the host has forgotten it. */
void balloon_pages_forget(struct virtio_balloon *vb);
/* The host may have heard of it or not, and is asked again; before DRIVER_OK, and without a kick. */
void balloon_pages_ask_again(struct virtio_balloon *vb);
long towards_target(struct virtio_balloon *vb);
int fill_balloon(struct virtio_balloon *vb, unsigned long num);
int leak_balloon(struct virtio_balloon *vb, unsigned long num);
void release_pages_balloon(struct virtio_balloon *vb, struct list_head *pages);
void update_balloon_size(struct virtio_balloon *vb);
void virtballoon_queue_update(struct virtio_balloon *vb);

/* The policy of the boot argument balloon.policy; the newest when there is none (balloon_pm.c). */
const struct balloon_pm_ops *balloon_pm_select(void);

#endif
