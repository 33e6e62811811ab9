/*
 * Virtio over MMIO, version 2: 0x200 bytes of registers and one interrupt a
 * device, found through the device tree ("virtio,mmio").
 *
 * Per-queue registers act on the queue that QueueSel selects. A queue is
 * described (size, three addresses) while QueueReady is 0, and QueueReady = 1
 * hands it over. Writing a queue's number to QueueNotify says "look at it";
 * the device answers with InterruptStatus and its interrupt line.
 *
 * Control registers take aligned 32-bit accesses only; configuration fields
 * are read at their own width.
 *
 * Linux: drivers/virtio/virtio_mmio.c.
 */
#include "io.h"
#include "irq.h"
#include "platform_device.h"
#include "slab.h"
#include "time.h"
#include "virtio_config.h"
#include "virtio_mmio.h"
#include "virtio_ring.h"

#define VIRTQUEUE_NUM_LIMIT 256 /* descriptors: more than any driver here keeps busy */
#define RESET_TIMEOUT_NS NSEC_PER_SEC
#define CONFIG_READ_TRIES 16

struct virtio_mmio_device {
	struct virtio_device vdev;
	void *base;
	unsigned int irq;
};

#define to_virtio_mmio_device(_vdev) container_of(_vdev, struct virtio_mmio_device, vdev)

static u32 vm_readl(struct virtio_device *vdev, unsigned int reg)
{
	return readl(to_virtio_mmio_device(vdev)->base + reg);
}

static void vm_writel(struct virtio_device *vdev, u32 value, unsigned int reg)
{
	writel(value, to_virtio_mmio_device(vdev)->base + reg);
}

/* ---- features and status ---- */

static u64 vm_get_features(struct virtio_device *vdev)
{
	u64 features;

	vm_writel(vdev, 1, VIRTIO_MMIO_DEVICE_FEATURES_SEL);
	features = (u64)vm_readl(vdev, VIRTIO_MMIO_DEVICE_FEATURES) << 32;
	vm_writel(vdev, 0, VIRTIO_MMIO_DEVICE_FEATURES_SEL);
	return features | vm_readl(vdev, VIRTIO_MMIO_DEVICE_FEATURES);
}

static int vm_finalize_features(struct virtio_device *vdev)
{
	if (!virtio_has_feature(vdev, VIRTIO_F_VERSION_1)) {
		pr_err("%s: version 2 device does not offer VIRTIO_F_VERSION_1\n", vdev->name);
		return -EINVAL;
	}
	vm_writel(vdev, 1, VIRTIO_MMIO_DRIVER_FEATURES_SEL);
	vm_writel(vdev, vdev->features >> 32, VIRTIO_MMIO_DRIVER_FEATURES);
	vm_writel(vdev, 0, VIRTIO_MMIO_DRIVER_FEATURES_SEL);
	vm_writel(vdev, (u32)vdev->features, VIRTIO_MMIO_DRIVER_FEATURES);
	return 0;
}

static u32 vm_get_device_id(struct virtio_device *vdev)
{
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
	u64 deadline = ktime_get_ns() + RESET_TIMEOUT_NS;

	vm_writel(vdev, 0, VIRTIO_MMIO_STATUS);
	while (vm_readl(vdev, VIRTIO_MMIO_STATUS))
		if (ktime_get_ns() > deadline)
			return -ETIMEDOUT;
	return 0;
}

/* ---- configuration space ---- */

static void vm_read_config(void *base, void *buf, unsigned int len)
{
	u8 *bytes = buf;

	switch (len) {
	case 2:
		*(u16 *)buf = readw(base);
		break;
	case 4:
		*(u32 *)buf = readl(base);
		break;
	case 8: /* never atomic, hence the generation */
		((u32 *)buf)[0] = readl(base);
		((u32 *)buf)[1] = readl(base + 4);
		break;
	default:
		for (unsigned int i = 0; i < len; i++)
			bytes[i] = readb(base + i);
	}
}

/* A device that never stops changing gets read as it is in the end: we do not hang on it. */
static void vm_get(struct virtio_device *vdev, unsigned int offset, void *buf, unsigned int len)
{
	void *base = to_virtio_mmio_device(vdev)->base + VIRTIO_MMIO_CONFIG + offset;
	u32 generation;

	for (int tries = 0; tries < CONFIG_READ_TRIES; tries++) {
		generation = vm_readl(vdev, VIRTIO_MMIO_CONFIG_GENERATION);
		vm_read_config(base, buf, len);
		if (vm_readl(vdev, VIRTIO_MMIO_CONFIG_GENERATION) == generation)
			return;
	}
}

static void vm_set(struct virtio_device *vdev, unsigned int offset, const void *buf, unsigned int len)
{
	void *base = to_virtio_mmio_device(vdev)->base + VIRTIO_MMIO_CONFIG + offset;
	const u8 *bytes = buf;

	switch (len) {
	case 2:
		writew(*(const u16 *)buf, base);
		break;
	case 4:
		writel(*(const u32 *)buf, base);
		break;
	case 8:
		writel(((const u32 *)buf)[0], base);
		writel(((const u32 *)buf)[1], base + 4);
		break;
	default:
		for (unsigned int i = 0; i < len; i++)
			writeb(bytes[i], base + i);
	}
}

/* ---- interrupts and queues ---- */

static bool vm_notify(struct virtqueue *vq)
{
	vm_writel(vq->vdev, vq->index, VIRTIO_MMIO_QUEUE_NOTIFY);
	return true;
}

/*
 * Acknowledged before it is handled: a buffer used in between raises the interrupt again, where
 * acknowledging last would lose it.
 */
