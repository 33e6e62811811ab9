/*
 * Sv39 tables: gigapages for everything but the window.
 */
#include "guest.h"

#define GIB (1UL << 30)

static u64 root[512] PAGE_ALIGNED, middle[512] PAGE_ALIGNED, leaf[512] PAGE_ALIGNED;

void paging_init(void)
{
	for (u64 i = 0; i < 4; i++)
		root[i] = PTE(i * GIB, PTE_ALL);
	root[WINDOW / GIB] = PTE(middle, PTE_V);
	middle[0] = PTE(leaf, PTE_V);
	csr_write(satp, SATP_SV39 | (u64)root >> 12);
	sfence_vma();
}

void map_page(u64 page, u64 address, u64 flags)
{
	leaf[page] = flags ? PTE(address, flags) : 0;
	sfence_vma();
}

u64 page_entry(u64 page)
{
	return leaf[page];
}

void set_root_entry(u64 index, u64 entry)
{
	root[index] = entry;
	sfence_vma();
}
