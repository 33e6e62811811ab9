/*
 * Virtio over MMIO: the configuration space, read and written field by field, each in accesses of its own
 * width (64 bits: two of 32).
 *
 * The device may change it at any moment. A modern one counts its changes: a read is good when
 * ConfigGeneration was the same before and after. A legacy one does not: a read is good when it finds the
 * same twice. Linux writes the fields of a legacy device byte by byte; the specification wants the one
 * that is written, the balloon's `actual`, in one piece on either interface.
 *
 * Linux: vm_get() and vm_set() in drivers/virtio/virtio_mmio.c.
 */
#include "string.h"
#include "virtio_mmio_dev.h"

#define CONFIG_READ_TRIES 16
#define CONFIG_FIELD_MAX 64 /* bytes; the longest that a driver here reads has 8 */

static void read_field(const void *base, void *buf, unsigned int len)
{
	u8 *bytes = buf;

	switch (len) {
	case 2:
		*(u16 *)buf = readw(base);
		break;
	case 4:
		*(u32 *)buf = readl(base);
		break;
	case 8:
		((u32 *)buf)[0] = readl(base);
		((u32 *)buf)[1] = readl(base + 4);
		break;
	default:
		for (unsigned int i = 0; i < len; i++)
			bytes[i] = readb(base + i);
	}
}

static bool read_modern(struct virtio_device *vdev, const void *base, void *buf, unsigned int len)
{
	u32 generation = vm_readl(vdev, VIRTIO_MMIO_CONFIG_GENERATION);

	read_field(base, buf, len);
	return vm_readl(vdev, VIRTIO_MMIO_CONFIG_GENERATION) == generation;
}

static bool read_legacy(const void *base, void *buf, unsigned int len)
{
	u8 again[CONFIG_FIELD_MAX];

	read_field(base, buf, len);
	read_field(base, again, len);
	return !memcmp(buf, again, len);
}

int vm_get(struct virtio_device *vdev, unsigned int offset, void *buf, unsigned int len)
{
	const struct virtio_mmio_device *vm_dev = to_virtio_mmio_device(vdev);
	const void *base = vm_dev->base + VIRTIO_MMIO_CONFIG + offset;

	if (WARN_ON(len > CONFIG_FIELD_MAX))
		return -EIO;
	for (int tries = 0; tries < CONFIG_READ_TRIES; tries++)
		if (vm_dev->legacy ? read_legacy(base, buf, len) : read_modern(vdev, base, buf, len))
			return 0;
	pr_warn("%s: the configuration does not stand still\n", vdev->name);
	memset(buf, 0, len);
	return -EIO;
}

void vm_set(struct virtio_device *vdev, unsigned int offset, const void *buf, unsigned int len)
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
