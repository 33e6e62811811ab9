/*
 * A device that only the tests know, at PROBE: accesses of every kind, and a place to stop at.
 */
#include "guest.h"

#define PROBE 0x20000000UL

void accesses(void)
{
	*(volatile u8 *)(PROBE + 1) = 0x11;
	*(volatile u16 *)(PROBE + 2) = 0x2222;
	*(volatile u32 *)(PROBE + 4) = 0x33333333;
	*(volatile u64 *)(PROBE + 8) = 0x4444444455555555;
	*(volatile u32 *)(PROBE + 0x16) = 0x66667777;
	asm volatile("amoadd.w zero, %0, (%1)" : : "r"(1), "r"(PROBE + 0x20) : "memory");
	report("byte", *(volatile u8 *)(PROBE + 1));
	report("half", *(volatile u16 *)(PROBE + 2));
	report("word", *(volatile u32 *)(PROBE + 4));
	report("double", *(volatile u64 *)(PROBE + 8));
	report("unaligned", *(volatile u32 *)(PROBE + 0x16));
	/* The device decodes 0x40 bytes of its page. */
	report("over the end", *(volatile u64 *)(PROBE + 0x3c));
	report("behind the end", *(volatile u32 *)(PROBE + 0x80));
}

/* One block with two accesses; the first one asks the host to stop. Then the same before a wfi. */
void stops(void)
{
	u64 counted = 0;

	asm volatile("sw %1, 0(%2)\n\taddi %0, %0, 1\n\tsw %1, 4(%2)\n\taddi %0, %0, 1\n\tj 1f\n1:"
		     : "+r"(counted) : "r"(1), "r"(PROBE) : "memory");
	report("counted", counted);
	csr_write(mie, 1UL << IRQ_MEI);
	asm volatile("sw %0, 8(%1)\n\twfi" : : "r"(2), "r"(PROBE) : "memory");
	print("woken\n");
}

/* Reads what the host may change or must refuse: timer, translation modes, counters. */
void settings(void)
{
	u64 before, after;

	trap_init();
	csr_write(satp, 9UL << 60 | 0x80000);
	report("satp after Sv48", csr_read(satp));
	csr_write(satp, SATP_SV39 | 0x1234);
	report("satp after Sv39", csr_read(satp));
	csr_write(satp, 10UL << 60);
	report("satp after Sv57", csr_read(satp));
	csr_write(pmpaddr7, 0x1234);
	csr_write(pmpaddr8, 0x1234);
	csr_write(pmpcfg2, 0x1f);
	report("the eighth and ninth region", csr_read(pmpaddr7) << 16 | csr_read(pmpaddr8) | csr_read(pmpcfg2));
	*MTIME = 0x123456789abcdef0;
	report("mtime after a write", *MTIME >> 16);
	before = csr_read(cycle);
	after = csr_read(instret);
	report("cycle and instret go on together", after > before && after - before < 100);
}

/* A loop to set breakpoints in. */
void loops(void)
{
	u64 sum = 0;

	asm volatile("li t0, 5\n"
		     ".globl loop_top\nloop_top:\n\tadd %0, %0, t0\n"
		     ".globl loop_middle\nloop_middle:\n\taddi t0, t0, -1\n\tbnez t0, loop_top\n"
		     : "+r"(sum) : : "t0");
	report("sum", sum);
}
