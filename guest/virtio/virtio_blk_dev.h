/* Inside the block driver: the device, and how its requests (virtio_blk_req.c) and its life meet. */
#ifndef VIRTIO_BLK_DEV_H
#define VIRTIO_BLK_DEV_H

#include "blkdev.h"
#include "timer.h"
#include "virtio_blk.h"
#include "virtio_config.h"
#include "wait.h"

#define VIRTBLK_MAX_REQS 32

struct virtblk_req {
	struct virtio_blk_outhdr out_hdr;
	u8 status;
	struct bio *bio;	/* NULL: free */
	bool queued;		/* the device has it */
	unsigned int out, in;	/* pieces that the device reads, and writes */
	u32 in_len;		/* bytes in the latter */
	/* Header, data, status, as the ring wants them. */
	struct scatterlist sg[BIO_MAX_VECS + 2];
};

struct virtio_blk {
	struct virtio_device *vdev;
	struct virtqueue *vq;		/* NULL while frozen, or dead */
	struct block_device bdev;
	bool write_cache;		/* F_FLUSH: a write is stable only after a flush */
	unsigned int in_flight;
	u64 completed;			/* requests, ever: the watchdog's measure of progress */
	u64 completed_at_check;
	unsigned int mended;		/* since the last completion: 1 the queue was reset, 2 the device */
	struct timer_list watchdog;
	wait_queue_head_t wait;		/* a request ended */
	struct virtblk_req reqs[VIRTBLK_MAX_REQS];
};

/* The queue's callback, and the watchdog's. */
void virtblk_done(struct virtqueue *vq);
void virtblk_watchdog(struct timer_list *timer);
/* The block layer's, and the same for a request of any type; both may sleep until there is room. */
void virtblk_submit(struct block_device *bdev, struct bio *bio);
void virtblk_do_req(struct virtio_blk *vblk, u32 type, struct bio *bio);
/* Interrupts off: give the device all that it does not have (any more), or end all with an error. */
void virtblk_ask_again(struct virtio_blk *vblk);
void virtblk_end_all(struct virtio_blk *vblk, int err);

#endif
