/*
 * Deflating when memory is out: before the guest kills a process for its memory, some of the balloon comes back,
 * whatever the host's target is. It stays below the target until the host changes it.
 */
#include "virtio_balloon.h"

#define VIRTIO_BALLOON_OOM_NR_PAGES 256

static unsigned long virtio_balloon_oom_notify(struct oom_notifier *notifier)
{
	struct virtio_balloon *vb = container_of(notifier, struct virtio_balloon, oom_notifier);
	int freed;

	mutex_lock(&vb->balloon_lock);
	freed = leak_balloon(vb, VIRTIO_BALLOON_OOM_NR_PAGES);
	update_balloon_size(vb);
	mutex_unlock(&vb->balloon_lock);
	if (freed <= 0)
		return 0;
	vb->oom_deflated_total += freed;
	return freed;
}

static void balloon_oom_start(struct virtio_balloon *vb)
{
	vb->oom_notifier.free_pages = virtio_balloon_oom_notify;
	register_oom_notifier(&vb->oom_notifier);
}

static void balloon_oom_stop(struct virtio_balloon *vb)
{
	unregister_oom_notifier(&vb->oom_notifier);
}

const struct balloon_facility balloon_oom = {
	.feature = VIRTIO_BALLOON_F_DEFLATE_ON_OOM,
	.start = balloon_oom_start,
	.stop = balloon_oom_stop,
};
