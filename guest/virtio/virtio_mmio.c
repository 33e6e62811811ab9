/*
 * Virtio over MMIO: 0x200 bytes of registers and one interrupt a device, found
 * through the device tree ("virtio,mmio"). Version 2, and version 1, which is
 * the legacy interface: features of 32 bits, queues by page number, no
 * FEATURES_OK, no ConfigGeneration.
 *
 * Control registers take aligned 32-bit accesses only. Queues and the
 * interrupt are in virtio_mmio_vq.c, the configuration space is in
 * virtio_mmio_config.c.
 *
 * Linux: drivers/virtio/virtio_mmio.c.
 */
#include "page.h"
#include "platform_device.h"
#include "slab.h"
#include "virtio_mmio_dev.h"

/* ---- features and status ---- */

static u64 vm_get_features(struct virtio_device *vdev)
{
	u64 features = 0;

	if (!to_virtio_mmio_device(vdev)->legacy) {
		vm_writel(vdev, 1, VIRTIO_MMIO_DEVICE_FEATURES_SEL);
		features = (u64)vm_readl(vdev, VIRTIO_MMIO_DEVICE_FEATURES) << 32;
	}
	vm_writel(vdev, 0, VIRTIO_MMIO_DEVICE_FEATURES_SEL);
	return features | vm_readl(vdev, VIRTIO_MMIO_DEVICE_FEATURES);
}

static int vm_finalize_features(struct virtio_device *vdev)
{
	if (!to_virtio_mmio_device(vdev)->legacy) {
		if (!virtio_has_feature(vdev, VIRTIO_F_VERSION_1)) {
			pr_err("%s: version 2 device does not offer VIRTIO_F_VERSION_1\n", vdev->name);
			return -EINVAL;
		}
		vm_writel(vdev, 1, VIRTIO_MMIO_DRIVER_FEATURES_SEL);
		vm_writel(vdev, vdev->features >> 32, VIRTIO_MMIO_DRIVER_FEATURES);
	}
	vm_writel(vdev, 0, VIRTIO_MMIO_DRIVER_FEATURES_SEL);
	vm_writel(vdev, (u32)vdev->features, VIRTIO_MMIO_DRIVER_FEATURES);
	return 0;
}

/* A slot with the other interface is as good as empty: our queues and features mean nothing there. */
static u32 vm_get_device_id(struct virtio_device *vdev)
{
	u32 version = to_virtio_mmio_device(vdev)->legacy ? VIRTIO_MMIO_VERSION_LEGACY :
							    VIRTIO_MMIO_VERSION_MODERN;

	if (vm_readl(vdev, VIRTIO_MMIO_MAGIC_VALUE) != VIRTIO_MMIO_MAGIC ||
	    vm_readl(vdev, VIRTIO_MMIO_VERSION) != version)
		return 0;
	return vm_readl(vdev, VIRTIO_MMIO_DEVICE_ID);
}

static u8 vm_get_status(struct virtio_device *vdev)
{
	return vm_readl(vdev, VIRTIO_MMIO_STATUS);
}

static void vm_set_status(struct virtio_device *vdev, u8 status)
{
	WARN_ON(!status); /* that would be a reset */
	vm_writel(vdev, status, VIRTIO_MMIO_STATUS);
}

static int vm_reset(struct virtio_device *vdev)
{
	u64 deadline = ktime_get_ns() + VIRTIO_MMIO_RESET_TIMEOUT_NS;

	vm_writel(vdev, 0, VIRTIO_MMIO_STATUS);
	while (vm_readl(vdev, VIRTIO_MMIO_STATUS))
		if (ktime_get_ns() > deadline)
			return -ETIMEDOUT;
	/* The unit of QueuePFN: the device may be another one by now, so it is told after every reset. */
	if (to_virtio_mmio_device(vdev)->legacy)
		vm_writel(vdev, PAGE_SIZE, VIRTIO_MMIO_GUEST_PAGE_SIZE);
	return 0;
}

