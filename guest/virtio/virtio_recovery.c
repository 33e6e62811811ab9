/*
 * Devices that fail in the midst of their work: one that says so (DEVICE_NEEDS_RESET, virtio 1.4, "Device
 * Status Field"), or whose driver cannot go on with it.
 *
 * Its queues are declared broken at once, so that whoever waits for an answer hears of it. Then a thread
 * resets the device, takes it through the initialisation sequence with the features that were agreed on,
 * and has the driver do again what was in flight. A device that fails time and again is given up.
 *
 * Linux has the driver's half (reset_prepare, reset_done) for PCI function resets, and leaves a device that
 * needs a reset alone.
 */
#include "time.h"
#include "virtio_core.h"

#define RECOVERIES_MAX 5
#define RECOVERY_WINDOW_NS (60 * NSEC_PER_SEC) /* a device that works so long has recovered */

static void break_queues(struct virtio_device *vdev)
{
	struct virtqueue *vq;

	list_for_each_entry(vq, &vdev->vqs, list) {
		vq->broken = true;
		if (vq->callback)
			vq->callback(vq);
	}
}

void virtio_needs_reset(struct virtio_device *vdev)
{
	if (!list_empty(&vdev->recovery.entry))
		return; /* it is about to get one */
	pr_err("%s: device needs a reset\n", vdev->name);
	vdev->needs_reset = true;
	virtio_device_recover(vdev);
	break_queues(vdev);
}

bool virtio_device_recover(struct virtio_device *vdev)
{
	if (!vdev->live || !vdev->driver->reset_done)
		return false;
	queue_work(system_wq, &vdev->recovery);
	return true;
}

int virtio_device_give_up(struct virtio_device *vdev, int why)
{
	int err = virtio_reset_device(vdev);

	if (err)
		return err;
	pr_err("%s %s: given up, error %d\n", vdev->driver->name, vdev->name, why);
	vdev->live = false;
	vdev->failed = true;
	virtio_add_status(vdev, VIRTIO_CONFIG_S_FAILED);
	if (vdev->driver->given_up)
		vdev->driver->given_up(vdev);
	return 0;
}

static bool too_often(struct virtio_device *vdev)
{
	u64 now = ktime_get_ns();

	if (now - vdev->recovered_at > RECOVERY_WINDOW_NS)
		vdev->recoveries = 0;
	vdev->recovered_at = now;
	return ++vdev->recoveries > RECOVERIES_MAX;
}

static int start_over(struct virtio_device *vdev)
{
	int err;

	virtio_config_core_disable(vdev);
	err = virtio_reset_device(vdev);
	if (err)
		return err;
	vdev->driver->reset_prepare(vdev);
	return virtio_device_bring_back(vdev, vdev->driver->reset_done);
}

static void virtio_recover(struct work_struct *work)
{
	struct virtio_device *vdev = container_of(work, struct virtio_device, recovery);
	int err;

	if (!vdev->live || vdev->suspended) /* a freeze was quicker */
		return;
	err = too_often(vdev) ? -EIO : start_over(vdev);
	if (!err) {
		pr_info("%s %s: was reset, works again\n", vdev->driver->name, vdev->name);
		return;
	}
	virtio_device_give_up(vdev, err);
}

void virtio_recovery_init(struct virtio_device *vdev)
{
	INIT_WORK(&vdev->recovery, virtio_recover);
}

void virtio_recovery_stop(struct virtio_device *vdev)
{
	flush_work(system_wq, &vdev->recovery);
	vdev->live = false;
}
