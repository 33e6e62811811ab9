/*
 * traps.c - which traps reach S-mode, and how they look there; PMP; the counters.
 */
#include "board.h"
#include "payload.h"

static void illegal(unsigned long unused)
{
	__asm__ volatile (".word 0");
}

static void breakpoint(unsigned long unused)
{
	__asm__ volatile ("ebreak");
}

static void load(unsigned long address)
{
	load_from(address);
}

static void jump(unsigned long address)
{
	((void (*)(void))address)();
}

/* Go to U-mode (bare addressing: no page table is needed) with a0 = the firmware's memory. */
static void enter_user(unsigned long address)
{
	csr_write(sepc, address);
	csr_clear(sstatus, SSTATUS_SPP | SSTATUS_SPIE);
	__asm__ volatile ("mv a0, %0; sret" : : "r" (BOARD_FIRMWARE_BASE + 0UL) : "a0", "memory");
}

/* Did the last trap have this cause, tell this address, and come from S-mode? */
static bool trap_was(unsigned long scause, unsigned long stval)
{
	return trapped.scause == scause && trapped.stval == stval && trapped.sstatus & SSTATUS_SPP;
}

static void check_pmp(const char *name, void (*access)(unsigned long), unsigned long scause, void *sepc)
{
	unsigned long address = BOARD_FIRMWARE_BASE;

	check(name, catch(access, address) && trap_was(scause, address) &&
	      trapped.sepc == (sepc ? (unsigned long)sepc : address));
}

/* Our firmware's region reaches up to the kernel; others' are smaller. */
void check_own_region(void)
{
	unsigned long last = BOARD_KERNEL_BASE - 8UL;

	check("pmp.last_word", catch(load, last) && trap_was(SCAUSE_LOAD_ACCESS, last));
}

/* The redirected trap keeps SIE in SPIE, and turns it off, just as the hardware does. */
static void load_with_interrupts_on(unsigned long address)
{
	csr_write(sie, 0UL);
	csr_set(sstatus, SSTATUS_SIE);
	load_from(address);
}

static void check_counters(void)
{
	unsigned long time = csr_read(time), cycle = csr_read(cycle), instret = csr_read(instret);

	while (csr_read(time) == time)
		;
	check("counters.time", csr_read(time) - time < BOARD_MTIME_HZ);
	check("counters.cycle", csr_read(cycle) > cycle);
	check("counters.instret", csr_read(instret) > instret);
}

void check_traps(void)
{
	unsigned long firmware = BOARD_FIRMWARE_BASE;

	check("trap.illegal", catch(illegal, 0) && trapped.scause == SCAUSE_ILLEGAL && trapped.sstatus & SSTATUS_SPP);
	check("trap.breakpoint", catch(breakpoint, 0) && trapped.scause == SCAUSE_BREAKPOINT);
	check("trap.user_ecall", catch(enter_user, (unsigned long)user_ecall) &&
	      trapped.scause == SCAUSE_USER_ECALL && !(trapped.sstatus & SSTATUS_SPP));

	check_pmp("pmp.load", load, SCAUSE_LOAD_ACCESS, load_instruction);
	check_pmp("pmp.store", store_to, SCAUSE_STORE_ACCESS, store_instruction);
	check_pmp("pmp.fetch", jump, SCAUSE_FETCH_ACCESS, NULL);
	check("pmp.user_load", catch(enter_user, (unsigned long)user_load) &&
	      trapped.scause == SCAUSE_LOAD_ACCESS && trapped.stval == firmware &&
	      trapped.sepc == (unsigned long)user_load && !(trapped.sstatus & SSTATUS_SPP));
	check("pmp.open_behind", !catch(load, BOARD_KERNEL_BASE));

	check("trap.redirect_keeps_sie", catch(load_with_interrupts_on, firmware) &&
	      (trapped.sstatus & (SSTATUS_SIE | SSTATUS_SPIE)) == SSTATUS_SPIE);
	csr_clear(sstatus, SSTATUS_SIE);
	check("trap.redirect_keeps_sie_off", catch(load, firmware) &&
	      !(trapped.sstatus & (SSTATUS_SIE | SSTATUS_SPIE)));
	check_counters();
}
