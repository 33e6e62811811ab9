/*
 * Memory with a checkable content: pages that touch fills, verify checks and release frees. They stand for what
 * users keep in memory, and must come out of a hibernation as they went in.
 *
 * A page is known by its key, (generation of the touch, index within it), kept in page->private. Word i of
 * it is seed + i * STEP, a sequence that no other page has. The fingerprint is the xor over all pages
 * of a hash of their content, so the order of pages does not matter, but every bit of every page does.
 */
#include "freezer.h"
#include "mm.h"
#include "mutex.h"
#include "shell.h"
#include "string.h"

#define WORDS (PAGE_SIZE / sizeof(u64))
#define STEP 0x9e3779b97f4a7c15
#define KEY(generation, index) ((unsigned long)(generation) << 32 | (index))

/* The pages in hand, and what describes them; under the lock. */
static LIST_HEAD(touched);
static DEFINE_MUTEX(touched_lock);
static unsigned long nr_touched;
static u64 touched_fingerprint;
static u32 last_generation;

/* The finaliser of splitmix64: every bit of the result depends on every bit of x. */
static u64 mix64(u64 x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

static u64 hash_word(u64 hash, u64 word)
{
	return (hash ^ word) * STEP;
}

static u64 fill_page(const struct page *page)
{
	u64 *words = page_address(page);
	u64 word = mix64(page->private);
	u64 hash = page->private;

	for (unsigned int i = 0; i < WORDS; i++, word += STEP) {
		words[i] = word;
		hash = hash_word(hash, word);
	}
	return mix64(hash);
}

static u64 check_page(const struct page *page, bool *bad)
{
	const u64 *words = page_address(page);
	u64 word = mix64(page->private);
	u64 hash = page->private;
	u64 differ = 0;

	for (unsigned int i = 0; i < WORDS; i++, word += STEP) {
		differ |= words[i] ^ word;
		hash = hash_word(hash, words[i]);
	}
	*bad = differ;
	return mix64(hash);
}

static void answer(u64 fingerprint)
{
	shell_answer("touched_pages", "%lu", nr_touched);
	shell_answer("fingerprint", "%016llx", fingerprint);
}

static bool touch_one(u32 generation, u32 index)
{
	struct page *page = alloc_page(GFP_USER);

	if (!page)
		return false;
	page->flags |= 1u << PG_touched;
	page->private = KEY(generation, index);
	mutex_lock(&touched_lock);
	touched_fingerprint ^= fill_page(page);
	list_add_tail(&page->lru, &touched);
	nr_touched++;
	mutex_unlock(&touched_lock);
	return true;
}

static int cmd_touch(int argc, char **argv)
{
	u32 generation, index = 0;
	bool suffixed;
	u64 pages;

	if (argc != 2 || parse_size(argv[1], &pages, &suffixed))
		return -EINVAL;
	if (suffixed)
		pages = DIV_ROUND_UP(pages, PAGE_SIZE);
	mutex_lock(&touched_lock);
	generation = ++last_generation;
	mutex_unlock(&touched_lock);
	while (index < pages && touch_one(generation, index)) {
		index++;
		try_to_freeze(); /* no lock is held here */
	}
	answer(touched_fingerprint);
	return index < pages ? -ENOMEM : 0;
}
SHELL_COMMAND(touch, "N[K|M|G]: fill that many fresh pages (or bytes) with a pattern", cmd_touch);

static int cmd_verify(int argc, char **argv)
{
	unsigned long bad_pages = 0;
	u64 fingerprint = 0;
	struct page *page;

	mutex_lock(&touched_lock);
	list_for_each_entry(page, &touched, lru) {
		bool bad;

		fingerprint ^= check_page(page, &bad);
		bad_pages += bad;
	}
	answer(fingerprint);
	shell_answer("bad_pages", "%lu", bad_pages);
	if (fingerprint != touched_fingerprint && !bad_pages)
		pr_err("workload: all pages are good, and their fingerprint is not\n");
	mutex_unlock(&touched_lock);
	return bad_pages ? -EIO : 0;
}
SHELL_COMMAND(verify, "check the touched pages", cmd_verify);

static int cmd_release(int argc, char **argv)
{
	struct page *page, *next;

	mutex_lock(&touched_lock);
	list_for_each_entry_safe(page, next, &touched, lru) {
		list_del(&page->lru);
		page->flags &= ~(1u << PG_touched);
		__free_page(page);
	}
	nr_touched = 0;
	touched_fingerprint = 0;
	mutex_unlock(&touched_lock);
	answer(0);
	return 0;
}
SHELL_COMMAND(release, "free the touched pages", cmd_release);

static int cmd_mem(int argc, char **argv)
{
	unsigned long total = totalram_pages(), free = nr_free_pages();

	shell_answer("totalram_pages", "%lu", total);
	shell_answer("free_pages", "%lu", free);
	shell_answer("used_pages", "%lu", total - free);
	shell_answer("offline_pages", "%lu", nr_offline_pages());
	shell_answer("touched_pages", "%lu", nr_touched);
	return 0;
}
SHELL_COMMAND(mem, "the books of the page allocator, in pages", cmd_mem);
