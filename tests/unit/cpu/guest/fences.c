/*
 * sfence.vma: of a page, of a large page by any of its pieces, of everything, and who may (golden/fences.txt, as QEMU
 * has it).
 */
#include "guest.h"

#define HIGH 0xffffffffc0000000UL	/* far from the identity map, which is made of large pages */
#define HIGH_INDEX 511
#define LARGE_INDEX 1
#define LARGE_BYTES (2UL << 20)

#define sfence_vma_page(address) asm volatile("sfence.vma %0" : : "r"(address) : "memory")
#define sfence_vma_asid(asid) asm volatile("sfence.vma zero, %0" : : "r"(asid) : "memory")
#define sfence_vma_page_asid(address, asid) asm volatile("sfence.vma %0, %1" : : "r"(address), "r"(asid) : "memory")

static u64 middle[512] PAGE_ALIGNED, leaf[512] PAGE_ALIGNED, first[512] PAGE_ALIGNED, second[512] PAGE_ALIGNED;

static u64 high(u64 page, u64 offset)
{
	return HIGH + (page << 12) + offset;
}

static void pages(void)
{
	leaf[3] = PTE(first, PTE_ALL);
	leaf[4] = PTE(first, PTE_ALL);
	sfence_vma();
	report("first page", load(high(3, 0)) + load(high(4, 0)));
	leaf[3] = PTE(second, PTE_ALL);
	sfence_vma_page(high(3, 0));
	report("fenced by its address", load(high(3, 0)));
	leaf[3] = PTE(first, PTE_ALL);
	sfence_vma_page(high(3, 0xff8));
	report("fenced by an address inside", load(high(3, 0)));
	leaf[3] = PTE(second, PTE_ALL);
	sfence_vma_page_asid(high(3, 0), 0UL);
	report("fenced in its address space", load(high(3, 0)));
	leaf[3] = PTE(first, PTE_ALL);
	sfence_vma_asid(0UL);
	report("fenced with its address space", load(high(3, 0)));
	leaf[3] = 0;
	sfence_vma_page(high(3, 0));
	load(high(3, 0));
	report_trap("fenced away");
	leaf[3] = PTE(first, PTE_ALL);
	sfence_vma_page(high(3, 0));
	report("fenced back", load(high(3, 0)));
}

static void large_pages(void)
{
	u64 base = (u64)first & -LARGE_BYTES, shown = HIGH + LARGE_INDEX * LARGE_BYTES - base;

	middle[LARGE_INDEX] = PTE(base, PTE_ALL);
	sfence_vma();
	report("first piece", load((u64)first + shown));
	report("second piece", load((u64)second + shown));
	middle[LARGE_INDEX] = PTE(base + LARGE_BYTES, PTE_ALL);
	sfence_vma_page((u64)first + shown);
	report("second piece, fenced by the first", load((u64)second + shown));
	middle[LARGE_INDEX] = 0;
	sfence_vma_page(HIGH + LARGE_INDEX * LARGE_BYTES);
	load((u64)second + shown);
	report_trap("fenced away by another");
}

static void virtual_memory(void)
{
	sfence_vma();
	report_trap("sfence.vma");
	sfence_vma_page(high(3, 0));
	report_trap("sfence.vma of a page");
	csr_read(satp);
	report_trap("read of satp");
	csr_write(satp, 0);
	report_trap("write of satp");
	asm volatile(".4byte 0xffffffff");
	report_trap("illegal instruction");
}

static void not_mine(void)
{
	sfence_vma();
	report_trap("U sfence.vma");
}

void fences(void)
{
	trap_init();
	csr_write(medeleg, 0xb0ff);
	first[0] = 1;
	second[0] = 2;
	paging_init();
	middle[0] = PTE(leaf, PTE_V);
	set_root_entry(HIGH_INDEX, PTE(middle, PTE_V));
	run_in(MODE_S, pages);
	report_trap("back");
	run_in(MODE_S, large_pages);
	report_trap("back");
	csr_set(mstatus, MSTATUS_TVM);
	report("TVM", csr_read(mstatus) & MSTATUS_TVM);
	run_in(MODE_S, virtual_memory);
	report_trap("back");
	csr_clear(mstatus, MSTATUS_TVM);
	report("TVM", csr_read(mstatus) & MSTATUS_TVM);
	run_in(MODE_S, virtual_memory);
	report_trap("back");
	run_in(MODE_U, not_mine);
	report_trap("back");
}
