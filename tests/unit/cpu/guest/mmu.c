/*
 * Who may touch what: page permissions, SUM and MXR, PMP, holes under a page table (golden/mmu.txt, as QEMU has it).
 */
#include "guest.h"

#define HOLE 0x00300000UL	/* no memory there */
#define PMP_R 1
#define PMP_W 2
#define PMP_X 4
#define PMP_NAPOT 0x18
#define NAPOT(address, size) ((address) >> 2 | ((size) - 1) >> 3)

static u64 page[512] PAGE_ALIGNED, guarded[512] PAGE_ALIGNED;

static void permissions(void)
{
	/* A page of U-mode's is open to S-mode's loads and stores while SUM is set, and never to its fetches. */
	map_page(1, (u64)page, PTE_ALL | PTE_U);
	load(window(1, 8));
	report_trap("S load of a user page");
	csr_set(sstatus, SSTATUS_SUM);
	jump(window(1, 0));
	report_trap("S fetch from a user page with SUM");
	load(window(1, 8));
	store(window(1, 16), 1);
	report_trap("S load and store with SUM");
	for (u64 i = 32; i < 64; i++) {
		map_page(i, (u64)page, PTE_ALL | PTE_U);
		load(window(i, 0));
	}
	csr_clear(sstatus, SSTATUS_SUM);
	load(window(1, 8));
	report_trap("S load without SUM again");
	load(window(63, 8));
	report_trap("S load of the last of many user pages");
	csr_set(sstatus, SSTATUS_SUM);
	load(window(1, 24));
	csr_clear(sstatus, SSTATUS_SUM);
	store(window(1, 24), 1);
	report_trap("S store without SUM, after one page only");

	map_page(2, (u64)page, PTE_V | PTE_X | PTE_A);
	load(window(2, 8));
	report_trap("S load of a page to execute");
	csr_set(sstatus, SSTATUS_MXR);
	load(window(2, 8));
	report_trap("S load of a page to execute with MXR");
	csr_clear(sstatus, SSTATUS_MXR);
	load(window(2, 8));
	report_trap("S load of a page to execute without MXR again");

	map_page(3, (u64)page, PTE_V | PTE_R | PTE_W | PTE_A | PTE_D);
	jump(window(3, 0x10));
	report_trap("S fetch from a page without X");
	map_page(3, (u64)page, PTE_V | PTE_W | PTE_A | PTE_D);
	load(window(3, 0));
	report_trap("S load of a page with W and no R");
	map_page(3, (u64)page, PTE_R | PTE_W | PTE_A | PTE_D);
	load(window(3, 0));
	report_trap("S load of an invalid page");
}

static void addresses(void)
{
	map_page(4, HOLE, PTE_ALL);
	load(window(4, 0x18));
	report_trap("S load from a hole under a page");
	load(window(4, 0x20));
	report_trap("S load from it again");
	store(window(4, 0x28), 1);
	report_trap("S store to a hole under a page");
	jump(window(4, 0x30));
	report_trap("S fetch from a hole under a page");
	load(1UL << 40);
	report_trap("S load from an address that is not canonical");
	jump(1UL << 40);
	report_trap("S fetch from an address that is not canonical");
	set_root_entry(3, PTE(0x80001000, PTE_ALL));
	load(0xc0000000);
	report_trap("S load through a misaligned gigapage");
	set_root_entry(3, PTE(0x80000000, PTE_ALL));
	store((u64)page + 0x40, 0x1234);
	report("through an aligned gigapage", load((u64)page + 0x40 + 0x40000000));
	/* The last four bytes of page 5 and the first four of page 6, which is not there. */
	map_page(5, (u64)page, PTE_ALL);
	map_page(6, 0, 0);
	store(window(5, 0xffc), 0x1111222233334444);
	report_trap("S store that ends in a missing page");
	load(window(5, 0xffc));
	report_trap("S load that ends in a missing page");
}

static void read_counters(void)
{
	u64 value;

	asm volatile("csrr %0, time" : "=r"(value));
	report_trap("U reads time");
	asm volatile("csrr %0, cycle" : "=r"(value));
	report_trap("U reads cycle");
}

static void touch_guarded(void)
{
	load((u64)guarded);
	report_trap("load");
	store((u64)guarded + 8, 1);
	report_trap("store");
	jump((u64)guarded);
	report_trap("fetch");
}

static void touch_half_guarded(void)
{
	load((u64)guarded + 0x7f8);
	report_trap("load from the open half");
	load((u64)guarded + 0x800);
	report_trap("load from the closed half");
	load((u64)guarded + 0x7f8);
	report_trap("load from the open half again");
}

/* Guard one page by PMP entry 0, everything else is open by entry 1. */
static void guard(u64 size, u64 rights)
{
	csr_write(pmpaddr1, -1UL >> 10);
	csr_write(pmpaddr0, NAPOT((u64)guarded + 4096 - size, size));
	csr_write(pmpcfg0, (0x1fUL << 8) | PMP_NAPOT | rights);
	sfence_vma();
}

static void protection(void)
{
	print("PMP: nothing allowed\n");
	guard(4096, 0);
	run_in(MODE_S, touch_guarded);
	report_trap("back");
	print("PMP: read allowed\n");
	guard(4096, PMP_R);
	run_in(MODE_S, touch_guarded);
	report_trap("back");
	print("PMP: half a page closed\n");
	guard(2048, 0);
	run_in(MODE_U, touch_half_guarded);
	report_trap("back");
	print("PMP: M-mode is above it\n");
	guard(4096, 0);
	load((u64)guarded);
	report_trap("M load");
	/* With MPRV, M-mode loads as S-mode would. */
	csr_clear(mstatus, MSTATUS_MPP);
	csr_set(mstatus, MSTATUS_MPRV | (u64)MODE_S << MSTATUS_MPP_SHIFT);
	load((u64)guarded);
	csr_clear(mstatus, MSTATUS_MPRV);
	report_trap("M load with MPRV");
}

void mmu(void)
{
	trap_init();
	csr_write(medeleg, 0xb0ff);
	paging_init();
	run_in(MODE_S, permissions);
	report_trap("back");
	run_in(MODE_S, addresses);
	report_trap("back");
	csr_write(satp, 0);
	csr_write(mcounteren, 3);
	csr_write(scounteren, 1);
	run_in(MODE_U, read_counters);
	report_trap("back");
	protection();
}
