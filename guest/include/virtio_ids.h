/*
 * Virtio device types that this kernel drives (virtio 1.4, "Device Types";
 * Linux: uapi/linux/virtio_ids.h).
 */
#ifndef VIRTIO_IDS_H
#define VIRTIO_IDS_H

#define VIRTIO_ID_BLOCK		2
#define VIRTIO_ID_BALLOON	5

#endif
