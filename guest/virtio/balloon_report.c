/*
 * Free page reporting: the page allocator's large free blocks (mm/page_reporting.c) are shown to the host, which
 * takes the memory behind them, and they stay ours: no word is needed to use them again.
 */
#include "plant.h"
#include "virtio_balloon.h"
#include "virtio_config.h"

static noinline int virtballoon_free_page_report(struct page_reporting_dev_info *pr_dev_info,
						 struct scatterlist *sgl, unsigned int nents)
{
	struct virtio_balloon *vb = container_of(pr_dev_info, struct virtio_balloon, pr_dev_info);
	struct virtqueue *vq = vb->vqs[VIRTIO_BALLOON_VQ_REPORTING];
	int err;

	if (PLANTED(PLANT_REPORT_TOO_LONG))
		sgl[0].length += PAGE_SIZE;
	err = virtqueue_add_inbuf(vq, sgl, nents, vb);
	if (!err)
		virtqueue_kick(vq);
	return err;
}

static void virtballoon_free_page_remind(struct page_reporting_dev_info *pr_dev_info)
{
	struct virtio_balloon *vb = container_of(pr_dev_info, struct virtio_balloon, pr_dev_info);

	virtqueue_kick_again(vb->vqs[VIRTIO_BALLOON_VQ_REPORTING]);
}

static void balloon_report_ack(struct virtqueue *vq)
{
	struct virtio_balloon *vb = vq->vdev->priv;

	if (balloon_get_used(vq)) {
		for (unsigned int i = 0; i < vb->pr_dev_info.nents; i++)
			vb->reported_total += vb->pr_dev_info.sgl[i].length / PAGE_SIZE;
		page_reporting_done(&vb->pr_dev_info, true);
	}
	balloon_ack(vq);
}

static void balloon_report_start(struct virtio_balloon *vb)
{
	unsigned int room = virtqueue_get_vring_size(vb->vqs[VIRTIO_BALLOON_VQ_REPORTING]);

	vb->pr_dev_info.report = virtballoon_free_page_report;
	vb->pr_dev_info.remind = virtballoon_free_page_remind;
	vb->pr_dev_info.capacity = min(room, PAGE_REPORTING_CAPACITY + 0u);
	page_reporting_register(&vb->pr_dev_info);
}

/* A report that the device does not end now ends with the reset. */
static void balloon_report_stop(struct virtio_balloon *vb)
{
	const struct virtqueue *vq = vb->vqs[VIRTIO_BALLOON_VQ_REPORTING];

	page_reporting_unregister(&vb->pr_dev_info);
	wait_event_timeout(vb->acked, !READ_ONCE(vb->pr_dev_info.nents) || READ_ONCE(vq->broken),
			   BALLOON_ACK_TIMEOUT);
}

static void balloon_report_forget(struct virtio_balloon *vb)
{
	page_reporting_done(&vb->pr_dev_info, false);
}

const struct balloon_facility balloon_report = {
	.feature = VIRTIO_BALLOON_F_REPORTING,
	.vq = VIRTIO_BALLOON_VQ_REPORTING,
	.vq_info = { "reporting", balloon_report_ack },
	.start = balloon_report_start,
	.stop = balloon_report_stop,
	.forget = balloon_report_forget,
};
