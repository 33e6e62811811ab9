/* Where memory comes from when there is none: shrinkers; and the free blocks that are out to be reported. */
#include "../mm/internal.h"
#include "selftest.h"
#include "shrinker.h"
#include "vmstat.h"

/* One page, kept back. */
static struct page *kept;

static unsigned long count_kept(struct shrinker *shrinker)
{
	return kept ? 1 : 0;
}

static unsigned long give_kept(struct shrinker *shrinker, unsigned long nr)
{
	unsigned long given = count_kept(shrinker);

	if (kept)
		__free_page(kept);
	kept = NULL;
	return given;
}

/* An allocation that finds nothing gets what a shrinker holds; one that must not try gets nothing. */
SELFTEST(allocations_ask_shrinkers)
{
	struct shrinker shrinker = { .count_objects = count_kept, .scan_objects = give_kept };
	unsigned long before = nr_free_pages(), stalls = vm_events[ALLOCSTALL];
	struct page *page;
	LIST_HEAD(taken);

	kept = alloc_page(GFP_USER);
	EXPECT(kept);
	alloc_pages_bulk_list(GFP_USER, before, &taken);
	register_shrinker(&shrinker);
	EXPECT(shrinkable_pages() == 1);
	EXPECT(!alloc_pages(GFP_USER | __GFP_NORETRY, 0));
	page = alloc_page(GFP_USER);
	unregister_shrinker(&shrinker);
	EXPECT(page && !kept && vm_events[ALLOCSTALL] > stalls);
	__free_page(page);
	free_unref_page_list(&taken);
	EXPECT(nr_free_pages() == before);
	return 0;
}

static struct page *isolate(unsigned int order)
{
	struct page *page = list_first_entry_or_null(&zone.free_area[order], struct page, lru);
	unsigned long flags;

	spin_lock_irqsave(&zone_lock, flags);
	if (page)
		__isolate_free_page(page);
	spin_unlock_irqrestore(&zone_lock, flags);
	return page;
}

static void put_back(struct page *page, bool reported)
{
	unsigned long flags;

	spin_lock_irqsave(&zone_lock, flags);
	__putback_isolated_page(page, reported);
	spin_unlock_irqrestore(&zone_lock, flags);
}

/* An isolated block is nobody's; reported, it is free, marked and the last to be taken; taken, it is unmarked. */
SELFTEST(reported_blocks_are_marked)
{
	unsigned long before = nr_free_pages();
	struct page *page = alloc_pages(GFP_USER, MAX_ORDER), *last;

	EXPECT(page);
	__free_pages(page, MAX_ORDER); /* so that there is one */
	page = isolate(MAX_ORDER);
	EXPECT(page && nr_free_pages() == before - (1UL << MAX_ORDER));
	put_back(page, true);
	last = list_last_entry(&zone.free_area[MAX_ORDER], struct page, lru);
	EXPECT(nr_free_pages() == before && last == page && PageReported(page));
	page = isolate(MAX_ORDER);
	put_back(page, false);
	EXPECT(!PageReported(page));
	return 0;
}

/* What was reported in part is not marked as a whole. */
SELFTEST(a_merged_block_was_not_reported)
{
	struct page *whole = alloc_pages(GFP_USER, MAX_ORDER);
	const unsigned int half = MAX_ORDER - 1;

	EXPECT(whole);
	__free_pages(whole, half);
	EXPECT(isolate(half) == whole);
	__free_pages(whole + (1UL << half), half);
	put_back(whole, true);
	EXPECT(whole->order == MAX_ORDER && !PageReported(whole));
	return 0;
}
