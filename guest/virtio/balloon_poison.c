/* Page poison: the device is told what free memory holds, before it goes live and never while it is. */
#include "plant.h"
#include "virtio_balloon.h"
#include "virtio_config.h"

/* A reset has zeroed it. */
static noinline void balloon_poison_prepare(struct virtio_balloon *vb)
{
	__le32 poison_val = page_poison_value();

	if (PLANTED_AGAIN(PLANT_POISON_NOT_REWRITTEN))
		return;
	virtio_cwrite_le(vb->vdev, struct virtio_balloon_config, poison_val, &poison_val);
}

const struct balloon_facility balloon_poison = {
	.feature = VIRTIO_BALLOON_F_PAGE_POISON,
	.prepare = balloon_poison_prepare,
};
