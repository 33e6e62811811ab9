/*
 * The page allocator: a buddy system with one list of free blocks for each order.
 *
 * A free block's head page carries PG_buddy and its order; two free buddies (the halves of an aligned
 * block of the next order) are merged at once, so none ever lie side by side.
 *
 * struct pages are initialised on demand, one block of 2^MAX_ORDER pages at a time, when the lists have
 * run dry: a boot takes the same time whatever the size of RAM, and a small job in a large machine
 * leaves most of mem_map untouched. Memory at and above zone.first_deferred_pfn is free, counted as such,
 * and its struct pages hold nothing. Buddies never lie in different such blocks.
 */
#include "internal.h"
#include "memblock.h"
#include "oom.h"
#include "shrinker.h"
#include "string.h"
#include "vmstat.h"

struct page *mem_map;
unsigned long min_low_pfn, max_pfn;

struct zone zone;

unsigned long vm_events[NR_VM_EVENT_ITEMS];

DEFINE_SPINLOCK(zone_lock);

static bool page_is_buddy(unsigned long pfn, unsigned int order)
{
	const struct page *page = pfn_to_page(pfn);

	return pfn_valid(pfn) && page->flags & (1u << PG_buddy) && page->order == order;
}

static void add_to_free_list(struct page *page, unsigned int order)
{
	page->flags = 1u << PG_buddy;
	page->order = order;
	list_add(&page->lru, &zone.free_area[order]);
}

static void del_from_free_list(struct page *page)
{
	page->flags = 0;
	list_del(&page->lru);
}

/* Merges; returns the block that it has become part of. */
static struct page *free_one_block(unsigned long pfn, unsigned int order)
{
	while (order < MAX_ORDER) {
		unsigned long buddy = pfn ^ (1UL << order);

		if (!page_is_buddy(buddy, order))
			break;
		del_from_free_list(pfn_to_page(buddy));
		pfn &= buddy;
		order++;
	}
	add_to_free_list(pfn_to_page(pfn), order);
	return pfn_to_page(pfn);
}

static void free_range(unsigned long pfn, unsigned long end)
{
	while (pfn < end) {
		unsigned int order = min(__builtin_ctzl(pfn), MAX_ORDER);

		while (pfn + (1UL << order) > end)
			order--;
		free_one_block(pfn, order);
		pfn += 1UL << order;
	}
}

/* Initialises the next block of struct pages; false when all of mem_map is. */
static bool init_deferred_block(void)
{
	unsigned long pfn = zone.first_deferred_pfn;
	unsigned long end = min(ALIGN(pfn + 1, 1UL << MAX_ORDER), max_pfn);
	phys_addr_t start, stop;

	if (pfn == max_pfn)
		return false;
	zone.first_deferred_pfn = end;
	for (unsigned long i = pfn; i < end; i++)
		*pfn_to_page(i) = (struct page){ .flags = 1u << PG_reserved };
	while (memblock_find_free(PFN_PHYS(pfn), &start, &stop) && PFN_DOWN(start) < end) {
		pfn = min(PFN_DOWN(stop), end);
		for (unsigned long i = PFN_DOWN(start); i < pfn; i++)
			pfn_to_page(i)->flags = 0;
		kernel_poison_pages(pfn_to_page(PFN_DOWN(start)), pfn - PFN_DOWN(start));
		free_range(PFN_DOWN(start), pfn);
	}
	return true;
}

static struct page *take_block(unsigned int order)
{
	do {
		for (unsigned int o = order; o <= MAX_ORDER; o++) {
			struct page *page = list_first_entry_or_null(&zone.free_area[o], struct page, lru);

			if (!page)
				continue;
			del_from_free_list(page);
			while (o > order) {
				o--;
				add_to_free_list(page + (1UL << o), o);
			}
			return page;
		}
	} while (init_deferred_block());
	return NULL;
}

/* How many pages this caller may still have; for as long as zone_lock is held. */
static unsigned long available_pages(gfp_t gfp)
{
	unsigned long keep = gfp & GFP_USER ? zone.min_pages : 0;

	return zone.free_pages > keep ? zone.free_pages - keep : 0;
}

