/*
 * Turns Sv39 on, as a kernel would, and runs the programs one after the other. Before the first and after each a line
 * `NAME RESULT.` goes to the UART; the host takes the time between two lines, and compares the results.
 */
#include "board.h"
#include "program.h"

#define UART ((volatile u8 *)BOARD_UART_BASE)
#define UART_LSR 5
#define UART_LSR_THRE 0x20

#define SATP_SV39 (8UL << 60)
#define PTE_DATA 0xc7	/* V R W A D */
#define PTE_ALL 0xcf	/* and X */
#define GIGAPAGE_SHIFT 30

static u64 root[512] __attribute__((aligned(4096)));

static void map(u64 address, u64 flags)
{
	root[address >> GIGAPAGE_SHIFT] = address >> GIGAPAGE_SHIFT << 28 | flags;
}

static void translate(void)
{
	map(BOARD_UART_BASE, PTE_DATA);
	map(BOARD_DRAM_BASE, PTE_ALL);
	asm volatile("csrw satp, %0\n\tsfence.vma"
		     : : "r"(SATP_SV39 | (u64)root >> 12) : "memory");
}

static void put(char c)
{
	while (!(UART[UART_LSR] & UART_LSR_THRE))
		;
	UART[0] = c;
}

static void report(const char *name, u64 result)
{
	while (*name)
		put(*name++);
	put(' ');
	for (int shift = 60; shift >= 0; shift -= 4)
		put("0123456789abcdef"[result >> shift & 15]);
	put('.');
	put('\n');
}

void main(void)
{
	translate();
	report("start", 0);
	report("alu", alu());
	report("memory", memory());
	report("calls", calls());
	report("mixed", mixed());
}
