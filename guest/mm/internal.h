/* Between the page allocator and those that work on its free lists. */
#ifndef MM_INTERNAL_H
#define MM_INTERNAL_H

#include "mm.h"
#include "spinlock.h"

extern spinlock_t zone_lock;

/* Takes a free block off its list and out of the books; only __putback_isolated_page() brings it back. */
void __isolate_free_page(struct page *page);
/* Behind all others of its order, marked if it was reported as it is. The lock is held, for both. */
void __putback_isolated_page(struct page *page, bool reported);

#define PAGE_REPORTING_ORDER 9 /* 2 MiB, the smallest block worth a word */

/* A block has been put on a free list; the lock is held. */
void page_reporting_notify_free(unsigned int order);

#endif
