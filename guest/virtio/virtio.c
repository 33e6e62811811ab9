/*
 * The virtio bus: takes a device and its driver through the initialisation
 * sequence, and through hibernation.
 *
 *	status			who
 *	0 (reset)		here
 *	ACKNOWLEDGE		here: the device was noticed
 *	DRIVER			here: a driver is in the table
 *	(features)		here: those that device, driver and ring share
 *	FEATURES_OK		here: read back, the device may refuse
 *	(queues)		the driver's probe() or restore()
 *	DRIVER_OK		the driver, or here right after it
 *
 * The device loses everything over a hibernation, so restoring is the same
 * sequence with the features that were agreed on before; a device that does
 * not take them, or is not there, is left alone with an error. A config change
 * that arrives while the driver cannot listen is kept and replayed.
 *
 * Linux: drivers/virtio/virtio.c.
 */
#include "irqflags.h"
#include "virtio_config.h"
#include "virtio_ring.h"

LIST_HEAD(virtio_devices);

void virtio_add_status(struct virtio_device *vdev, unsigned int status)
{
	vdev->config->set_status(vdev, vdev->config->get_status(vdev) | status);
}

/* Back to nothing: queues are not live any more when this returns. -ETIMEDOUT from a silent device. */
int virtio_reset_device(struct virtio_device *vdev)
{
	int err = vdev->config->reset(vdev);

	if (err)
		pr_err("%s: device does not finish its reset\n", vdev->name);
	return err;
}

/* The queues are ready: let the device use them. */
void virtio_device_ready(struct virtio_device *vdev)
{
	virtio_add_status(vdev, VIRTIO_CONFIG_S_DRIVER_OK);
}

/* ---- configuration changes ---- */

/* Called from the transport's interrupt. */
void virtio_config_changed(struct virtio_device *vdev)
{
	if (!vdev->config_enabled)
		vdev->config_change_pending = true;
	else if (vdev->driver->config_changed)
		vdev->driver->config_changed(vdev);
}

static void virtio_config_core_disable(struct virtio_device *vdev)
{
	vdev->config_enabled = false;
}

static void virtio_config_core_enable(struct virtio_device *vdev)
{
	unsigned long flags;

	local_irq_save(flags);
	vdev->config_enabled = true;
	if (vdev->config_change_pending) {
		vdev->config_change_pending = false;
		virtio_config_changed(vdev);
	}
	local_irq_restore(flags);
}

/* ---- the sequence ---- */

static const struct virtio_driver *virtio_find_driver(u32 device_id)
{
	const struct virtio_driver *const *drv;

	for_each_table_entry(drv, virtio_driver)
		if ((*drv)->device_id == device_id)
			return *drv;
	return NULL;
}

/* Of what the device offers: the driver's own bits that it knows, and the ring's. */
static u64 virtio_negotiate(struct virtio_device *vdev, const struct virtio_driver *drv)
{
	u64 transport = (1ULL << VIRTIO_TRANSPORT_F_END) - (1ULL << VIRTIO_TRANSPORT_F_START);
	u64 wanted = transport;

	for (unsigned int i = 0; i < drv->feature_table_size; i++)
		wanted |= 1ULL << drv->feature_table[i];
	return vring_transport_features(vdev->config->get_features(vdev) & wanted);
}

static int virtio_features_ok(struct virtio_device *vdev)
{
	virtio_add_status(vdev, VIRTIO_CONFIG_S_FEATURES_OK);
	if (vdev->config->get_status(vdev) & VIRTIO_CONFIG_S_FEATURES_OK)
		return 0;
	pr_err("%s: device refuses features %llx\n", vdev->name, (unsigned long long)vdev->features);
	return -ENODEV;
}

