/*
 * The snapshot: a copy of RAM in RAM.
 *
 * Worth saving is every page of RAM that is neither free, nor with the host
 * (offline), nor part of the snapshot itself. Memory for the copies
 * is taken while the system still runs (swsusp_preallocate), because nothing
 * can be made free later; then, with interrupts off and devices frozen,
 * swsusp_save() finds the pages again, for good, and copies them.
 *
 * Two bitmaps over all page frames say what was saved and where the copies are:
 * the n-th page of orig_bm that is not all zeros is in the n-th page of copy_bm.
 * Zero pages (never used parts of mem_map, mostly) are listed and not copied.
 *
 * Linux: kernel/power/snapshot.c.
 */
#include "bitmap.h"
#include "plant.h"
#include "power.h"
#include "shrinker.h"
#include "string.h"

/* What may be allocated between counting and copying, devices' queues above all. */
#define SPARE_PAGES 64

static unsigned long *orig_bm; /* saved */
static unsigned long *zero_bm; /* saved, and all zeros */
static unsigned long *copy_bm; /* pages of the snapshot's own */
static unsigned long nr_orig, nr_zero, nr_allocated;

static unsigned int pfn_bitmap_order(void)
{
	unsigned long size = BITS_TO_LONGS(PFN_BITMAP_SIZE) * sizeof(unsigned long);
	unsigned int order = 0;

	while (size > PAGE_SIZE << order)
		order++;
	return order;
}

unsigned long *pfn_bitmap_alloc(void)
{
	return __get_free_pages(GFP_KERNEL | __GFP_ZERO, pfn_bitmap_order());
}

void pfn_bitmap_free(unsigned long *map)
{
	free_pages(map, pfn_bitmap_order());
}

/* ---- what is worth saving ---- */

static void clear_free_block(unsigned long pfn, unsigned long nr, void *map)
{
	bitmap_clear(map, pfn - min_low_pfn, nr);
}

/* struct page may be looked at only when the page is not free. */
static bool saveable_page(unsigned long bit)
{
	const struct page *page = pfn_to_page(min_low_pfn + bit);

	if (PLANTED(PLANT_PAGE_NOT_SAVED) && page->flags & (1u << PG_touched) && !(u32)page->private)
		return false;
	return (PLANTED(PLANT_SAVE_OFFLINE) || !PageOffline(page)) && !test_bit(bit, copy_bm);
}

static unsigned long mark_saveable_pages(unsigned long *map)
{
	unsigned long size = PFN_BITMAP_SIZE, nr = 0;
	unsigned long start, end, bit;
	unsigned int i;

	bitmap_clear(map, 0, size);
	for_each_mem_pfn_range(i, start, end)
		bitmap_set(map, start - min_low_pfn, end - start);
	walk_free_blocks(clear_free_block, map);

	for_each_set_bit(bit, map, size) {
		if (saveable_page(bit))
			nr++;
		else
			clear_bit(bit, map);
	}
	return nr;
}

/* ---- memory for the copies ---- */

void swsusp_free(void)
{
	unsigned long bit;

	if (copy_bm)
		for_each_set_bit(bit, copy_bm, PFN_BITMAP_SIZE)
			if (!PLANTED_ONCE(PLANT_LOSE_FREE_PAGE))
				__free_page(pfn_to_page(min_low_pfn + bit));
	pfn_bitmap_free(orig_bm);
	pfn_bitmap_free(zero_bm);
	pfn_bitmap_free(copy_bm);
	orig_bm = zero_bm = copy_bm = NULL;
	nr_orig = nr_zero = nr_allocated = 0;
}

static int preallocate_copies(unsigned long wanted)
{
	while (nr_allocated < wanted) {
		/* The kernel's reserve stays: drivers need some of it to freeze and to thaw. */
		struct page *page = alloc_page(GFP_USER);

		if (!page)
			return -ENOMEM;
		set_bit(page_to_pfn(page) - min_low_pfn, copy_bm);
		nr_allocated++;
	}
	return 0;
}

/* On -ENOMEM swsusp_free() is still the caller's to call. */
int swsusp_preallocate(void)
{
	unsigned long saveable;
	int err;

	pr_info("PM: hibernation: Preallocating image memory\n");
	/* What others hold and could do without is not worth saving. */
	shrink_slab(~0UL);
	orig_bm = pfn_bitmap_alloc();
	zero_bm = pfn_bitmap_alloc();
	copy_bm = pfn_bitmap_alloc();
	if (!orig_bm || !zero_bm || !copy_bm)
		return -ENOMEM;

	saveable = mark_saveable_pages(orig_bm);
	err = preallocate_copies(saveable + SPARE_PAGES);
	if (err)
		pr_err("PM: hibernation: Not enough free memory: %lu pages to save, room for %lu\n", saveable,
		       nr_allocated);
	else
		pr_info("PM: hibernation: Allocated %lu pages for snapshot\n", nr_allocated);
	return err;
}

/* ---- the copy ---- */

static bool page_is_zero(const unsigned long *page)
{
	for (unsigned int i = 0; i < PAGE_SIZE / sizeof(*page); i++)
		if (page[i])
			return false;
	return true;
}

/*
 * Interrupts off, devices frozen. What changes from here on (this stack, the counters below) is as
 * saved or not needed by the kernel that wakes up; the bitmaps are complete before they are copied.
 */
int swsusp_save(void)
{
	unsigned long size = PFN_BITMAP_SIZE;
	unsigned long copy = 0, bit;

	nr_orig = mark_saveable_pages(orig_bm);
	nr_zero = 0;
	if (nr_orig > nr_allocated) {
		pr_err("PM: hibernation: %lu pages to save, room for %lu\n", nr_orig, nr_allocated);
		return -ENOMEM;
	}
	for_each_set_bit(bit, orig_bm, size) {
		const void *page = __va(PFN_PHYS(min_low_pfn + bit));

		if (page_is_zero(page)) {
			set_bit(bit, zero_bm);
			nr_zero++;
			continue;
		}
		copy = find_next_bit(copy_bm, size, copy);
		memcpy(__va(PFN_PHYS(min_low_pfn + copy)), page, PAGE_SIZE);
		copy++;
	}
	pr_info("PM: hibernation: Image created (%lu pages copied, %lu zero pages)\n", nr_orig - nr_zero,
		nr_zero);
	return 0;
}

unsigned long snapshot_nr_pages(void)
{
	return nr_orig;
}

unsigned long snapshot_nr_data_pages(void)
{
	return nr_orig - nr_zero;
}

bool snapshot_next(struct snapshot_cursor *cursor, struct snapshot_page *page)
{
	unsigned long size = PFN_BITMAP_SIZE;
	unsigned long bit = find_next_bit(orig_bm, size, cursor->orig);

	if (bit >= size)
		return false;
	cursor->orig = bit + 1;
	page->pfn = min_low_pfn + bit;
	page->zero = test_bit(bit, zero_bm);
	page->data = 0;
	if (!page->zero) {
		bit = find_next_bit(copy_bm, size, cursor->copy);
		cursor->copy = bit + 1;
		page->data = PFN_PHYS(min_low_pfn + bit);
	}
	return true;
}
