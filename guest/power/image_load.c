/*
 * An image on its way back into RAM, while another kernel still lives there.
 *
 * Three kinds of page frames matter. Free ones that the image wants are loaded in place. Image pages whose
 * frames this kernel is using are loaded into *safe* pages, free ones that the image does not want, and
 * noted in a list (struct pbe); the very last code of this kernel copies them home. Which is which
 * is left to the allocator: for each data page one page is taken, and it is either wanted or safe.
 * Zero pages are only entries of the list, all with the same safe page of zeros as their source.
 *
 * Nothing here harms this kernel: until image_jump() the load can be given up by freeing the pages.
 *
 * Linux: the second half of kernel/power/snapshot.c.
 */
#include "bitmap.h"
#include "crc32.h"
#include "hibernate_asm.h"
#include "power.h"
#include "slab.h"
#include "string.h"

#define PBES_PER_PAGE (PAGE_SIZE / sizeof(struct pbe))

_Static_assert(offsetof(struct pbe, copy) == PBE_COPY && offsetof(struct pbe, orig) == PBE_ORIG &&
	       offsetof(struct pbe, next) == PBE_NEXT, "struct pbe");

struct image_loader {
	struct block_device *bdev;
	u64 next_page; /* of the device, in reading order */
	struct swsusp_info info;
	unsigned long *wanted_bm; /* frames that the image holds */
	unsigned long *zero_bm; /* of them, those that are all zeros */
	unsigned long *claimed_bm; /* wanted, and free here: loaded in place */
	struct list_head taken; /* claimed or in use for this load */
	struct list_head safe; /* not used yet */
	bool claims_closed; /* each wanted page has its place */
	void *code_page, *pgd_page, *zero_page;
	phys_addr_t pbe_list;
	struct pbe *pbe_page; /* filled up to nr_pbes */
	unsigned int nr_pbes;
	phys_addr_t *pbe_tail; /* where the next entry's address goes */
};

/* ---- the list of pages ---- */

static bool pfn_is_ram(unsigned long pfn)
{
	unsigned long start, end;
	unsigned int i;

	for_each_mem_pfn_range(i, start, end)
		if (pfn >= start && pfn < end)
			return true;
	return false;
}

/* Entries must be ascending and RAM: the list comes from a disk. */
static int add_wanted(struct image_loader *loader, const u64 *list, unsigned long nr, unsigned long *last)
{
	for (unsigned long i = 0; i < nr; i++) {
		unsigned long pfn = list[i] & ~IMAGE_PFN_ZERO;

		if (pfn <= *last || !pfn_is_ram(pfn)) {
			pr_err("PM: Image mismatch: page %lu in the list of pages\n", pfn);
			return -EINVAL;
		}
		*last = pfn;
		set_bit(pfn - min_low_pfn, loader->wanted_bm);
		if (list[i] & IMAGE_PFN_ZERO)
			set_bit(pfn - min_low_pfn, loader->zero_bm);
	}
	return 0;
}

static int read_list(struct image_loader *loader)
{
	unsigned long left = loader->info.pages, last = 0;
	unsigned long pages;
	u64 *list = get_zeroed_page(GFP_KERNEL);
	u32 crc = 0;
	int err = list ? 0 : -ENOMEM;

	while (left && !err) {
		unsigned long nr = min(left, (unsigned long)IMAGE_PFNS_PER_PAGE);

		err = bdev_rw_page(loader->bdev, REQ_OP_READ, swap_sector(loader->next_page++), list);
		if (!err) {
			crc = crc32(crc, list, PAGE_SIZE);
			err = add_wanted(loader, list, nr, &last);
		}
		left -= nr;
	}
	if (list)
		free_page(list);
	if (err)
		return err;
	pages = bitmap_weight(loader->wanted_bm, PFN_BITMAP_SIZE);
	pages -= bitmap_weight(loader->zero_bm, PFN_BITMAP_SIZE);
	if (crc != loader->info.list_crc32 || pages != loader->info.data_pages) {
		pr_err("PM: Image mismatch: list of pages\n");
		return -EINVAL;
	}
	return 0;
}

/* ---- pages for the load ---- */

/* Takes one page; it is claimed, or joins the safe ones. */
static int take_page(struct image_loader *loader)
{
	struct page *page = alloc_page(GFP_KERNEL);
	unsigned long bit;

	if (!page)
		return -ENOMEM;
	bit = page_to_pfn(page) - min_low_pfn;
	if (test_bit(bit, loader->wanted_bm)) {
		list_add(&page->lru, &loader->taken);
		/*
		 * A zero page has no data to load in place; the list brings its zeros. And a page that has
		 * an entry in the list already must not get a second place.
		 */
		if (!loader->claims_closed && !test_bit(bit, loader->zero_bm))
			set_bit(bit, loader->claimed_bm);
	} else {
		list_add_tail(&page->lru, &loader->safe);
	}
	return 0;
}

static void *safe_page(struct image_loader *loader)
{
	struct page *page;

	while (list_empty(&loader->safe))
		if (take_page(loader))
			return NULL;
	page = list_first_entry(&loader->safe, struct page, lru);
	list_move_tail(&page->lru, &loader->taken);
	return page_address(page);
}

static int add_pbe(struct image_loader *loader, phys_addr_t orig, phys_addr_t copy)
{
	struct pbe *pbe;

	if (!loader->pbe_page || loader->nr_pbes == PBES_PER_PAGE) {
		loader->pbe_page = safe_page(loader);
		loader->nr_pbes = 0;
		if (!loader->pbe_page)
			return -ENOMEM;
	}
	pbe = &loader->pbe_page[loader->nr_pbes++];
	pbe->copy = copy;
	pbe->orig = orig;
	pbe->next = 0;
	*loader->pbe_tail = __pa(pbe);
	loader->pbe_tail = &pbe->next;
	return 0;
}