/* From DRIVER on, with vdev->features decided; setup is the driver's probe, thaw or restore. */
static int virtio_bring_up(struct virtio_device *vdev, int (*setup)(struct virtio_device *vdev))
{
	int err;

	err = vdev->config->finalize_features(vdev);
	if (!err)
		err = virtio_features_ok(vdev);
	if (!err)
		err = setup(vdev);
	vdev->failed = err;
	if (err) {
		virtio_add_status(vdev, VIRTIO_CONFIG_S_FAILED);
		return err;
	}
	if (!(vdev->config->get_status(vdev) & VIRTIO_CONFIG_S_DRIVER_OK))
		virtio_device_ready(vdev);
	virtio_config_core_enable(vdev);
	return 0;
}

/**
 * register_virtio_device - add a device and probe its driver
 * @vdev: device_id and config filled in by the transport
 *
 * A device that no driver wants, or whose driver fails, stays on the list without one. Returns the
 * driver's error, 0 if there is no driver.
 */
int register_virtio_device(struct virtio_device *vdev)
{
	static unsigned int virtio_index;
	int err;

	vdev->index = virtio_index++;
	snprintf(vdev->name, sizeof(vdev->name), "virtio%u", vdev->index);
	INIT_LIST_HEAD(&vdev->vqs);
	list_add_tail(&vdev->list, &virtio_devices);

	err = virtio_reset_device(vdev);
	if (err)
		return err;
	virtio_add_status(vdev, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	vdev->driver = virtio_find_driver(vdev->device_id);
	if (!vdev->driver)
		return 0;

	virtio_add_status(vdev, VIRTIO_CONFIG_S_DRIVER);
	vdev->features = virtio_negotiate(vdev, vdev->driver);
	err = virtio_bring_up(vdev, vdev->driver->probe);
	if (err) {
		pr_err("%s %s: probe failed with error %d\n", vdev->driver->name, vdev->name, err);
		vdev->driver = NULL;
	}
	return err;
}

struct virtio_device *virtio_find_device(u32 device_id)
{
	struct virtio_device *vdev;

	list_for_each_entry(vdev, &virtio_devices, list)
		if (vdev->device_id == device_id && vdev->driver)
			return vdev;
	return NULL;
}

/* ---- hibernation ---- */

/*
 * Nothing of the driver's runs any more. On an error of its own the device stays in use, and the error
 * goes to the PM core. A failed device has no queues and nothing to stop.
 */
static int virtio_device_stop(struct virtio_device *vdev, int (*stop)(struct virtio_device *vdev))
{
	int err;

	virtio_config_core_disable(vdev);
	if (vdev->failed)
		return 0;
	err = stop(vdev);
	if (err) {
		pr_err("%s %s: freeze failed with error %d\n", vdev->driver->name, vdev->name, err);
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

/* The device may be new, and was last used by another kernel: from the start, with the same features. */
static int virtio_device_bring_back(struct virtio_device *vdev, int (*setup)(struct virtio_device *vdev))
{
	u32 device_id = vdev->config->get_device_id(vdev);
	int err;

	if (device_id != vdev->device_id) {
		pr_err("%s: %s in its place: device ID %u, was %u\n", vdev->name,
		       device_id ? "another device" : "no device", device_id, vdev->device_id);
		vdev->failed = true;
		return -ENODEV;
	}
	err = virtio_reset_device(vdev);
	if (err) {
		vdev->failed = true;
		return err;
	}
	virtio_add_status(vdev, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	if (!vdev->driver) {
		/* A device that its driver gave up for good stays marked, for whoever looks. */
		if (vdev->failed)
			virtio_add_status(vdev, VIRTIO_CONFIG_S_FAILED);
		return 0;
	}
	virtio_add_status(vdev, VIRTIO_CONFIG_S_DRIVER);
	return virtio_bring_up(vdev, setup);
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

/* This is another machine, and the device knows nothing of us. */
int virtio_device_restore(struct virtio_device *vdev)
{
	const struct virtio_driver *drv = vdev->driver;
	int err;

	if (vdev->no_pm)
		return 0;
	err = virtio_device_bring_back(vdev, drv ? drv->restore : NULL);
	if (err && drv) {
		pr_err("%s %s: restore failed with error %d\n", drv->name, vdev->name, err);
		if (drv->lost)
			drv->lost(vdev);
	}
	return err;
}
