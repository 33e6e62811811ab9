/* Inside the virtio bus: what its files share. */
#ifndef VIRTIO_CORE_H
#define VIRTIO_CORE_H

#include "virtio_config.h"

/*
 * The initialisation sequence (virtio.c). A device that is known already, from the reset on: features as
 * they were agreed on, then `setup`, the driver's thaw, restore or reset_done. A device that does not come
 * back is `failed`.
 */
int virtio_device_bring_back(struct virtio_device *vdev, int (*setup)(struct virtio_device *vdev));

void virtio_config_core_disable(struct virtio_device *vdev);
void virtio_config_core_enable(struct virtio_device *vdev);

/* Recovery (virtio_recovery.c). */
void virtio_recovery_init(struct virtio_device *vdev);
/* From here on the device is not recovered any more: somebody else takes it over. Sleeps. */
void virtio_recovery_stop(struct virtio_device *vdev);
/* The device has set DEVICE_NEEDS_RESET. Callable from interrupts. */
void virtio_needs_reset(struct virtio_device *vdev);

#endif
