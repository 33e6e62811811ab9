/* What the page table allows. */
#include "memblock.h"
#include "mm.h"
#include "pgtable.h"
#include "selftest.h"
#include "uaccess.h"

static pte_t rights(const void *va)
{
	return lookup_address(swapper_pg_dir, (unsigned long)va) & _PAGE_LEAF;
}

/* Text can be run and not written, constants only read, everything else written and not run. */
SELFTEST(kernel_sections_are_protected)
{
	static int data;
	static const int constant = 1;
	void *heap = __get_free_pages(GFP_KERNEL, 0);

	EXPECT(heap);
	EXPECT(rights(_start) == (_PAGE_READ | _PAGE_EXEC));
	EXPECT(rights(_etext - 1) == (_PAGE_READ | _PAGE_EXEC));
	EXPECT(rights(&constant) == _PAGE_READ);
	EXPECT(rights(&data) == (_PAGE_READ | _PAGE_WRITE));
	EXPECT(rights(heap) == (_PAGE_READ | _PAGE_WRITE));
	free_page(heap);
	return 0;
}

/* The hart enforces it: a wild access faults, is fixed up, and does not change anything. */
SELFTEST(wild_accesses_fault)
{
	const char *firmware = __va(0x80000000);
	u8 value = 0, scratch = 1;

	EXPECT(get_kernel_nofault(&value, _start) == 0 && value == *(u8 *)_start);
	EXPECT(put_kernel_nofault(_start, (u8)~value) == -EFAULT && value == *(u8 *)_start);
	EXPECT(put_kernel_nofault(__start_rodata, 0) == -EFAULT);
	EXPECT(put_kernel_nofault(&scratch, 2) == 0 && scratch == 2);
	EXPECT(get_kernel_nofault(&value, NULL) == -EFAULT);
	EXPECT(get_kernel_nofault(&value, firmware) == -EFAULT);
	return 0;
}

/* All memory is mapped at its fixed offset, to its end and not beyond. */
SELFTEST(linear_map_covers_memory)
{
	unsigned long start, end;
	unsigned int i;

	for_each_mem_pfn_range(i, start, end) {
		EXPECT(rights(__va(PFN_PHYS(start))) & _PAGE_READ);
		EXPECT(rights(__va(PFN_PHYS(end) - 1)) & _PAGE_READ);
		EXPECT(pfn_valid(start) && pfn_valid(end - 1));
	}
	EXPECT(i > 0 && !rights(__va(PFN_PHYS(max_pfn))));
	return 0;
}
