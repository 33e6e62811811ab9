/*
 * Guests that die: each of these leaves the hart without a trap handler that can run.
 */
#include "guest.h"

#define NOTHING 0x00200000UL

/* mtvec is still 0. */
void die_without_handler(void)
{
	store(NOTHING, 1);
}

void die_in_nowhere(void)
{
	((void (*)(void))NOTHING)();
}

void die_in_device(void)
{
	((void (*)(void))BOARD_UART_BASE)();
}

/* The handler's second instruction faults itself. */
asm(".text\n.balign 4\nfaulting_handler:\n\tnop\n\tld zero, 0(zero)\n\tmret\n");
extern char faulting_handler[];

void die_in_handler(void)
{
	csr_write(mtvec, faulting_handler);
	asm volatile("ecall");
}

/* A kernel whose stack has run into its guard page: the handler's first store faults again. */
asm(".text\n.balign 4\npushing_handler:\n\taddi sp, sp, -256\n\tsd ra, 0(sp)\n\tsret\n");
extern char pushing_handler[];

static void overflow_stack(void)
{
	csr_write(stvec, pushing_handler);
	asm volatile("mv sp, %0\n\tsd zero, -8(sp)" : : "r"(window(1, 0)) : "memory");
}

void die_of_stack_overflow(void)
{
	trap_init();
	csr_write(medeleg, 0xb0ff);
	paging_init();
	run_in(MODE_S, overflow_stack);
}

/* A kernel that lost its page table, handler and all. */
static void unmap_everything(void)
{
	set_root_entry(BOARD_DRAM_BASE >> 30, 0);
}

void die_unmapped(void)
{
	trap_init();
	csr_write(medeleg, 0xb0ff);
	paging_init();
	run_in(MODE_S, unmap_everything);
}

/* An interrupt, not an exception, whose vector leads nowhere. */
void die_of_interrupt(void)
{
	csr_write(mtvec, NOTHING);
	csr_write(mie, 1UL << IRQ_MSI);
	*MSIP = 1;
	csr_set(mstatus, MSTATUS_MIE);
	for (;;)
		;
}

/* Not dead: an exception handler that is used very often, from one place, in M-mode. */
void survive(void)
{
	trap_init();
	for (int i = 0; i < 5000; i++)
		asm volatile("ecall");
	report("count", last_trap.count);
}

/* Not dead either: it only waits, for ever. */
void sleep(void)
{
	for (;;)
		wfi();
}
