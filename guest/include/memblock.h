/*
 * Memory as the boot sees it, before struct pages exist: which ranges are RAM, which of them are
 * taken. The arrays stay valid afterwards: struct pages are initialised from them on demand.
 */
#ifndef MEMBLOCK_H
#define MEMBLOCK_H

#include "page.h"

struct memblock_region {
	phys_addr_t base, size;
};

#define MEMBLOCK_MAX_REGIONS 32

struct memblock_type {
	const char *name;
	unsigned int cnt;
	struct memblock_region regions[MEMBLOCK_MAX_REGIONS]; /* ascending, disjoint, not touching */
};

extern struct memblock_type memblock_memory, memblock_reserved;

/* Byte ranges of any alignment: RAM shrinks to whole pages, reservations grow to whole pages. */
void memblock_add(phys_addr_t base, u64 size);
/* No RAM of ours at all: it is not mapped either (no-map). */
void memblock_remove(phys_addr_t base, u64 size);
void memblock_reserve(phys_addr_t base, u64 size);
/* Memory that is never freed, zeroed or as it comes; panics when there is none. */
void *memblock_alloc(size_t size, size_t align);
void *memblock_alloc_raw(size_t size, size_t align);
/* Is the whole range RAM of ours? */
bool memblock_is_memory(phys_addr_t base, u64 size);
/* The first maximal range of unreserved RAM that ends after `from`, cut off there; false when there is none. */
bool memblock_find_free(phys_addr_t from, phys_addr_t *start, phys_addr_t *end);

#endif
