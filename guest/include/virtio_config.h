/*
 * Device status, reserved feature bits, and the operations that a transport
 * offers (virtio 1.4, "Device Status Field" and "Reserved Feature Bits";
 * Linux: uapi/linux/virtio_config.h and linux/virtio_config.h).
 */
#ifndef VIRTIO_CONFIG_H
#define VIRTIO_CONFIG_H

#include "errno.h"
#include "virtio.h"

#define VIRTIO_CONFIG_S_ACKNOWLEDGE	1
#define VIRTIO_CONFIG_S_DRIVER		2
#define VIRTIO_CONFIG_S_DRIVER_OK	4
#define VIRTIO_CONFIG_S_FEATURES_OK	8
#define VIRTIO_CONFIG_S_SUSPEND		16
#define VIRTIO_CONFIG_S_NEEDS_RESET	0x40
#define VIRTIO_CONFIG_S_FAILED		0x80

/* The bits of the transport and the ring, which every device may have. */
#define VIRTIO_F_ANY_LAYOUT		27 /* legacy: any framing, which modern devices take anyway */
#define VIRTIO_RING_F_INDIRECT_DESC	28
#define VIRTIO_RING_F_EVENT_IDX		29
#define VIRTIO_F_VERSION_1		32
#define VIRTIO_F_ACCESS_PLATFORM	33
#define VIRTIO_F_IN_ORDER		35
#define VIRTIO_F_ORDER_PLATFORM		36
#define VIRTIO_F_NOTIFICATION_DATA	38
#define VIRTIO_F_RING_RESET		40
#define VIRTIO_F_SUSPEND		43

/*
 * What a transport does for the core and the drivers.
 *
 * get, set:	one field of the configuration space. get repeats itself until the device did not
 *		change its configuration meanwhile; -EIO, and zeros, when it never stops changing it.
 * get_device_id: what is there now, VIRTIO_ID_*; 0 for nothing.
 * get_status, set_status: the status byte; set_status never writes 0.
 * reset:	write 0 and wait until the device reads 0, -ETIMEDOUT after 1 s.
 * get_features: what the device offers.
 * finalize_features: write vdev->features; -EINVAL for a modern device without VERSION_1.
 * find_vqs:	create and enable nvqs queues, less those without a name (NULL in vqs); on error none is left.
 * del_vqs:	disable and free every queue; the device was reset before.
 * disable_vq_and_reset, enable_vq_after_reset: with RING_RESET, take one queue away from the device and
 *		give it back; -ETIMEDOUT when the device does not let go of it.
 */
struct virtio_config_ops {
	int (*get)(struct virtio_device *vdev, unsigned int offset, void *buf, unsigned int len);
	void (*set)(struct virtio_device *vdev, unsigned int offset, const void *buf, unsigned int len);
	u32 (*get_device_id)(struct virtio_device *vdev);
	u8 (*get_status)(struct virtio_device *vdev);
	void (*set_status)(struct virtio_device *vdev, u8 status);
	int (*reset)(struct virtio_device *vdev);
	u64 (*get_features)(struct virtio_device *vdev);
	int (*finalize_features)(struct virtio_device *vdev);
	int (*find_vqs)(struct virtio_device *vdev, unsigned int nvqs, struct virtqueue *vqs[],
			const struct virtqueue_info vqs_info[]);
	void (*del_vqs)(struct virtio_device *vdev);
	int (*disable_vq_and_reset)(struct virtqueue *vq);
	void (*enable_vq_after_reset)(struct virtqueue *vq);
};

static inline void __virtio_clear_bit(struct virtio_device *vdev, unsigned int bit)
{
	vdev->features &= ~(1ULL << bit);
}

static inline bool virtio_has_feature(const struct virtio_device *vdev, unsigned int bit)
{
	return vdev->features & (1ULL << bit);
}

static inline int virtio_find_vqs(struct virtio_device *vdev, unsigned int nvqs,
				  struct virtqueue *vqs[], const struct virtqueue_info vqs_info[])
{
	return vdev->config->find_vqs(vdev, nvqs, vqs, vqs_info);
}

/* Read (0 or -EIO) or write one field of a device's configuration structure. */
#define virtio_cread_le(vdev, structname, member, ptr)					\
	((vdev)->config->get((vdev), offsetof(structname, member), (ptr), sizeof(*(ptr))))
#define virtio_cwrite_le(vdev, structname, member, ptr)					\
	((vdev)->config->set((vdev), offsetof(structname, member), (ptr), sizeof(*(ptr))))

/* The same for a field that exists only with a feature: -ENOENT without it. */
#define virtio_cread_le_feature(vdev, fbit, structname, member, ptr)			\
	(virtio_has_feature((vdev), (fbit)) ?						\
	 virtio_cread_le((vdev), structname, member, (ptr)) : -ENOENT)

void virtio_add_status(struct virtio_device *vdev, unsigned int status);
int virtio_reset_device(struct virtio_device *vdev);
void virtio_device_ready(struct virtio_device *vdev);
void virtio_config_changed(struct virtio_device *vdev);

/*
 * For drivers whose device does not do its part. recover: reset it and start over, soon, in a thread (see
 * reset_prepare); false when that cannot be, in a freeze or on a device that is down already. give_up: reset it
 * for good, now, and say why; -ETIMEDOUT when it does not even finish its reset, and keeps the queues.
 */
bool virtio_device_recover(struct virtio_device *vdev);
int virtio_device_give_up(struct virtio_device *vdev, int why);

#endif
