/*
 * Virtio devices in a sleep of the machine.
 *
 * Hibernation: the device loses everything, so it is reset before and brought back as if new after. A
 * config change that arrives while the driver cannot listen is kept and replayed.
 *
 * Suspend to idle: the machine stays on, and so do the devices. With VIRTIO_F_SUSPEND one is told to stand
 * still (status SUSPEND, until it answers with DRIVER_OK gone) and to go on (DRIVER_OK, until SUSPEND is
 * gone); its queues, and the pages in a balloon, stay as they are. Without it, it goes the way of a
 * hibernation, which is all that Linux has.
 *
 * Linux: drivers/virtio/virtio.c.
 */
#include "time.h"
#include "virtio_core.h"

#define SUSPEND_TIMEOUT_NS NSEC_PER_SEC

/* ---- hibernation ---- */

/*
 * Nothing of the driver's runs any more. On an error of its own the device stays in use, and the error
 * goes to the PM core. A failed device has no queues and nothing to stop.
 */
static int virtio_device_stop(struct virtio_device *vdev, int (*stop)(struct virtio_device *vdev))
{
	int err;

	virtio_recovery_stop(vdev);
	virtio_config_core_disable(vdev);
	if (vdev->failed)
		return 0;
	err = stop(vdev);
	if (err) {
		pr_err("%s %s: freeze failed with error %d\n", vdev->driver->name, vdev->name, err);
		vdev->live = true;
		if (vdev->config->get_status(vdev) & VIRTIO_CONFIG_S_NEEDS_RESET)
			virtio_device_recover(vdev);
		virtio_config_core_enable(vdev);
	}
	return err;
}

int virtio_device_freeze(struct virtio_device *vdev)
{
	const struct virtio_driver *drv = vdev->driver;

	return drv && !vdev->no_pm ? virtio_device_stop(vdev, drv->freeze) : 0;
}

/*
 * The image knows nothing of this kernel's queues, so the device must not either: one whose driver leaves it
 * running is stopped here, as Linux's PCI core stops the DMA of a device without PM support.
 */
int virtio_device_quiesce(struct virtio_device *vdev)
{
	const struct virtio_driver *drv = vdev->driver;

	if (!drv || vdev->no_pm)
		return virtio_reset_device(vdev);
	return virtio_device_stop(vdev, drv->quiesce ? drv->quiesce : drv->freeze);
}

/* The same machine goes on: the hibernation failed, or the image is about to be written. */
int virtio_device_thaw(struct virtio_device *vdev)
{
	const struct virtio_driver *drv = vdev->driver;
	int err;

	if (vdev->no_pm)
		return 0;
	err = virtio_device_bring_back(vdev, drv && drv->thaw ? drv->thaw : drv ? drv->restore : NULL);
	if (err && drv)
		pr_err("%s %s: thaw failed with error %d\n", drv->name, vdev->name, err);
	return err;
}

/* This is another machine, and the device knows nothing of us, nor of what a failed one before it held. */
int virtio_device_restore(struct virtio_device *vdev)
{
	const struct virtio_driver *drv = vdev->driver;
	bool was_failed = vdev->failed;
	int err;

	if (vdev->no_pm)
		return 0;
	if (was_failed && drv && drv->lost)
		drv->lost(vdev);
	err = virtio_device_bring_back(vdev, drv ? drv->restore : NULL);
	if (err && drv) {
		pr_err("%s %s: restore failed with error %d\n", drv->name, vdev->name, err);
		if (drv->lost)
			drv->lost(vdev);
	}
	return err;
}

/* ---- suspend to idle ---- */

static int wait_for_status(struct virtio_device *vdev, u8 set, u8 clear)
{
	u64 deadline = ktime_get_ns() + SUSPEND_TIMEOUT_NS;
	u8 status;

	while (((status = vdev->config->get_status(vdev)) & (set | clear)) != set) {
		if (status & VIRTIO_CONFIG_S_NEEDS_RESET)
			return -EIO;
		if (ktime_get_ns() > deadline)
			return -ETIMEDOUT;
	}
	return 0;
}

/* A device that does not go to sleep stays in use, or comes back after a reset. */
static int suspend_in_place(struct virtio_device *vdev)
{
	int err;

	flush_work(system_wq, &vdev->recovery);
	virtio_config_core_disable(vdev);
	virtio_add_status(vdev, VIRTIO_CONFIG_S_SUSPEND);
	vdev->suspended = true;
	err = wait_for_status(vdev, VIRTIO_CONFIG_S_SUSPEND, VIRTIO_CONFIG_S_DRIVER_OK);
	if (!err)
		return 0;
	pr_err("%s: device does not suspend: error %d\n", vdev->name, err);
	vdev->suspended = false;
	virtio_device_recover(vdev);
	virtio_config_core_enable(vdev);
	return err;
}

int virtio_device_suspend(struct virtio_device *vdev)
{
	if (!vdev->live || !virtio_has_feature(vdev, VIRTIO_F_SUSPEND))
		return virtio_device_freeze(vdev);
	return suspend_in_place(vdev);
}

int virtio_device_resume(struct virtio_device *vdev)
{
	int err;

	if (!vdev->suspended)
		return virtio_device_thaw(vdev);
	vdev->suspended = false;
	virtio_add_status(vdev, VIRTIO_CONFIG_S_DRIVER_OK);
	err = wait_for_status(vdev, VIRTIO_CONFIG_S_DRIVER_OK, VIRTIO_CONFIG_S_SUSPEND);
	if (err) {
		pr_err("%s: device does not resume: error %d\n", vdev->name, err);
		virtio_device_recover(vdev);
	}
	virtio_config_core_enable(vdev);
	return err;
}
