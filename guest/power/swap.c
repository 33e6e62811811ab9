/*
 * Hibernation to swap: the guest carries its own image.
 *
 *	page 0		the swap header; its signature says whether there is an image
 *	page 1		struct swsusp_info
 *	then		the list of pages, then the data pages
 *
 * The disk tells the truth at every moment: everything but the header is written and flushed first, and
 * the header, in one sector write, turns it into an image. Before that the area is ordinary swap. Checksums
 * form a chain: the header's is over itself and names the swsusp_info by its own, which has those of the
 * list and of the data. So no part of one image is ever taken for another's.
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

/* ---- the mark ---- */

static int write_header(struct block_device *bdev, union swap_header *header)
{
	int err = bdev_rw_page(bdev, REQ_OP_WRITE, 0, header);

	return err ? err : blkdev_issue_flush(bdev);
}

static u32 header_crc32(const union swap_header *header)
{
	return crc32(0, header, offsetof(union swap_header, swsusp.crc32));
}

int swsusp_check(struct block_device *bdev, union swap_header *header)
{
	int err = bdev_rw_page(bdev, REQ_OP_READ, 0, header);

	if (err)
		return err;
	return strncmp(header->swsusp.sig, HIBERNATE_SIG, SWAP_SIG_SIZE) ? -ENODATA : 0;
}

int swsusp_check_mark(const union swap_header *header)
{
	if (header->swsusp.crc32 == header_crc32(header))
		return 0;
	pr_err("PM: Image mismatch: checksum of the swap header\n");
	return -EINVAL;
}

int swsusp_unmark(struct block_device *bdev, union swap_header *header)
{
	int err;

	memcpy(header->swsusp.sig, header->swsusp.orig_sig, SWAP_SIG_SIZE);
	err = write_header(bdev, header);
	if (err)
		pr_err("PM: %s: the image's mark cannot be removed: error %d\n", bdev->name, err);
	return err;
}

/*
 * From here on the next boot resumes. A mark whose write or flush failed may be on the disk all the same,
 * and this system is about to live on: it must not stay there.
 */
static int mark_swapfile(struct block_device *bdev, union swap_header *header, const struct swsusp_info *info)
{
	int err = bdev_rw_page(bdev, REQ_OP_READ, 0, header);

	if (err)
		return err;
	memcpy(header->swsusp.orig_sig, header->swsusp.sig, SWAP_SIG_SIZE);
	memcpy(header->swsusp.sig, HIBERNATE_SIG, SWAP_SIG_SIZE);
	header->swsusp.image = IMAGE_PAGE;
	header->swsusp.image_crc32 = info->crc32;
	header->swsusp.crc32 = header_crc32(header);
	err = write_header(bdev, header);
	if (err)
		swsusp_unmark(bdev, header);
	return err;
}

/* ---- the whole ---- */

static int swap_commit(void)
{
	const struct swap_info *area = swap_area();
	union swap_header *header;
	struct swsusp_info *info;
	int err;

	if (!area) {
		pr_err("PM: Cannot find swap device, try swapon\n");
		return -ENODEV;
	}
	info = get_zeroed_page(GFP_KERNEL);
	header = get_zeroed_page(GFP_KERNEL);
	err = info && header ? write_image(area, info) : -ENOMEM;
	if (!err)
		err = mark_swapfile(area->bdev, header, info);
	free_page(header);
	free_page(info);
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
