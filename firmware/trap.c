/*
 * trap.c - what reaches M-mode: SBI calls, the machine timer, and the exceptions that are not delegated.
 */
#include "csr.h"
#include "hart.h"
#include "sbi.h"

/*
 * Hand an exception on to S-mode as if it had been delegated (privileged specification 1.12, 3.1.6.1 and 4.1.1).
 * Exceptions go to stvec's base whatever its mode.
 */
static void redirect(struct trap_regs *regs, unsigned long cause)
{
	unsigned long status = regs->mstatus;

	csr_write(scause, cause);
	csr_write(sepc, regs->mepc);
	csr_write(stval, csr_read(mtval));
	regs->mepc = csr_read(stvec) & ~3UL;

	regs->mstatus &= ~(unsigned long)(MSTATUS_SPP | MSTATUS_SPIE | MSTATUS_SIE | MSTATUS_MPP);
	if ((status & MSTATUS_MPP) == MSTATUS_MPP_S)
		regs->mstatus |= MSTATUS_SPP;
	if (status & MSTATUS_SIE)
		regs->mstatus |= MSTATUS_SPIE;
	regs->mstatus |= MSTATUS_MPP_S;
}

void trap_handler(struct trap_regs *regs)
{
	unsigned long cause = csr_read(mcause);

	if ((regs->mstatus & MSTATUS_MPP) == MSTATUS_MPP_M)
		panic_trap(regs);
	else if (cause == CAUSE_SUPERVISOR_ECALL)
		sbi_ecall(regs);
	else if (cause == CAUSE_MACHINE_TIMER)
		sbi_time_expired();
	else if (cause & CAUSE_INTERRUPT)
		panic_trap(regs);
	else
		redirect(regs, cause);
}