static irqreturn_t vm_interrupt(int irq, void *opaque)
{
	struct virtio_device *vdev = opaque;
	struct virtqueue *vq;
	u32 status;

	status = vm_readl(vdev, VIRTIO_MMIO_INTERRUPT_STATUS);
	status &= VIRTIO_MMIO_INT_VRING | VIRTIO_MMIO_INT_CONFIG;
	if (!status)
		return IRQ_NONE;
	vm_writel(vdev, status, VIRTIO_MMIO_INTERRUPT_ACK);

	if (status & VIRTIO_MMIO_INT_CONFIG)
		virtio_config_changed(vdev);
	if (status & VIRTIO_MMIO_INT_VRING)
		list_for_each_entry(vq, &vdev->vqs, list)
			vring_interrupt(vq);
	return IRQ_HANDLED;
}

static void vm_del_vq(struct virtqueue *vq)
{
	struct virtio_device *vdev = vq->vdev;

	vm_writel(vdev, vq->index, VIRTIO_MMIO_QUEUE_SEL);
	vm_writel(vdev, 0, VIRTIO_MMIO_QUEUE_READY);
	/* Reading it back makes sure that the device has let go of the memory. */
	WARN_ON(vm_readl(vdev, VIRTIO_MMIO_QUEUE_READY));
	vring_del_virtqueue(vq);
}

static void vm_del_vqs(struct virtio_device *vdev)
{
	struct virtqueue *vq, *next;

	free_irq(to_virtio_mmio_device(vdev)->irq, vdev);
	list_for_each_entry_safe(vq, next, &vdev->vqs, list)
		vm_del_vq(vq);
}

static void vm_write_address(struct virtio_device *vdev, phys_addr_t addr, unsigned int low,
			     unsigned int high)
{
	vm_writel(vdev, (u32)addr, low);
	vm_writel(vdev, addr >> 32, high);
}

static struct virtqueue *vm_setup_vq(struct virtio_device *vdev, unsigned int index,
				     const struct virtqueue_info *info)
{
	struct virtqueue *vq;
	unsigned int num;

	vm_writel(vdev, index, VIRTIO_MMIO_QUEUE_SEL);
	/* Ready already, or not there at all. */
	num = vm_readl(vdev, VIRTIO_MMIO_QUEUE_NUM_MAX);
	if (vm_readl(vdev, VIRTIO_MMIO_QUEUE_READY) || !num)
		return ERR_PTR(-ENOENT);
	num = min(num, VIRTQUEUE_NUM_LIMIT + 0u);
	while (num & (num - 1)) /* the largest power of two in it */
		num &= num - 1;

	vq = vring_create_virtqueue(index, num, vdev, vm_notify, info->callback, info->name);
	if (!vq)
		return ERR_PTR(-ENOMEM);

	vm_writel(vdev, num, VIRTIO_MMIO_QUEUE_NUM);
	vm_write_address(vdev, virtqueue_get_desc_addr(vq), VIRTIO_MMIO_QUEUE_DESC_LOW,
			 VIRTIO_MMIO_QUEUE_DESC_HIGH);
	vm_write_address(vdev, virtqueue_get_avail_addr(vq), VIRTIO_MMIO_QUEUE_AVAIL_LOW,
			 VIRTIO_MMIO_QUEUE_AVAIL_HIGH);
	vm_write_address(vdev, virtqueue_get_used_addr(vq), VIRTIO_MMIO_QUEUE_USED_LOW,
			 VIRTIO_MMIO_QUEUE_USED_HIGH);
	vm_writel(vdev, 1, VIRTIO_MMIO_QUEUE_READY);
	return vq;
}

static int vm_find_vqs(struct virtio_device *vdev, unsigned int nvqs, struct virtqueue *vqs[],
		       const struct virtqueue_info vqs_info[])
{
	int err;

	err = request_irq(to_virtio_mmio_device(vdev)->irq, vm_interrupt, vdev->name, vdev);
	if (err)
		return err;
	for (unsigned int i = 0; i < nvqs; i++) {
		vqs[i] = vm_setup_vq(vdev, i, &vqs_info[i]);
		if (IS_ERR(vqs[i])) {
			err = PTR_ERR(vqs[i]);
			pr_err("%s: queue %u (%s): error %d\n", vdev->name, i, vqs_info[i].name, err);
			vm_del_vqs(vdev);
			return err;
		}
	}
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
	device_id = readl(base + VIRTIO_MMIO_DEVICE_ID);
	if (!device_id)
		return -ENODEV;
	if (version != VIRTIO_MMIO_VERSION_MODERN) {
		pr_warn("%s: version %u%s is not supported\n", pdev->name, version,
			version == VIRTIO_MMIO_VERSION_LEGACY ? " (legacy)" : "");
		return -ENODEV;
	}

	vm_dev = kzalloc(sizeof(*vm_dev), GFP_KERNEL);
	if (!vm_dev)
		return -ENOMEM;
	vm_dev->base = base;
	vm_dev->irq = pdev->irq;
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

static const struct dev_pm_ops virtio_mmio_pm_ops = {
	.freeze = virtio_mmio_freeze,
	.quiesce = virtio_mmio_quiesce,
	.thaw = virtio_mmio_thaw,
	.restore = virtio_mmio_restore,
};

static const struct platform_driver virtio_mmio_driver = {
	.name = "virtio-mmio",
	.of_match = "virtio,mmio",
	.probe = virtio_mmio_probe,
	.pm = &virtio_mmio_pm_ops,
};

module_platform_driver(virtio_mmio_driver);