/* Each data page gets a place, in place or safe, so that reading can start. */
static int prepare_pages(struct image_loader *loader)
{
	unsigned long bit;

	for (u32 i = 0; i < loader->info.data_pages; i++)
		if (take_page(loader))
			return -ENOMEM;
	loader->code_page = safe_page(loader);
	loader->pgd_page = safe_page(loader);
	loader->zero_page = safe_page(loader);
	if (!loader->code_page || !loader->pgd_page || !loader->zero_page)
		return -ENOMEM;
	memset(loader->zero_page, 0, PAGE_SIZE);
	loader->claims_closed = true;

	for_each_set_bit(bit, loader->wanted_bm, PFN_BITMAP_SIZE) {
		void *copy = loader->zero_page;

		if (test_bit(bit, loader->claimed_bm))
			continue;
		if (!test_bit(bit, loader->zero_bm))
			copy = safe_page(loader);
		if (!copy || add_pbe(loader, PFN_PHYS(min_low_pfn + bit), __pa(copy)))
			return -ENOMEM;
	}
	return 0;
}

/* ---- the data ---- */

/* Calls fn for the place of every data page, in the image's order. */
static void for_each_data_page(struct image_loader *loader, void (*fn)(phys_addr_t place, void *arg),
			       void *arg)
{
	phys_addr_t next = loader->pbe_list;
	unsigned long bit;

	for_each_set_bit(bit, loader->wanted_bm, PFN_BITMAP_SIZE) {
		const struct pbe *pbe;

		if (test_bit(bit, loader->claimed_bm)) {
			fn(PFN_PHYS(min_low_pfn + bit), arg);
			continue;
		}
		pbe = __va(next);
		next = pbe->next;
		if (!test_bit(bit, loader->zero_bm))
			fn(pbe->copy, arg);
	}
}

struct reader {
	struct bio_batch *batch;
	u64 page;
};

static void read_page(phys_addr_t place, void *arg)
{
	struct reader *reader = arg;

	bio_batch_add(reader->batch, reader->page++, place);
}

static void sum_page(phys_addr_t place, void *arg)
{
	u32 *crc = arg;

	*crc = crc32(*crc, __va(place), PAGE_SIZE);
}

static int read_data(struct image_loader *loader)
{
	struct reader reader = { bio_batch_begin(loader->bdev, REQ_OP_READ), loader->next_page };
	u32 crc = 0;
	int err;

	if (!reader.batch)
		return -ENOMEM;
	for_each_data_page(loader, read_page, &reader);
	err = bio_batch_end(reader.batch);
	if (err)
		return err;
	for_each_data_page(loader, sum_page, &crc);
	if (crc == loader->info.data_crc32)
		return 0;
	pr_err("PM: Image mismatch: checksum of the data pages\n");
	return -EINVAL;
}

/* ---- the whole ---- */

static void free_page_list(struct list_head *list)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, list, lru) {
		list_del(&page->lru);
		__free_page(page);
	}
}

void image_loader_free(struct image_loader *loader)
{
	free_page_list(&loader->taken);
	free_page_list(&loader->safe);
	pfn_bitmap_free(loader->wanted_bm);
	pfn_bitmap_free(loader->zero_bm);
	pfn_bitmap_free(loader->claimed_bm);
	kfree(loader);
}

static int read_info(struct image_loader *loader, u32 crc32)
{
	void *page = get_zeroed_page(GFP_KERNEL);
	int err;

	if (!page)
		return -ENOMEM;
	err = bdev_rw_page(loader->bdev, REQ_OP_READ, swap_sector(loader->next_page++), page);
	memcpy(&loader->info, page, sizeof(loader->info));
	free_page(page);
	if (!err)
		err = swsusp_info_check(&loader->info);
	if (!err && loader->info.crc32 != crc32) {
		pr_err("PM: Image mismatch: not the image that the swap header names\n");
		err = -EINVAL;
	}
	return err;
}

/*
 * Reads the image that a marked header names, and verifies all of it. 0 and *loaded, ready for
 * image_jump(); -EINVAL for one that is damaged or not ours, -ENOMEM, or the device's error.
 */
int image_load(struct block_device *bdev, const union swap_header *header, struct image_loader **loaded)
{
	struct image_loader *loader = kzalloc(sizeof(*loader), GFP_KERNEL);
	int err;

	if (!loader)
		return -ENOMEM;
	loader->bdev = bdev;
	loader->next_page = header->swsusp.image;
	loader->pbe_tail = &loader->pbe_list;
	INIT_LIST_HEAD(&loader->taken);
	INIT_LIST_HEAD(&loader->safe);
	loader->wanted_bm = pfn_bitmap_alloc();
	loader->zero_bm = pfn_bitmap_alloc();
	loader->claimed_bm = pfn_bitmap_alloc();

	err = loader->wanted_bm && loader->zero_bm && loader->claimed_bm ? 0 : -ENOMEM;
	if (!err)
		err = read_info(loader, header->swsusp.image_crc32);
	if (!err)
		err = read_list(loader);
	if (!err)
		err = prepare_pages(loader);
	if (!err)
		err = read_data(loader);
	if (err) {
		image_loader_free(loader);
		return err;
	}
	pr_info("PM: Image loaded: %u pages\n", loader->info.pages);
	*loaded = loader;
	return 0;
}

/* Interrupts off, devices quiet. */
void image_jump(struct image_loader *loader)
{
	swsusp_arch_resume(loader->pbe_list, loader->code_page, loader->pgd_page);
}
