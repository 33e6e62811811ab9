/*
 * The block layer, as far as one user at a time needs it: names, checked requests, and helpers
 * that wait. No cache, no scheduler, no partitions.
 *
 * A request (struct bio) belongs to the driver from submit_bio() to bio_endio(); its end_io() may
 * then reuse or free it.
 */
#include "blkdev.h"
#include "slab.h"
#include "string.h"
#include "wait.h"

static LIST_HEAD(disks);

void add_disk(struct block_device *bdev)
{
	list_add_tail(&bdev->list, &disks);
}

struct block_device *blkdev_get_by_name(const char *name)
{
	struct block_device *bdev;

	list_for_each_entry(bdev, &disks, list)
		if (!strcmp(bdev->name, name))
			return bdev;
	return NULL;
}

void bio_init(struct bio *bio, struct block_device *bdev, enum req_op op, u64 sector)
{
	bio->bdev = bdev;
	bio->op = op;
	bio->sector = sector;
	bio->vcnt = 0;
	bio->status = 0;
	bio->end_io = NULL;
	bio->private = NULL;
}

bool bio_add_page(struct bio *bio, phys_addr_t addr, u32 length)
{
	struct scatterlist *last = &bio->vec[bio->vcnt - 1];

	if (bio->vcnt && last->addr + last->length == addr &&
	    last->length + length <= bio->bdev->max_segment_size) {
		last->length += length;
		return true;
	}
	if (bio->vcnt == bio->bdev->max_segments)
		return false;
	bio->vec[bio->vcnt].addr = addr;
	bio->vec[bio->vcnt].length = length;
	bio->vcnt++;
	return true;
}

u32 bio_bytes(const struct bio *bio)
{
	u32 bytes = 0;

	for (unsigned int i = 0; i < bio->vcnt; i++)
		bytes += bio->vec[i].length;
	return bytes;
}

static int bio_check(const struct bio *bio)
{
	const struct block_device *bdev = bio->bdev;
	u64 sectors = bio_bytes(bio) >> SECTOR_SHIFT;

	if (bio->sector > bdev->nr_sectors || sectors > bdev->nr_sectors - bio->sector)
		return -EIO;
	if (bio->op == REQ_OP_WRITE && bdev->read_only)
		return -EPERM;
	return 0;
}

void submit_bio(struct bio *bio)
{
	int err = bio_check(bio);

	if (err)
		bio_endio(bio, err);
	else
		bio->bdev->submit(bio->bdev, bio);
}

void bio_endio(struct bio *bio, int status)
{
	bio->status = status;
	bio->end_io(bio);
}

static void complete_bio(struct bio *bio)
{
	complete(bio->private);
}

int submit_bio_wait(struct bio *bio)
{
	struct completion done;

	init_completion(&done);
	bio->end_io = complete_bio;
	bio->private = &done;
	submit_bio(bio);
	wait_for_completion(&done); /* the driver bounds it */
	return bio->status;
}

static int bdev_request(struct block_device *bdev, enum req_op op, u64 sector, void *buf, u32 length)
{
	struct bio *bio = kmalloc(sizeof(*bio), GFP_KERNEL);
	int err;

	if (!bio)
		return -ENOMEM;
	bio_init(bio, bdev, op, sector);
	if (length)
		bio_add_page(bio, __pa(buf), length);
	err = submit_bio_wait(bio);
	kfree(bio);
	return err;
}

int bdev_rw_page(struct block_device *bdev, enum req_op op, u64 sector, void *page)
{
	return bdev_request(bdev, op, sector, page, PAGE_SIZE);
}

int blkdev_issue_flush(struct block_device *bdev)
{
	return bdev_request(bdev, REQ_OP_FLUSH, 0, NULL, 0);
}