static struct page *get_page_from_freelist(gfp_t gfp, unsigned int order)
{
	struct page *page = NULL;
	unsigned long flags;

	spin_lock_irqsave(&zone_lock, flags);
	if (available_pages(gfp) >= 1UL << order)
		page = take_block(order);
	if (page) {
		page->order = order;
		zone.free_pages -= 1UL << order;
	}
	spin_unlock_irqrestore(&zone_lock, flags);
	return page;
}

/* What costs others nothing. */
static unsigned long direct_reclaim(unsigned long nr)
{
	unsigned long reclaimed = shrink_slab(nr);

	count_vm_event(ALLOCSTALL);
	count_vm_events(PGSCAN_DIRECT, nr);
	count_vm_events(PGSTEAL_DIRECT, reclaimed);
	return reclaimed;
}

/* Then, for those who may wait, what it takes. */
static struct page *alloc_pages_slowpath(gfp_t gfp, unsigned int order)
{
	unsigned long reclaimed;
	struct page *page;

	if (gfp & __GFP_NORETRY)
		return NULL;
	do {
		reclaimed = direct_reclaim(1UL << order);
		page = get_page_from_freelist(gfp, order);
	} while (!page && reclaimed);
	while (!page && gfp & __GFP_DIRECT_RECLAIM && out_of_memory())
		page = get_page_from_freelist(gfp, order);
	return page;
}

struct page *alloc_pages(gfp_t gfp, unsigned int order)
{
	struct page *page;

	if (order > MAX_ORDER)
		return NULL;
	page = get_page_from_freelist(gfp, order);
	if (!page)
		page = alloc_pages_slowpath(gfp, order);
	if (!page)
		return NULL;
	kernel_unpoison_pages(page, 1UL << order);
	if (gfp & __GFP_ZERO)
		memset(page_address(page), 0, PAGE_SIZE << order);
	return page;
}

/* Large blocks first: they cost one step each, and their pages lie side by side. */
unsigned long alloc_pages_bulk_list(gfp_t gfp, unsigned long nr, struct list_head *list)
{
	unsigned long available = available_pages(gfp), left;
	unsigned int order = MAX_ORDER;
	struct page *page;
	unsigned long flags;

	if (available < nr)
		direct_reclaim(nr - available);
	spin_lock_irqsave(&zone_lock, flags);
	nr = left = min(nr, available_pages(gfp));
	while (left) {
		while (1UL << order > left)
			order--;
		page = take_block(order);
		if (!page) {
			BUG_ON(!order); /* the books say that there are pages */
			order--;
			continue;
		}
		kernel_unpoison_pages(page, 1UL << order);
		for (unsigned long i = 0; i < 1UL << order; i++) {
			page[i].order = 0;
			list_add_tail(&page[i].lru, list);
		}
		left -= 1UL << order;
		zone.free_pages -= 1UL << order;
	}
	spin_unlock_irqrestore(&zone_lock, flags);
	return nr;
}

/* A block of ours, whole, aligned, and neither free already nor with the host. */
static void free_pages_prepare(struct page *page, unsigned int order)
{
	unsigned long pfn = page_to_pfn(page);

	BUG_ON(!pfn_valid(pfn) || pfn >= zone.first_deferred_pfn || order > MAX_ORDER || !IS_ALIGNED(pfn, 1UL << order));
	BUG_ON(page->flags);
	kernel_poison_pages(page, 1UL << order);
}

/* zone_lock is held. */
static struct page *free_block(struct page *page, unsigned int order)
{
	zone.free_pages += 1UL << order;
	return free_one_block(page_to_pfn(page), order);
}

void __free_pages(struct page *page, unsigned int order)
{
	unsigned long flags;

	free_pages_prepare(page, order);
	spin_lock_irqsave(&zone_lock, flags);
	page_reporting_notify_free(free_block(page, order)->order);
	spin_unlock_irqrestore(&zone_lock, flags);
}

void free_unref_page_list(struct list_head *list)
{
	struct page *page, *next;
	unsigned long flags;

	list_for_each_entry(page, list, lru)
		free_pages_prepare(page, 0);
	spin_lock_irqsave(&zone_lock, flags);
	list_for_each_entry_safe(page, next, list, lru)
		page_reporting_notify_free(free_block(page, 0)->order);
	spin_unlock_irqrestore(&zone_lock, flags);
	INIT_LIST_HEAD(list);
}

