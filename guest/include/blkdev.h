/*
 * Block devices and requests to them. A sector is 512 bytes; the pieces of a request are whole sectors.
 */
#ifndef BLKDEV_H
#define BLKDEV_H

#include "list.h"
#include "scatterlist.h"

#define SECTOR_SHIFT 9
#define SECTOR_SIZE (1u << SECTOR_SHIFT)
#define SECTORS_PER_PAGE (PAGE_SIZE >> SECTOR_SHIFT)

#define BIO_MAX_VECS 64

enum req_op {
	REQ_OP_READ,
	REQ_OP_WRITE,
	REQ_OP_FLUSH, /* what was written before is on stable storage when it completes */
};

struct bio {
	struct block_device *bdev;
	enum req_op op;
	u64 sector;
	unsigned int vcnt;
	struct scatterlist vec[BIO_MAX_VECS];
	int status; /* 0 or a negative errno, once complete */
	void (*end_io)(struct bio *bio); /* may run in interrupt context */
	void *private;
};

struct block_device {
	char name[8]; /* "vda" */
	u64 nr_sectors;
	unsigned int max_segments; /* pieces that one request may have, BIO_MAX_VECS at most */
	unsigned int max_segment_size; /* bytes in a piece, at least a page */
	bool read_only;
	/* Starts a checked request; may sleep until there is room for it. Always ends in bio_endio(). */
	void (*submit)(struct block_device *bdev, struct bio *bio);
	struct list_head list;
};

void add_disk(struct block_device *bdev);
/* NULL when there is none by that name. */
struct block_device *blkdev_get_by_name(const char *name);

void bio_init(struct bio *bio, struct block_device *bdev, enum req_op op, u64 sector);
/* Appends memory, merged with what touches it; false when the request is full. */
bool bio_add_page(struct bio *bio, phys_addr_t addr, u32 length);
u32 bio_bytes(const struct bio *bio);
/* Checks it against the device (-EIO beyond its end, -EPERM to write a read-only one) and starts it. */
void submit_bio(struct bio *bio);
void bio_endio(struct bio *bio, int status);

/* Starts it, waits for its end and returns its status. */
int submit_bio_wait(struct bio *bio);
/* One page, or the write cache; these sleep. -ENOMEM, or the request's status. */
int bdev_rw_page(struct block_device *bdev, enum req_op op, u64 sector, void *page);
int blkdev_issue_flush(struct block_device *bdev);

#endif
