/*
 * kmalloc. A slab is one page of objects of one size class. Its free objects form a list through their first
 * words; its struct page holds the list's head, the class and the number of objects in use. Slabs that
 * have a free object stand in their class's list; empty ones go back to the page allocator at once.
 */
#include "slab.h"

#include "spinlock.h"
#include "string.h"

#define MIN_SHIFT 5
#define MAX_SHIFT (PAGE_SHIFT - 1)
#define NR_CLASSES (MAX_SHIFT - MIN_SHIFT + 1)

static DEFINE_SPINLOCK(slab_lock);
#define LIST_OF(n) LIST_HEAD_INIT(partial[n])
static struct list_head partial[NR_CLASSES] = { LIST_OF(0), LIST_OF(1), LIST_OF(2), LIST_OF(3),
						LIST_OF(4), LIST_OF(5), LIST_OF(6) };

static unsigned int bits_for(size_t size)
{
	return size > 1 ? 64 - __builtin_clzl(size - 1) : 0;
}

static struct page *new_slab(unsigned int size_class, gfp_t gfp)
{
	struct page *page = alloc_page(gfp);
	size_t size = 1UL << (size_class + MIN_SHIFT);
	char *base;

	if (!page)
		return NULL;
	page->flags |= 1u << PG_slab;
	page->size_class = size_class;
	page->inuse = 0;
	page->freelist = NULL;
	base = page_address(page);
	for (char *object = base + PAGE_SIZE - size; object >= base; object -= size) {
		*(void **)object = page->freelist;
		page->freelist = object;
	}
	list_add(&page->lru, &partial[size_class]);
	return page;
}

static void *slab_alloc(unsigned int size_class, gfp_t gfp)
{
	struct page *page;
	unsigned long flags;
	void *object = NULL;

	spin_lock_irqsave(&slab_lock, flags);
	page = list_first_entry_or_null(&partial[size_class], struct page, lru);
	if (!page)
		page = new_slab(size_class, gfp);
	if (page) {
		object = page->freelist;
		page->freelist = *(void **)object;
		page->inuse++;
		if (!page->freelist)
			list_del_init(&page->lru);
	}
	spin_unlock_irqrestore(&slab_lock, flags);
	return object;
}

static void slab_free(struct page *page, void *object)
{
	unsigned long flags;
	bool empty;

	spin_lock_irqsave(&slab_lock, flags);
	BUG_ON(!page->inuse || !IS_ALIGNED((unsigned long)object, 1UL << (page->size_class + MIN_SHIFT)));
	if (!page->freelist)
		list_add(&page->lru, &partial[page->size_class]);
	*(void **)object = page->freelist;
	page->freelist = object;
	empty = !--page->inuse;
	if (empty) {
		list_del(&page->lru);
		page->flags &= ~(1u << PG_slab);
	}
	spin_unlock_irqrestore(&slab_lock, flags);
	if (empty)
		__free_page(page);
}

void *kmalloc(size_t size, gfp_t gfp)
{
	unsigned int bits = max(bits_for(size), (unsigned int)MIN_SHIFT);
	struct page *page;

	if (bits <= MAX_SHIFT)
		return slab_alloc(bits - MIN_SHIFT, gfp);
	page = alloc_pages(gfp, bits - PAGE_SHIFT);
	if (!page)
		return NULL;
	page->flags |= 1u << PG_large;
	page->order = bits - PAGE_SHIFT;
	return page_address(page);
}

void *kzalloc(size_t size, gfp_t gfp)
{
	void *p = kmalloc(size, gfp);

	return p ? memset(p, 0, size) : NULL;
}

void *kcalloc(size_t n, size_t size, gfp_t gfp)
{
	size_t bytes;

	return __builtin_mul_overflow(n, size, &bytes) ? NULL : kzalloc(bytes, gfp);
}

void kfree(const void *ptr)
{
	struct page *page;

	if (!ptr)
		return;
	page = virt_to_page(ptr);
	if (PageSlab(page)) {
		slab_free(page, (void *)ptr);
		return;
	}
	BUG_ON(page->flags != 1u << PG_large || page_address(page) != ptr);
	page->flags = 0;
	__free_pages(page, page->order);
}

char *kstrdup(const char *s, gfp_t gfp)
{
	size_t size = strlen(s) + 1;
	char *copy = kmalloc(size, gfp);

	return copy ? memcpy(copy, s, size) : NULL;
}
