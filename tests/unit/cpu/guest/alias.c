/*
 * Code that is changed by other ways than the address it runs at: through another mapping of its page, over the end of a
 * page, by the host. Each must be seen after a fence.i.
 */
#include "guest.h"

static u16 pages[2][2048] PAGE_ALIGNED;

volatile u64 rounds;	/* how many are over; the host counts them */

#define WRITTEN 1
#define EXECUTED 16

static void write_function(volatile u32 *to, u64 result)
{
	to[0] = 0x00000513 | result << 20;	/* li a0, result */
	to[1] = 0x00008067;			/* ret */
}

static void supervisor(void)
{
	volatile u32 *word = (volatile u32 *)window(WRITTEN, 0);
	volatile u16 *half = (volatile u16 *)window(WRITTEN, 0);
	u64 (*inside)(void) = (u64 (*)(void))window(EXECUTED, 0);
	u64 (*second)(void) = (u64 (*)(void))window(EXECUTED, 0x400);
	u64 (*across)(void) = (u64 (*)(void))window(EXECUTED, 0xffe);
	u64 seen = 0;

	for (u64 i = 0; i < 2; i++) {
		map_page(WRITTEN + i, (u64)pages[i], PTE_V | PTE_R | PTE_W | PTE_A | PTE_D);
		map_page(EXECUTED + i, (u64)pages[i], PTE_V | PTE_R | PTE_X | PTE_A);
	}
	for (u64 i = 1; i < 6; i++) {
		write_function(word, i);
		fence_i();
		seen = seen << 4 | inside();
	}
	report("written through another mapping", seen);

	/* The store that changes the first must not hide the one that changes the second. */
	seen = 0;
	for (u64 i = 1; i < 6; i++) {
		write_function(word, i);
		write_function(word + 0x100, i + 8);
		fence_i();
		seen = (seen << 4 | inside()) << 4 | second();
	}
	report("two functions in a page", seen);

	/* The same with the first half of li in one page and its number in the next. */
	half[2047] = 0x0513;
	half[2049] = 0x8067;
	half[2050] = 0;
	seen = 0;
	for (u64 i = 1; i < 6; i++) {
		half[2048] = i << 4;
		fence_i();
		seen = seen << 4 | across();
	}
	report("over the end of a page", seen);
}

void aliases(void)
{
	trap_init();
	paging_init();
	run_in(MODE_S, supervisor);
}

/* The host changes the function at its physical address, then says that the round is over. */
u32 rewritten[2] __attribute__((aligned(8))) = { 0x00100513, 0x00008067 };

static void call_rewritten(void)
{
	u64 (*function)(void) = (u64 (*)(void))window(EXECUTED, (u64)rewritten & 0xfff);

	map_page(EXECUTED, (u64)rewritten & -4096UL, PTE_V | PTE_R | PTE_X | PTE_A);
	for (u64 i = 1; i < 6; i++) {
		put('0' + function());
		while (rounds != i)
			;
		fence_i();
	}
}

void host_writes(void)
{
	trap_init();
	paging_init();
	run_in(MODE_S, call_rewritten);
}