static const struct virtio_config_ops virtio_mmio_config_ops = {
	.get = vm_get,
	.set = vm_set,
	.get_device_id = vm_get_device_id,
	.get_status = vm_get_status,
	.set_status = vm_set_status,
	.reset = vm_reset,
	.get_features = vm_get_features,
	.finalize_features = vm_finalize_features,
	.find_vqs = vm_find_vqs,
	.del_vqs = vm_del_vqs,
	.disable_vq_and_reset = vm_disable_vq_and_reset,
	.enable_vq_after_reset = vm_enable_vq_after_reset,
};

/* ---- the platform device ---- */

/* -ENODEV: not virtio, or an empty slot (DeviceID 0: nothing else may be read, and nothing is said). */
static int virtio_mmio_probe(struct platform_device *pdev)
{
	struct virtio_mmio_device *vm_dev;
	void *base = ioremap(pdev->start, pdev->size);
	u32 version, device_id;

	if (!base)
		return -ENOMEM;
	if (readl(base + VIRTIO_MMIO_MAGIC_VALUE) != VIRTIO_MMIO_MAGIC) {
		pr_warn("%s: wrong magic value\n", pdev->name);
		return -ENODEV;
	}
	version = readl(base + VIRTIO_MMIO_VERSION);
	if (version != VIRTIO_MMIO_VERSION_MODERN && version != VIRTIO_MMIO_VERSION_LEGACY) {
		pr_warn("%s: version %u is not supported\n", pdev->name, version);
		return -ENODEV;
	}
	device_id = readl(base + VIRTIO_MMIO_DEVICE_ID);
	if (!device_id)
		return -ENODEV;

	vm_dev = kzalloc(sizeof(*vm_dev), GFP_KERNEL);
	if (!vm_dev)
		return -ENOMEM;
	vm_dev->base = base;
	vm_dev->irq = pdev->irq;
	vm_dev->legacy = version == VIRTIO_MMIO_VERSION_LEGACY;
	vm_dev->vdev.device_id = device_id;
	vm_dev->vdev.config = &virtio_mmio_config_ops;
	pdev->driver_data = vm_dev;
	/* A driver that failed is its own affair: the slot is taken all the same. */
	register_virtio_device(&vm_dev->vdev);
	return 0;
}

static struct virtio_device *to_vdev(struct platform_device *pdev)
{
	return &((struct virtio_mmio_device *)pdev->driver_data)->vdev;
}

static int virtio_mmio_freeze(struct platform_device *pdev)
{
	return virtio_device_freeze(to_vdev(pdev));
}

static int virtio_mmio_quiesce(struct platform_device *pdev)
{
	return virtio_device_quiesce(to_vdev(pdev));
}

static int virtio_mmio_thaw(struct platform_device *pdev)
{
	return virtio_device_thaw(to_vdev(pdev));
}

static int virtio_mmio_restore(struct platform_device *pdev)
{
	return virtio_device_restore(to_vdev(pdev));
}

static int virtio_mmio_suspend(struct platform_device *pdev)
{
	return virtio_device_suspend(to_vdev(pdev));
}

static int virtio_mmio_resume(struct platform_device *pdev)
{
	return virtio_device_resume(to_vdev(pdev));
}

static const struct dev_pm_ops virtio_mmio_pm_ops = {
	.freeze = virtio_mmio_freeze,
	.quiesce = virtio_mmio_quiesce,
	.thaw = virtio_mmio_thaw,
	.restore = virtio_mmio_restore,
	.suspend = virtio_mmio_suspend,
	.resume = virtio_mmio_resume,
};

static const struct platform_driver virtio_mmio_driver = {
	.name = "virtio-mmio",
	.of_match = "virtio,mmio",
	.probe = virtio_mmio_probe,
	.pm = &virtio_mmio_pm_ops,
};

module_platform_driver(virtio_mmio_driver);
