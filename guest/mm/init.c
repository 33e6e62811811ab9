/* The kernel's page table: all RAM, by section, and device registers. */
#include "io.h"
#include "memblock.h"
#include "mm.h"
#include "pgtable.h"
#include "string.h"

pte_t swapper_pg_dir[PTRS_PER_TABLE] __aligned(PAGE_SIZE);

static void *early_alloc_table(void)
{
	return memblock_alloc(PAGE_SIZE, PAGE_SIZE);
}

static void *alloc_table(void)
{
	return get_zeroed_page(GFP_KERNEL);
}

static void map_linear(phys_addr_t start, phys_addr_t end, pgprot_t prot)
{
	if (start < end && create_pgd_mapping(swapper_pg_dir, (unsigned long)__va(start), start,
					      end - start, prot, early_alloc_table))
		panic("no memory for page tables");
}

void paging_init(void)
{
	const struct {
		phys_addr_t start, end;
		pgprot_t prot;
	} image[] = {
		{ __pa(_start), __pa(_etext), PAGE_KERNEL_READ_EXEC },
		{ __pa(__start_rodata), __pa(__end_rodata), PAGE_KERNEL_READ },
		{ __pa(_sdata), __pa(_end), PAGE_KERNEL },
	};

	/* map_linear() reserves pages for tables but never changes what is memory. */
	for (unsigned int i = 0; i < memblock_memory.cnt; i++) {
		phys_addr_t start = memblock_memory.regions[i].base;
		phys_addr_t end = start + memblock_memory.regions[i].size;

		for (unsigned int j = 0; j < ARRAY_SIZE(image); j++) {
			if (image[j].start < start || image[j].start >= end)
				continue;
			map_linear(start, image[j].start, PAGE_KERNEL);
			map_linear(image[j].start, image[j].end, image[j].prot);
			start = image[j].end;
		}
		map_linear(start, end, PAGE_KERNEL);
	}
	csr_write(satp, make_satp(swapper_pg_dir));
	local_flush_tlb_all();
}

void *ioremap(phys_addr_t start, size_t size)
{
	const phys_addr_t limit = -PAGE_OFFSET;
	phys_addr_t base = start & PAGE_MASK;

	if (start >= limit || size > limit - start)
		return NULL;
	if (create_pgd_mapping(swapper_pg_dir, (unsigned long)__va(base), base,
			       PAGE_ALIGN(start + size) - base, PAGE_KERNEL, alloc_table))
		return NULL;
	local_flush_tlb_all();
	return __va(start);
}

bool mem_pfn_range(unsigned int i, unsigned long *start, unsigned long *end)
{
	if (i >= memblock_memory.cnt)
		return false;
	*start = PFN_DOWN(memblock_memory.regions[i].base);
	*end = *start + PFN_DOWN(memblock_memory.regions[i].size);
	return true;
}
