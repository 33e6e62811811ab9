/*
 * Physical memory: struct page, the page allocator and its books. Counts are in pages of 4 KiB.
 *
 *   totalram_pages() = free + used. Pages that the kernel gives away (a balloon) leave the books
 *   with adjust_managed_page_count() and are flagged offline; reserved pages were never in them.
 */
#ifndef MM_H
#define MM_H

#include "list.h"
#include "page.h"

/* Bits of page->flags. Down to PG_large they are the allocators'. */
#define PG_reserved 0 /* never the page allocator's: kernel image, mem_map, device tree, no RAM */
#define PG_buddy 1    /* head of a free block of 2^order pages */
#define PG_slab 2     /* a page of small kmalloc objects */
#define PG_large 3    /* head of a kmalloc object of whole pages */
#define PG_offline 4  /* handed over to the hypervisor: its contents must not be touched or saved */
#define PG_touched 5  /* filled by the shell's touch: private is the key to its contents */
#define PG_reported 6 /* head of a block that the host knows to be free (with PG_buddy) or is being told of */

struct page {
	unsigned int flags;
	union {
		unsigned int order; /* of the block that this page heads, free or in use */
		struct {	    /* PG_slab */
			u16 size_class, inuse;
		};
	};
	struct list_head lru; /* the owner's list; the allocator's while the page is free */
	union {
		unsigned long private; /* the owner's */
		void *freelist;	       /* PG_slab */
	};
};

#define MAX_ORDER 10 /* largest block: 4 MiB */

#define GFP_KERNEL 0u	   /* may use the last free pages */
#define GFP_USER 1u	   /* leaves min_free_pages() to the kernel: workloads, balloons, images */
#define __GFP_ZERO 2u
#define __GFP_NORETRY 4u	/* gives up at once, and asks no shrinker */
#define __GFP_DIRECT_RECLAIM 8u /* may sleep, and goes on to out_of_memory() */
#define GFP_HIGHUSER (GFP_USER | __GFP_DIRECT_RECLAIM) /* processes */

/*
 * All return NULL when there is no block. Without __GFP_DIRECT_RECLAIM no one sleeps: those who can do without
 * some memory (shrinker.h) are asked for it, and that is all.
 */
struct page *alloc_pages(gfp_t gfp, unsigned int order);
#define alloc_page(gfp) alloc_pages(gfp, 0)
void __free_pages(struct page *page, unsigned int order);
#define __free_page(page) __free_pages(page, 0)
/*
 * Many single pages at once, through their lru: up to nr of them to the end of a list, returning how many
 * there were; and back, leaving the list empty.
 */
unsigned long alloc_pages_bulk_list(gfp_t gfp, unsigned long nr, struct list_head *list);
void free_unref_page_list(struct list_head *list);
/* Whole blocks by virtual address. */
void *__get_free_pages(gfp_t gfp, unsigned int order);
#define get_zeroed_page(gfp) __get_free_pages((gfp) | __GFP_ZERO, 0)
void free_pages(void *addr, unsigned int order);
#define free_page(addr) free_pages(addr, 0)

/* The page allocator's own state: for itself, and for those who look from outside (vmcore_info.c). */
extern struct zone {
	unsigned long managed_pages, free_pages, offline_pages;
	unsigned long min_pages; /* free pages that GFP_USER leaves */
	unsigned long first_deferred_pfn; /* struct pages from here on are not initialised */
	struct list_head free_area[MAX_ORDER + 1];
} zone;

/* The books. */
unsigned long totalram_pages(void);
unsigned long nr_free_pages(void);
unsigned long nr_offline_pages(void);
unsigned long min_free_pages(void);
/* Takes `count` pages out of (negative) or back into the managed total; the page itself is untouched. */
void adjust_managed_page_count(struct page *page, long count);

/* pfn <-> struct page. mem_map covers [min_low_pfn, max_pfn), holes and no-map regions included. */
extern struct page *mem_map;
extern unsigned long min_low_pfn, max_pfn;

static inline bool pfn_valid(unsigned long pfn) { return pfn >= min_low_pfn && pfn < max_pfn; }
static inline struct page *pfn_to_page(unsigned long pfn) { return mem_map + (pfn - min_low_pfn); }
static inline unsigned long page_to_pfn(const struct page *page) { return (page - mem_map) + min_low_pfn; }
static inline phys_addr_t page_to_phys(const struct page *page) { return PFN_PHYS(page_to_pfn(page)); }
static inline struct page *virt_to_page(const void *va) { return pfn_to_page(PFN_DOWN(__pa(va))); }
static inline void *page_address(const struct page *page) { return __va(page_to_phys(page)); }

static inline bool PageSlab(const struct page *page) { return page->flags & (1u << PG_slab); }
static inline bool PageOffline(const struct page *page) { return page->flags & (1u << PG_offline); }
static inline bool PageReported(const struct page *page) { return page->flags & (1u << PG_reported); }
void __SetPageOffline(struct page *page);
void __ClearPageOffline(struct page *page);

/*
 * For hibernation. Whoever wants all pages worth saving starts from the RAM that the kernel maps
 * (for_each_mem_pfn_range), and takes away the free blocks (walk_free_blocks), then the offline pages.
 * Only look at the struct page of a page that is *not* free: struct
 * pages of memory that was never allocated are not initialised (see page_alloc.c).
 */
void walk_free_blocks(void (*fn)(unsigned long pfn, unsigned long nr, void *arg), void *arg);
/* The i-th range [*start, *end) of mapped RAM, in ascending order; false when there is none. */
bool mem_pfn_range(unsigned int i, unsigned long *start, unsigned long *end);
#define for_each_mem_pfn_range(i, start, end) for (i = 0; mem_pfn_range(i, &(start), &(end)); i++)

/* Poison: what free memory holds (page_poison.c). A value of 4 bytes, all the same. */
void page_poison_init(void);
bool page_poisoning_enabled(void);
u32 page_poison_value(void);
/* Fill nr pages; check them. Nothing without poisoning. */
void kernel_poison_pages(struct page *page, unsigned long nr);
void kernel_unpoison_pages(struct page *page, unsigned long nr);
/* After an image has taken over: it does not hold free pages, and this machine's hold anything. */
void clear_or_poison_free_pages(void);

void mem_init(void);

#endif
