/*
 * The virtio bus: takes a device and its driver through the initialisation
 * sequence.
 *
 *	status			who
 *	0 (reset)		here
 *	ACKNOWLEDGE		here: the device was noticed
 *	DRIVER			here: a driver is in the table
 *	(features)		here: those that device, driver and ring share
 *	FEATURES_OK		here: read back, the device may refuse; not on the legacy interface
 *	(queues)		the driver's probe() or restore()
 *	DRIVER_OK		the driver, or here right after it
 *
 * The same sequence brings a device back, with the features that were agreed
 * on before, after a hibernation (virtio_pm.c) or an error of its own
 * (virtio_recovery.c). A device that does not take them, or is not there, is
 * left alone with an error.
 *
 * `virtio.features_off=35,38` on the command line: bits that no driver accepts.
 *
 * Linux: drivers/virtio/virtio.c.
 */
#include "init.h"
#include "irqflags.h"
#include "virtio_core.h"

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
	else
		vdev->needs_reset = false;
	return err;
}

/* The queues are ready: let the device use them. */
void virtio_device_ready(struct virtio_device *vdev)
{
	vdev->live = true;
	virtio_add_status(vdev, VIRTIO_CONFIG_S_DRIVER_OK);
}

/* ---- configuration changes ---- */

/* Called from the transport's interrupt. One that the driver cannot hear of now is kept and replayed. */
void virtio_config_changed(struct virtio_device *vdev)
{
	if (vdev->config->get_status(vdev) & VIRTIO_CONFIG_S_NEEDS_RESET)
		virtio_needs_reset(vdev);
	else if (!vdev->config_enabled)
		vdev->config_change_pending = true;
	else if (vdev->driver->config_changed)
		vdev->driver->config_changed(vdev);
}

void virtio_config_core_disable(struct virtio_device *vdev)
{
	vdev->config_enabled = false;
}

void virtio_config_core_enable(struct virtio_device *vdev)
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

/* ---- features ---- */

/* Of the ring and the transport. We use physical addresses and full barriers anyway. */
static const unsigned int modern_features[] = {
	VIRTIO_RING_F_INDIRECT_DESC,
	VIRTIO_RING_F_EVENT_IDX,
	VIRTIO_F_VERSION_1,
	VIRTIO_F_ACCESS_PLATFORM,
	VIRTIO_F_IN_ORDER,
	VIRTIO_F_ORDER_PLATFORM,
	VIRTIO_F_NOTIFICATION_DATA,
	VIRTIO_F_RING_RESET,
	VIRTIO_F_SUSPEND,
};
static const unsigned int legacy_features[] = {
	VIRTIO_F_ANY_LAYOUT,
	VIRTIO_RING_F_INDIRECT_DESC,
	VIRTIO_RING_F_EVENT_IDX,
};

static u64 feature_mask(const unsigned int *bits, unsigned int n)
{
	u64 mask = 0;

	for (unsigned int i = 0; i < n; i++)
		mask |= 1ULL << bits[i];
	return mask;
}

/* The bits of virtio.features_off, as far as they can be read; VERSION_1 is not ours to decline. */
static u64 features_off(void)
{
	const char *s = get_bootarg("virtio.features_off");
	u64 mask = 0;

	while (s && *s) {
		const char *word = s;
		unsigned int bit = 0;

		while (*s >= '0' && *s <= '9' && bit < 64)
			bit = bit * 10 + *s++ - '0';
		if (s == word || (*s && *s != ',') || bit >= 64 || bit == VIRTIO_F_VERSION_1) {
			pr_warn("virtio.features_off: \"%s\": not a bit that can be declined\n", word);
			break;
		}
		mask |= 1ULL << bit;
		s += *s == ',';
	}
	return mask;
}

/* Of what the device offers: the driver's own bits that it knows, and the common ones. */
static u64 virtio_negotiate(struct virtio_device *vdev, const struct virtio_driver *drv)
{
	u64 offered = vdev->config->get_features(vdev);
	u64 wanted = feature_mask(drv->feature_table, drv->feature_table_size);

	if (offered & (1ULL << VIRTIO_F_VERSION_1))
		wanted |= feature_mask(modern_features, ARRAY_SIZE(modern_features));
	else
		wanted |= feature_mask(legacy_features, ARRAY_SIZE(legacy_features));
	return offered & wanted & ~features_off();
}

/* Features that were agreed on before a sleep may be more than the device offers after it. */
static int virtio_still_offered(struct virtio_device *vdev)
{
	u64 missing = vdev->features & ~vdev->config->get_features(vdev);

	if (!missing)
		return 0;
	pr_err("%s: device does not offer features %llx\n", vdev->name, (unsigned long long)missing);
	return -ENODEV;
}

static int virtio_features_ok(struct virtio_device *vdev)
{
	if (!virtio_has_feature(vdev, VIRTIO_F_VERSION_1))
		return 0; /* the legacy interface has no such step */
	virtio_add_status(vdev, VIRTIO_CONFIG_S_FEATURES_OK);
	if (vdev->config->get_status(vdev) & VIRTIO_CONFIG_S_FEATURES_OK)
		return 0;
	pr_err("%s: device refuses features %llx\n", vdev->name, (unsigned long long)vdev->features);
	return -ENODEV;
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

/* From DRIVER on, with vdev->features decided; setup is the driver's probe, thaw, restore or reset_done. */
static int virtio_bring_up(struct virtio_device *vdev, int (*setup)(struct virtio_device *vdev))
{
	int err;

	vdev->failed = false;
	err = virtio_still_offered(vdev);
	if (!err)
		err = vdev->config->finalize_features(vdev);
	if (!err)
		err = virtio_features_ok(vdev);
	if (!err)
		err = setup(vdev);
	if (err) {
		vdev->failed = true;
		vdev->live = false;
		virtio_add_status(vdev, VIRTIO_CONFIG_S_FAILED);
		return err;
	}
	if (vdev->failed)
		return 0; /* the driver has used the device already, and given it up */
	if (!vdev->live)
		virtio_device_ready(vdev);
	/* Before DRIVER_OK the device has no way to say so. */
	if (vdev->config->get_status(vdev) & VIRTIO_CONFIG_S_NEEDS_RESET)
		virtio_needs_reset(vdev);
	virtio_config_core_enable(vdev);
	return 0;
}

int virtio_device_bring_back(struct virtio_device *vdev, int (*setup)(struct virtio_device *vdev))
{
	u32 device_id = vdev->config->get_device_id(vdev);
	int err;

	vdev->live = false;
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
	virtio_recovery_init(vdev);
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
	if (vdev->driver->validate)
		vdev->driver->validate(vdev);
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
