/*
 * Free memory that holds a known value. Freed pages are filled with it, and checked when they are given out
 * again: a page that has changed was written to by somebody who did not own it.
 *
 *	page_poison=on		0xaa in every byte
 *	init_on_free=1		zeros
 *
 * Linux: mm/page_poison.c; there init_on_free only fills.
 */
#include "init.h"
#include "mm.h"
#include "string.h"

#define PAGE_POISON 0xaa

static bool poisoning;
static u8 poison;

static bool boot_switch(const char *name)
{
	const char *value = get_bootarg(name);

	return value && (!strcmp(value, "on") || !strcmp(value, "1"));
}

void page_poison_init(void)
{
	poisoning = boot_switch("page_poison") || boot_switch("init_on_free");
	poison = boot_switch("page_poison") ? PAGE_POISON : 0;
	if (poisoning)
		pr_info("mem auto-init: free memory holds %02x\n", poison);
}

bool page_poisoning_enabled(void)
{
	return poisoning;
}

u32 page_poison_value(void)
{
	return poison * 0x01010101u;
}

void kernel_poison_pages(struct page *page, unsigned long nr)
{
	if (poisoning)
		memset(page_address(page), poison, nr * PAGE_SIZE);
}

static bool page_is_poisoned(const struct page *page)
{
	const u64 *words = page_address(page);
	u64 differ = 0;

	for (unsigned int i = 0; i < PAGE_SIZE / sizeof(*words); i++)
		differ |= words[i] ^ poison * 0x0101010101010101u;
	return !differ;
}

void kernel_unpoison_pages(struct page *page, unsigned long nr)
{
	if (!poisoning)
		return;
	for (unsigned long i = 0; i < nr; i++)
		if (!page_is_poisoned(page + i)) {
			pr_err("pagealloc: memory corruption: page frame %lx is free and does not hold %02x\n",
			       page_to_pfn(page + i), poison);
			WARN_ON(true);
		}
}

/* Blocks without struct pages are filled when they get them (init_deferred_block()). */
static void poison_free_block(unsigned long pfn, unsigned long nr, void *arg)
{
	if (pfn < zone.first_deferred_pfn)
		kernel_poison_pages(pfn_to_page(pfn), nr);
}

void clear_or_poison_free_pages(void)
{
	if (poisoning)
		walk_free_blocks(poison_free_block, NULL);
}
