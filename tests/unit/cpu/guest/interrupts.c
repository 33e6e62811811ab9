/*
 * Which interrupt goes to whom, and when (golden/interrupts.txt, as QEMU has it); and in which order.
 */
#include "guest.h"

#define S_INTERRUPTS (1UL << IRQ_SSI | 1UL << IRQ_STI | 1UL << IRQ_SEI)

static void spin(void)
{
	while (!last_trap.count)
		;
	report_trap("taken while spinning");
}

void interrupts(void)
{
	trap_init();
	csr_write(mideleg, S_INTERRUPTS);

	csr_set(mip, S_INTERRUPTS);
	print("disabled in S-mode, but U-mode is below\n");
	csr_write(mie, 1UL << IRQ_SEI);
	csr_clear(sstatus, MSTATUS_SIE);
	run_in(MODE_U, spin);
	report_trap("back");

	print("M-mode's go first, whatever S-mode allows\n");
	*MSIP = 1;
	*MTIMECMP = 0;
	csr_write(mie, S_INTERRUPTS | 1UL << IRQ_MSI | 1UL << IRQ_MTI);
	run_in(MODE_S, spin);
	report_trap("back");
	print("not delegated: M-mode's too\n");
	csr_write(mideleg, 0);
	csr_write(mie, 1UL << IRQ_SEI);
	run_in(MODE_S, spin);
	report_trap("back");

	print("a wfi ends with what is enabled one by one, even if it is not taken\n");
	csr_write(mie, 1UL << IRQ_MSI);
	wfi();
	report_trap("nothing taken");
	*MSIP = 0;
	*MTIMECMP = NEVER;

	print("vectored\n");
	extern char vectors[];
	csr_write(mtvec, vectors + 1);
	csr_write(mie, 1UL << IRQ_SSI);
	csr_set(mstatus, MSTATUS_MIE);
	asm volatile("nop");
	csr_clear(mstatus, MSTATUS_MIE);
	report_trap("nothing logged");
}

/* A vector table of which only the entry of SSIP returns; it clears the interrupt. */
asm(".text\n.balign 256\n.option push\n.option norvc\nvectors:\n\tj vectors\n\tj 1f\n\tj vectors\n"
    "1:\n\tcsrc mip, 2\n\tmret\n.option pop\n");

static void take_all(void)
{
	/* The handler disables what it took, so that the next one comes. */
	while (csr_read(sie)) {
		csr_set(sstatus, MSTATUS_SIE);
		asm volatile("nop");
		report("taken", last_trap.cause);
	}
}

/* The order of the specification, which QEMU before 8 does not keep. */
void priorities(void)
{
	trap_init();
	csr_write(mideleg, S_INTERRUPTS);
	csr_set(mip, S_INTERRUPTS);
	csr_write(mie, S_INTERRUPTS);
	run_in(MODE_S, take_all);

	csr_write(mideleg, 0);
	*MSIP = 1;
	*MTIMECMP = 0;
	csr_write(mie, S_INTERRUPTS | 1UL << IRQ_MSI | 1UL << IRQ_MTI);
	while (csr_read(mie)) {
		csr_set(mstatus, MSTATUS_MIE);
		asm volatile("nop");
		report("taken", last_trap.cause);
	}
}
