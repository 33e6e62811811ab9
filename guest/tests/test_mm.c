/* The page allocator's and kmalloc's books. */
#include "list.h"
#include "mm.h"
#include "selftest.h"
#include "slab.h"
#include "string.h"

static void count_block(unsigned long pfn, unsigned long nr, void *arg)
{
	*(unsigned long *)arg += nr;
}

static unsigned long free_pages_walked(void)
{
	unsigned long nr = 0;

	walk_free_blocks(count_block, &nr);
	return nr;
}

/* Blocks of every order come aligned and disjoint, and the books balance at each step. */
SELFTEST(page_alloc_books_balance)
{
	unsigned long before = nr_free_pages(), total = totalram_pages();
	struct page *blocks[MAX_ORDER + 1];

	EXPECT(free_pages_walked() == before);
	for (unsigned int order = 0; order <= MAX_ORDER; order++) {
		blocks[order] = alloc_pages(GFP_KERNEL, order);
		EXPECT(blocks[order]);
		EXPECT(IS_ALIGNED(page_to_pfn(blocks[order]), 1UL << order));
		for (unsigned int i = 0; i < order; i++)
			EXPECT(blocks[order] + (1UL << order) <= blocks[i] ||
			       blocks[i] + (1UL << i) <= blocks[order]);
	}
	EXPECT(nr_free_pages() == before - ((2UL << MAX_ORDER) - 1));
	EXPECT(free_pages_walked() == nr_free_pages());
	for (unsigned int order = 0; order <= MAX_ORDER; order++)
		__free_pages(blocks[order], order);
	EXPECT(nr_free_pages() == before && free_pages_walked() == before);
	EXPECT(totalram_pages() == total);
	return 0;
}

/* GFP_USER takes all but exactly the reserve, GFP_KERNEL goes on; freed, it all merges again. */
SELFTEST(page_alloc_keeps_a_reserve)
{
	unsigned long before = nr_free_pages();
	struct page *page, *next;
	LIST_HEAD(blocks);

	for (int order = MAX_ORDER; order >= 0; order--) {
		while ((page = alloc_pages(GFP_USER, order))) {
			page->private = order;
			list_add(&page->lru, &blocks);
		}
	}
	EXPECT(nr_free_pages() == min_free_pages());
	page = alloc_page(GFP_KERNEL);
	EXPECT(page);
	__free_page(page);
	list_for_each_entry_safe(page, next, &blocks, lru)
		__free_pages(page, page->private);
	EXPECT(nr_free_pages() == before && free_pages_walked() == before);
	page = alloc_pages(GFP_USER, MAX_ORDER);
	EXPECT(page);
	__free_pages(page, MAX_ORDER);
	return 0;
}

/* A page that leaves the managed total and goes offline comes back in the same books. */
SELFTEST(offline_pages_are_counted)
{
	unsigned long total = totalram_pages(), offline = nr_offline_pages(), free = nr_free_pages();
	struct page *page = alloc_page(GFP_USER);

	EXPECT(page);
	__SetPageOffline(page);
	adjust_managed_page_count(page, -1);
	EXPECT(PageOffline(page) && nr_offline_pages() == offline + 1 && totalram_pages() == total - 1);
	adjust_managed_page_count(page, 1);
	__ClearPageOffline(page);
	__free_page(page);
	EXPECT(nr_offline_pages() == offline && totalram_pages() == total && nr_free_pages() == free);
	return 0;
}

/* Objects of all sizes are aligned to their class, keep their content, and give all pages back. */
SELFTEST(kmalloc_sizes)
{
	unsigned long before = nr_free_pages();
	u8 *objects[64];

	for (unsigned int i = 0; i < ARRAY_SIZE(objects); i++) {
		size_t size = 1 + i * i * 3;

		objects[i] = kmalloc(size, GFP_KERNEL);
		EXPECT(objects[i] && IS_ALIGNED((unsigned long)objects[i], 32));
		memset(objects[i], i, size);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(objects); i++) {
		EXPECT(objects[i][0] == i && objects[i][i * i * 3] == i);
		kfree(objects[i]);
	}
	EXPECT(nr_free_pages() == before);
	EXPECT(!kcalloc(~0UL / 2, 4, GFP_KERNEL));
	EXPECT(!kmalloc(PAGE_SIZE << (MAX_ORDER + 1), GFP_KERNEL));
	return 0;
}
