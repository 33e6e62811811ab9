/*
 * Swap areas: the header page and the three commands that deal in it.
 *
 * This kernel never swaps: an area is where hibernation keeps its image. One can
 * be active at a time.
 *
 * Linux: mm/swapfile.c, and util-linux for mkswap.
 */
#include "power.h"
#include "shell.h"
#include "slab.h"
#include "string.h"

#define SWAP_SIGNATURE "SWAPSPACE2"
#define SWAP_VERSION 1
#define SWAP_MIN_PAGES 10

_Static_assert(sizeof(union swap_header) == PAGE_SIZE, "a swap header is one page");

static struct swap_info swap_info;

const struct swap_info *swap_area(void)
{
	return swap_info.bdev ? &swap_info : NULL;
}

static int find_device(int argc, char **argv, struct block_device **bdev)
{
	if (argc > 2)
		return -EINVAL;
	*bdev = blkdev_get_by_name(argc == 2 ? argv[1] : "vda");
	return *bdev ? 0 : -ENODEV;
}

static u64 swap_pages(const struct block_device *bdev)
{
	return min(bdev->nr_sectors / SECTORS_PER_PAGE, (u64)UINT32_MAX);
}

/* ---- mkswap ---- */

static int mkswap(struct block_device *bdev)
{
	union swap_header *header;
	u64 pages = swap_pages(bdev);
	int err;

	if (bdev == swap_info.bdev)
		return -EBUSY;
	if (pages < SWAP_MIN_PAGES)
		return -ENOSPC;
	header = get_zeroed_page(GFP_KERNEL);
	if (!header)
		return -ENOMEM;
	header->info.version = SWAP_VERSION;
	header->info.last_page = pages - 1;
	memcpy(header->swsusp.sig, SWAP_SIGNATURE, SWAP_SIG_SIZE);
	err = bdev_rw_page(bdev, REQ_OP_WRITE, 0, header);
	if (!err)
		err = blkdev_issue_flush(bdev);
	free_page(header);
	return err;
}

static int cmd_mkswap(int argc, char **argv)
{
	struct block_device *bdev;
	int err = find_device(argc, argv, &bdev);

	return err ? err : mkswap(bdev);
}

SHELL_COMMAND(mkswap, "[device]: make it a swap area (vda)", cmd_mkswap);

/* ---- swapon, swapoff ---- */

/* -EINVAL: not a swap area, or one that does not fit the device. */
static int check_header(const struct block_device *bdev, const union swap_header *header)
{
	if (!strncmp(header->swsusp.sig, HIBERNATE_SIG, SWAP_SIG_SIZE)) {
		pr_err("swapon: %s holds a hibernation image: resume it, or give it up with mkswap\n",
		       bdev->name);
		return -EINVAL;
	}
	if (memcmp(header->swsusp.sig, SWAP_SIGNATURE, SWAP_SIG_SIZE)) {
		pr_err("swapon: %s: no swap signature: mkswap makes one\n", bdev->name);
		return -EINVAL;
	}
	if (header->info.version != SWAP_VERSION || header->info.last_page < SWAP_MIN_PAGES - 1 ||
	    header->info.last_page >= swap_pages(bdev) || header->info.nr_badpages) {
		pr_err("swapon: %s: swap header does not fit the device\n", bdev->name);
		return -EINVAL;
	}
	return 0;
}

static int swapon(struct block_device *bdev)
{
	union swap_header *header;
	int err;

	if (swap_info.bdev)
		return -EBUSY;
	header = get_zeroed_page(GFP_KERNEL);
	if (!header)
		return -ENOMEM;
	err = bdev_rw_page(bdev, REQ_OP_READ, 0, header);
	if (!err)
		err = check_header(bdev, header);
	if (!err) {
		swap_info.bdev = bdev;
		swap_info.pages = header->info.last_page + 1;
		pr_info("Adding %lluk swap on %s\n", (u64)(swap_info.pages - 1) * (PAGE_SIZE >> 10),
			bdev->name);
	}
	free_page(header);
	return err;
}

static int cmd_swapon(int argc, char **argv)
{
	struct block_device *bdev;
	int err = find_device(argc, argv, &bdev);

	return err ? err : swapon(bdev);
}

SHELL_COMMAND(swapon, "[device]: use its swap area (vda)", cmd_swapon);

static int cmd_swapoff(int argc, char **argv)
{
	struct block_device *bdev;
	int err = find_device(argc, argv, &bdev);

	if (err)
		return err;
	if (bdev != swap_info.bdev)
		return -EINVAL;
	swap_info.bdev = NULL;
	return 0;
}

SHELL_COMMAND(swapoff, "[device]: stop using its swap area (vda)", cmd_swapoff);

static int cmd_swaps(int argc, char **argv)
{
	const struct swap_info *area = swap_area();

	if (area) {
		shell_answer("device", "%s", area->bdev->name);
		shell_answer("pages", "%u", area->pages);
	}
	return 0;
}

SHELL_COMMAND(swaps, "the active swap area", cmd_swaps);
