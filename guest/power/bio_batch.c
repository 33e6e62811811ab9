/*
 * Many pages to or from a device: pages that follow each other there are
 * gathered into large requests, and several of those are in flight at once.
 *
 * Linux: hib_submit_io() and hib_wait_io() in kernel/power/swap.c.
 */
#include "irqflags.h"
#include "power.h"
#include "slab.h"
#include "vmstat.h"
#include "wait.h"

#define BATCH_BIOS 8
#define BATCH_BIO_BYTES (512u << 10)

struct bio_batch {
	struct block_device *bdev;
	enum req_op op;
	struct bio *open; /* being filled, not started yet */
	u64 next_page; /* that would continue it */
	u32 open_bytes;
	int error; /* the first */
	unsigned int in_flight;
	wait_queue_head_t wait;
	struct bio bios[BATCH_BIOS]; /* idle while private is NULL */
};

/* NULL when memory is short. */
struct bio_batch *bio_batch_begin(struct block_device *bdev, enum req_op op)
{
	struct bio_batch *batch = kzalloc(sizeof(*batch), GFP_KERNEL);

	if (!batch)
		return NULL;
	batch->bdev = bdev;
	batch->op = op;
	init_waitqueue_head(&batch->wait);
	return batch;
}

static void batch_end_io(struct bio *bio)
{
	struct bio_batch *batch = bio->private;
	unsigned long flags;

	local_irq_save(flags);
	if (bio->status && !batch->error)
		batch->error = bio->status;
	bio->private = NULL;
	batch->in_flight--;
	wake_up(&batch->wait);
	local_irq_restore(flags);
}

static struct bio *idle_bio(struct bio_batch *batch)
{
	for (unsigned int i = 0; i < BATCH_BIOS; i++)
		if (!READ_ONCE(batch->bios[i].private))
			return &batch->bios[i];
	return NULL;
}

static void batch_submit(struct bio_batch *batch)
{
	struct bio *bio = batch->open;
	unsigned long flags;

	if (!bio)
		return;
	batch->open = NULL;
	local_irq_save(flags);
	batch->in_flight++;
	local_irq_restore(flags);
	submit_bio(bio);
}

static void batch_open(struct bio_batch *batch, u64 page)
{
	wait_event(batch->wait, (batch->open = idle_bio(batch)));
	bio_init(batch->open, batch->bdev, batch->op, page * SECTORS_PER_PAGE);
	batch->open->end_io = batch_end_io;
	batch->open->private = batch;
	batch->open_bytes = 0;
}

/* Does the page fit the request that is being filled? Then it is in it. */
static bool batch_append(struct bio_batch *batch, u64 page, phys_addr_t addr)
{
	return batch->open && page == batch->next_page && batch->open_bytes < BATCH_BIO_BYTES &&
	       bio_add_page(batch->open, addr, PAGE_SIZE);
}

void bio_batch_add(struct bio_batch *batch, u64 page, phys_addr_t addr)
{
	if (!batch_append(batch, page, addr)) {
		batch_submit(batch);
		batch_open(batch, page);
		bio_add_page(batch->open, addr, PAGE_SIZE);
	}
	batch->open_bytes += PAGE_SIZE;
	count_vm_event(batch->op == REQ_OP_WRITE ? PSWPOUT : PSWPIN);
	batch->next_page = page + 1;
}

int bio_batch_end(struct bio_batch *batch)
{
	int err;

	batch_submit(batch);
	wait_event(batch->wait, !batch->in_flight);
	err = batch->error;
	kfree(batch);
	return err;
}
