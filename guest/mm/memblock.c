/* Boot-time memory ranges: two sorted arrays, memory and reserved. */
#include "memblock.h"

#include "string.h"

struct memblock_type memblock_memory = { .name = "memory" };
struct memblock_type memblock_reserved = { .name = "reserved" };

static phys_addr_t region_end(const struct memblock_region *region)
{
	return region->base + region->size;
}

static void insert_region(struct memblock_type *type, unsigned int at, phys_addr_t base, u64 size)
{
	if (type->cnt == MEMBLOCK_MAX_REGIONS)
		panic("memblock: more than %d %s regions", MEMBLOCK_MAX_REGIONS, type->name);
	memmove(&type->regions[at + 1], &type->regions[at],
		(type->cnt - at) * sizeof(struct memblock_region));
	type->regions[at] = (struct memblock_region){ base, size };
	type->cnt++;
}

static void delete_region(struct memblock_type *type, unsigned int at)
{
	type->cnt--;
	memmove(&type->regions[at], &type->regions[at + 1],
		(type->cnt - at) * sizeof(struct memblock_region));
}

static void add_range(struct memblock_type *type, phys_addr_t base, phys_addr_t end)
{
	unsigned int i = 0;

	if (base >= end)
		return;
	while (i < type->cnt && region_end(&type->regions[i]) < base)
		i++;
	/* Swallow every region that overlaps or touches the new one. */
	while (i < type->cnt && type->regions[i].base <= end) {
		base = min(base, type->regions[i].base);
		end = max(end, region_end(&type->regions[i]));
		delete_region(type, i);
	}
	insert_region(type, i, base, end - base);
}

static void remove_range(struct memblock_type *type, phys_addr_t base, phys_addr_t end)
{
	for (unsigned int i = 0; i < type->cnt;) {
		struct memblock_region old = type->regions[i];

		if (region_end(&old) <= base || old.base >= end) {
			i++;
			continue;
		}
		delete_region(type, i);
		if (region_end(&old) > end)
			insert_region(type, i, end, region_end(&old) - end);
		if (old.base < base)
			insert_region(type, i++, old.base, base - old.base);
	}
}

/* The end of a range from the device tree, which may be nonsense: cut off where the linear map ends. */
static phys_addr_t range_end(phys_addr_t base, u64 size)
{
	const phys_addr_t limit = -PAGE_OFFSET;

	return base >= limit || size > limit - base ? limit : base + size;
}

void memblock_add(phys_addr_t base, u64 size)
{
	add_range(&memblock_memory, PAGE_ALIGN(base), range_end(base, size) & PAGE_MASK);
}

void memblock_remove(phys_addr_t base, u64 size)
{
	remove_range(&memblock_memory, base & PAGE_MASK, PAGE_ALIGN(range_end(base, size)));
}

void memblock_reserve(phys_addr_t base, u64 size)
{
	add_range(&memblock_reserved, base & PAGE_MASK, PAGE_ALIGN(range_end(base, size)));
}

bool memblock_is_memory(phys_addr_t base, u64 size)
{
	for (unsigned int i = 0; i < memblock_memory.cnt; i++) {
		const struct memblock_region *region = &memblock_memory.regions[i];

		if (base >= region->base && base < region_end(region))
			return size <= region_end(region) - base;
	}
	return false;
}

bool memblock_find_free(phys_addr_t from, phys_addr_t *start, phys_addr_t *end)
{
	for (unsigned int i = 0; i < memblock_memory.cnt; i++) {
		phys_addr_t base = max(memblock_memory.regions[i].base, from);
		phys_addr_t limit = region_end(&memblock_memory.regions[i]);

		for (unsigned int j = 0; j < memblock_reserved.cnt && base < limit; j++) {
			const struct memblock_region *taken = &memblock_reserved.regions[j];

			if (region_end(taken) <= base)
				continue;
			if (taken->base > base)
				limit = min(limit, taken->base);
			else
				base = region_end(taken);
		}
		if (base < limit) {
			*start = base;
			*end = limit;
			return true;
		}
	}
	return false;
}

void *memblock_alloc_raw(size_t size, size_t align)
{
	phys_addr_t start, end;

	for (phys_addr_t from = 0; memblock_find_free(from, &start, &end); from = end) {
		start = ALIGN(start, align);
		if (start < end && size <= end - start) {
			memblock_reserve(start, size);
			return __va(start);
		}
	}
	panic("memblock: no room for %zu bytes", size);
}

void *memblock_alloc(size_t size, size_t align)
{
	return memset(memblock_alloc_raw(size, align), 0, size);
}
