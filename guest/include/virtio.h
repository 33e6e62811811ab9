/*
 * The virtio bus: devices, drivers and virtqueues (Linux: linux/virtio.h).
 *
 * A transport (virtio_mmio.c) finds a device and registers it; the core
 * (virtio.c) matches it with a driver and takes both through the
 * initialisation sequence of the specification; the driver moves buffers
 * through virtqueues (virtio_ring.c).
 */
#ifndef VIRTIO_H
#define VIRTIO_H

#include "list.h"
#include "scatterlist.h"
#include "workqueue.h"

struct virtio_device;
struct virtio_driver;
struct virtio_config_ops;
struct virtqueue;

typedef void vq_callback_t(struct virtqueue *vq);

/* All of them, with a driver or without. */
extern struct list_head virtio_devices;

/* A queue that a driver asks for; a NULL callback means "no interrupts", a NULL name "not this one". */
struct virtqueue_info {
	const char *name;
	vq_callback_t *callback;
};

struct virtqueue {
	struct list_head list;		/* on vdev->vqs */
	struct virtio_device *vdev;
	const char *name;
	vq_callback_t *callback;
	unsigned int index;
	unsigned int num_free;		/* descriptors */
	bool broken;			/* the device misbehaved: no more buffers */
};

struct virtio_device {
	unsigned int index;		/* in order of discovery */
	char name[12];			/* "virtio<index>" */
	u32 device_id;			/* VIRTIO_ID_* */
	u64 features;			/* offered by the device and understood here */
	bool live;			/* between DRIVER_OK and the next reset or freeze */
	bool needs_reset;		/* it says so: nothing else helps */
	bool failed;			/* given up: it answers nothing; tried again at the next thaw or restore */
	bool suspended;			/* keeps its queues, and may not be spoken to */
	bool no_pm;			/* its driver knows nothing of hibernation */
	bool config_enabled;		/* may the driver hear of a config change? */
	bool config_change_pending;	/* one came while it may not */
	const struct virtio_config_ops *config;
	const struct virtio_driver *driver;
	struct work_struct recovery;	/* from DEVICE_NEEDS_RESET and its like (virtio_recovery.c) */
	unsigned int recoveries;	/* in a row */
	u64 recovered_at;		/* ktime, ns, of the last one */
	struct list_head vqs;
	struct list_head list;		/* of all devices */
	void *priv;			/* the driver's */
};

/*
 * A driver. validate, before anything is agreed on, clears the features in vdev->features that this
 * system does not want. probe and restore leave the queues ready; DRIVER_OK is the
 * driver's to set (virtio_device_ready) when it needs the device live inside
 * them, else the core sets it right after.
 *
 * thaw is for a driver that tells "the hibernation failed or is being
 * written" from "we woke up in a new machine"; without it restore serves
 * both, which is what Linux's drivers do since 3.6. quiesce is for one that
 * tells "an image is about to take over" from "the snapshot is about to be
 * taken"; without it freeze serves both. lost: the new machine has no such
 * device, or one that cannot be used; whatever the old one held is void.
 *
 * reset_prepare and reset_done: the device had to be reset in the midst of its
 * work, on the same machine. The first is called right after the reset and
 * deletes the queues; what was in flight may or may not have been done. The
 * second makes them anew, as restore does, and does again what was in flight.
 * Without them a device is not recovered. given_up: instead of reset_done, or
 * at any time after, the device was reset for good.
 */
struct virtio_driver {
	const char *name;
	u32 device_id;
	const unsigned int *feature_table;
	unsigned int feature_table_size;
	void (*validate)(struct virtio_device *vdev);
	int (*probe)(struct virtio_device *vdev);
	void (*config_changed)(struct virtio_device *vdev);
	int (*freeze)(struct virtio_device *vdev);
	int (*quiesce)(struct virtio_device *vdev);
	int (*thaw)(struct virtio_device *vdev);
	int (*restore)(struct virtio_device *vdev);
	void (*lost)(struct virtio_device *vdev);
	void (*reset_prepare)(struct virtio_device *vdev);
	int (*reset_done)(struct virtio_device *vdev);
	void (*given_up)(struct virtio_device *vdev);
};

DECLARE_TABLE(const struct virtio_driver *const, virtio_driver);

/* Adds a `static const struct virtio_driver` to the table of drivers. */
#define module_virtio_driver(drv)                                                                 \
	static const struct virtio_driver *const __virtio_driver_##drv table_entry(virtio_driver) = &drv

/*
 * The transport's calls: a device was found; its machine is about to stop; is about to run another
 * kernel, the image; runs on; is a new one; goes to sleep with its devices, and wakes up.
 */
int register_virtio_device(struct virtio_device *vdev);
int virtio_device_freeze(struct virtio_device *vdev);
int virtio_device_quiesce(struct virtio_device *vdev);
int virtio_device_thaw(struct virtio_device *vdev);
int virtio_device_restore(struct virtio_device *vdev);
int virtio_device_suspend(struct virtio_device *vdev);
int virtio_device_resume(struct virtio_device *vdev);

/* The first device of this type that has a driver; NULL when there is none. */
struct virtio_device *virtio_find_device(u32 device_id);

int virtqueue_add_sgs(struct virtqueue *vq, const struct scatterlist *sg,
		      unsigned int out_sgs, unsigned int in_sgs, void *data);
int virtqueue_add_outbuf(struct virtqueue *vq, const struct scatterlist *sg, unsigned int num, void *data);
int virtqueue_add_inbuf(struct virtqueue *vq, const struct scatterlist *sg, unsigned int num, void *data);
bool virtqueue_kick_prepare(struct virtqueue *vq);
bool virtqueue_notify(struct virtqueue *vq);
bool virtqueue_kick(struct virtqueue *vq);
bool virtqueue_kick_again(struct virtqueue *vq);
void *virtqueue_get_buf(struct virtqueue *vq, u32 *len);
void virtqueue_disable_cb(struct virtqueue *vq);
bool virtqueue_enable_cb(struct virtqueue *vq);
void *virtqueue_detach_unused_buf(struct virtqueue *vq);
int virtqueue_reset(struct virtqueue *vq, void (*recycle)(struct virtqueue *vq, void *data));
unsigned int virtqueue_get_vring_size(const struct virtqueue *vq);

#endif
