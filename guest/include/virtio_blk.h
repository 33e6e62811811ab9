/*
 * The block device's features, configuration and requests (virtio 1.4, "Block
 * Device"; Linux: uapi/linux/virtio_blk.h). A sector is always 512 bytes.
 */
#ifndef VIRTIO_BLK_H
#define VIRTIO_BLK_H

#include "types.h"

#define VIRTIO_BLK_F_SIZE_MAX	1
#define VIRTIO_BLK_F_SEG_MAX	2
#define VIRTIO_BLK_F_RO		5
#define VIRTIO_BLK_F_FLUSH	9

#define VIRTIO_BLK_T_IN		0
#define VIRTIO_BLK_T_OUT	1
#define VIRTIO_BLK_T_FLUSH	4
#define VIRTIO_BLK_T_GET_ID	8

#define VIRTIO_BLK_ID_BYTES	20

#define VIRTIO_BLK_S_OK		0
#define VIRTIO_BLK_S_IOERR	1
#define VIRTIO_BLK_S_UNSUPP	2

struct virtio_blk_config {
	u64 capacity;		/* sectors */
	u32 size_max;		/* bytes in one segment, with F_SIZE_MAX */
	u32 seg_max;		/* segments in one request, with F_SEG_MAX */
};

/* The header of a request; the data and one status byte follow it. */
struct virtio_blk_outhdr {
	u32 type;
	u32 ioprio;
	u64 sector;
};

#endif