/* ---- for page reporting ---- */

void __isolate_free_page(struct page *page)
{
	unsigned int order = page->order;

	del_from_free_list(page);
	page->flags = 1u << PG_reported;
	zone.free_pages -= 1UL << order;
}

/* A buddy may have been freed meanwhile: then the two are one block, of which not all was reported. */
void __putback_isolated_page(struct page *page, bool reported)
{
	unsigned int order = page->order;
	struct page *block;

	page->flags = 0;
	block = free_block(page, order);
	list_move_tail(&block->lru, &zone.free_area[block->order]);
	if (reported && block->order == order)
		block->flags |= 1u << PG_reported;
}

void *__get_free_pages(gfp_t gfp, unsigned int order)
{
	struct page *page = alloc_pages(gfp, order);

	return page ? page_address(page) : NULL;
}

void free_pages(void *addr, unsigned int order)
{
	if (addr)
		__free_pages(virt_to_page(addr), order);
}

unsigned long totalram_pages(void)
{
	return zone.managed_pages;
}

unsigned long nr_free_pages(void)
{
	return zone.free_pages;
}

unsigned long nr_offline_pages(void)
{
	return zone.offline_pages;
}

unsigned long min_free_pages(void)
{
	return zone.min_pages;
}

void adjust_managed_page_count(struct page *page, long count)
{
	__atomic_fetch_add(&zone.managed_pages, count, __ATOMIC_RELAXED);
}

/* The flag is its holder's, as the page is; the count is everybody's. */
void __SetPageOffline(struct page *page)
{
	BUG_ON(page->flags);
	page->flags = 1u << PG_offline;
	__atomic_fetch_add(&zone.offline_pages, 1, __ATOMIC_RELAXED);
}

void __ClearPageOffline(struct page *page)
{
	BUG_ON(!PageOffline(page));
	page->flags = 0;
	__atomic_fetch_sub(&zone.offline_pages, 1, __ATOMIC_RELAXED);
}

void walk_free_blocks(void (*fn)(unsigned long pfn, unsigned long nr, void *arg), void *arg)
{
	phys_addr_t start, end;
	const struct page *page;
	unsigned long flags;

	spin_lock_irqsave(&zone_lock, flags);
	for (unsigned int order = 0; order <= MAX_ORDER; order++)
		list_for_each_entry(page, &zone.free_area[order], lru)
			fn(page_to_pfn(page), 1UL << order, arg);
	for (phys_addr_t from = PFN_PHYS(zone.first_deferred_pfn); memblock_find_free(from, &start, &end); from = end)
		fn(PFN_DOWN(start), PFN_DOWN(end - start), arg);
	spin_unlock_irqrestore(&zone_lock, flags);
}

void mem_init(void)
{
	const struct memblock_region *last = &memblock_memory.regions[memblock_memory.cnt - 1];
	phys_addr_t start, end;

	page_poison_init();
	min_low_pfn = PFN_DOWN(memblock_memory.regions[0].base);
	max_pfn = PFN_DOWN(last->base + last->size);
	zone.first_deferred_pfn = min_low_pfn;
	for (unsigned int order = 0; order <= MAX_ORDER; order++)
		INIT_LIST_HEAD(&zone.free_area[order]);

	mem_map = memblock_alloc_raw((max_pfn - min_low_pfn) * sizeof(struct page), PAGE_SIZE);
	for (phys_addr_t from = 0; memblock_find_free(from, &start, &end); from = end)
		zone.managed_pages += PFN_DOWN(end - start);
	zone.free_pages = zone.managed_pages;
	/* 1/64 of RAM, between 512 KiB and 16 MiB: what the kernel needs while users have taken all else. */
	zone.min_pages = min(max(zone.managed_pages / 64, 128UL), 4096UL);
	pr_info("Memory: %luK available of %luK\n", zone.managed_pages * (PAGE_SIZE >> 10),
		(max_pfn - min_low_pfn) * (PAGE_SIZE >> 10));
}
