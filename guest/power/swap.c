/*
 * Hibernation to swap: the guest carries its own image.
 *
 *	page 0		the swap header; its signature says whether there is an image
 *	page 1		struct swsusp_info
 *	then		the list of pages, then the data pages
 *
 * The disk tells the truth at every moment: everything but the header is written and flushed first, and
 * the header, in one sector write, turns it into an image. Before that the area is ordinary swap.
 *
 * Linux: kernel/power/swap.c.
 */
#include "crc32.h"
#include "power.h"
#include "slab.h"
#include "string.h"

#define IMAGE_PAGE 1 /* of the area: right behind the header */

/* Writes the list page by page, as it is made. Advances *page. */
static int write_list(struct block_device *bdev, u64 *page, u32 *crc)
{
	u64 *list = get_zeroed_page(GFP_KERNEL);
	struct snapshot_cursor cursor = {};
	struct snapshot_page entry;
	bool more = true;
	int err = 0;

	if (!list)
		return -ENOMEM;
	while (more && !err) {
		unsigned int n = 0;

		memset(list, 0, PAGE_SIZE);
		while (n < IMAGE_PFNS_PER_PAGE && (more = snapshot_next(&cursor, &entry)))
			list[n++] = entry.pfn | (entry.zero ? IMAGE_PFN_ZERO : 0);
		if (!n)
			break;
		*crc = crc32(*crc, list, PAGE_SIZE);
		err = bdev_rw_page(bdev, REQ_OP_WRITE, swap_sector((*page)++), list);
	}
	free_page(list);
	return err;
}

static int write_data(struct block_device *bdev, u64 page, u32 *crc)
{
	struct bio_batch *batch = bio_batch_begin(bdev, REQ_OP_WRITE);
	struct snapshot_cursor cursor = {};
	struct snapshot_page entry;

	if (!batch)
		return -ENOMEM;
	while (snapshot_next(&cursor, &entry)) {
		if (entry.zero)
			continue;
		bio_batch_add(batch, page++, entry.data);
		*crc = crc32(*crc, __va(entry.data), PAGE_SIZE);
	}
	return bio_batch_end(batch);
}

static int write_image(const struct swap_info *area, struct swsusp_info *info)
{
	struct block_device *bdev = area->bdev;
	u64 page = IMAGE_PAGE + 1;
	int err = swsusp_info_init(info);

	if (err)
		return err;
	info->pages = snapshot_nr_pages();
	info->data_pages = snapshot_nr_data_pages();
	if (page + image_list_pages(info) + info->data_pages > area->pages) {
		pr_err("PM: Not enough free swap: %u pages, %llu needed\n", area->pages,
		       page + image_list_pages(info) + info->data_pages);
		return -ENOSPC;
	}
	pr_info("PM: Saving image data pages (%u pages) to %s\n", info->data_pages, bdev->name);
	err = write_list(bdev, &page, &info->list_crc32);
	if (!err)
		err = write_data(bdev, page, &info->data_crc32);
	if (err)
		return err;
	swsusp_info_seal(info);
	err = bdev_rw_page(bdev, REQ_OP_WRITE, swap_sector(IMAGE_PAGE), info);
	return err ? err : blkdev_issue_flush(bdev);
}

/* From here on the next boot resumes. */
static int mark_swapfile(struct block_device *bdev, union swap_header *header)
{
	int err = bdev_rw_page(bdev, REQ_OP_READ, 0, header);

	if (err)
		return err;
	memcpy(header->swsusp.orig_sig, header->swsusp.sig, SWAP_SIG_SIZE);
	memcpy(header->swsusp.sig, HIBERNATE_SIG, SWAP_SIG_SIZE);
	header->swsusp.image = IMAGE_PAGE;
	err = bdev_rw_page(bdev, REQ_OP_WRITE, 0, header);
	return err ? err : blkdev_issue_flush(bdev);
}

static int swap_commit(void)
{
	const struct swap_info *area = swap_area();
	void *page;
	int err;

	if (!area) {
		pr_err("PM: Cannot find swap device, try swapon\n");
		return -ENODEV;
	}
	page = get_zeroed_page(GFP_KERNEL);
	if (!page)
		return -ENOMEM;
	err = write_image(area, page);
	if (!err)
		err = mark_swapfile(area->bdev, page);
	free_page(page);
	if (err)
		pr_err("PM: Saving the image failed: error %d\n", err);
	else
		pr_info("PM: Image saved: %lu pages\n", snapshot_nr_pages());
	return err;
}

static const char *swap_source(void)
{
	return swap_area()->bdev->name;
}

const struct hibernation_carrier swap_carrier = {
	.name = "swap",
	.prepare = swsusp_preallocate,
	.capture = swsusp_save,
	.commit = swap_commit,
	.release = swsusp_free,
	.source = swap_source,
};
