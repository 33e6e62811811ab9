/*
 * hart.c - M-mode set up for an S-mode kernel, and waiting on its behalf.
 */
#include "csr.h"
#include "hart.h"
#include "sbi.h"

/*
 * Exceptions that S-mode takes by itself. Access faults stay here: they are the platform's answer (PMP, an empty
 * address), harts may hardwire their bits to 0, and redirect() in trap.c passes them on.
 */
#define DELEGATED_EXCEPTIONS					\
	(1 << CAUSE_MISALIGNED_FETCH | 1 << CAUSE_ILLEGAL |	\
	 1 << CAUSE_BREAKPOINT | 1 << CAUSE_MISALIGNED_LOAD |	\
	 1 << CAUSE_MISALIGNED_STORE | 1 << CAUSE_USER_ECALL |	\
	 1 << CAUSE_FETCH_PAGE_FAULT | 1 << CAUSE_LOAD_PAGE_FAULT | 1 << CAUSE_STORE_PAGE_FAULT)

#define SUPERVISOR_INTERRUPTS	(MIP_SSIP | MIP_STIP | MIP_SEIP)

bool hart_has_sstc;	/* S-mode has a timer of its own, stimecmp, and the device tree tells the kernel so */

/*
 * Write a CSR that the hart may not have; returns whether it has. A missing one traps to the label behind the write,
 * into which a hart that has it just walks.
 */
#define csr_try_write(csr, bits)					\
({									\
	unsigned long __vector;						\
	bool __done;							\
	__asm__ volatile (						\
		"	la	%[done], 1f\n"				\
		"	csrrw	%[vector], mtvec, %[done]\n"		\
		"	li	%[done], 0\n"				\
		"	csrw	" CSR_NAME(csr) ", %[value]\n"		\
		"	li	%[done], 1\n"				\
		"	.balign	4\n"					\
		"1:	csrw	mtvec, %[vector]\n"			\
		: [done] "=&r" (__done), [vector] "=&r" (__vector)	\
		: [value] "r" (bits)					\
		: "memory");						\
	__done;								\
})

void hart_init(void)
{
	csr_write(mie, 0);
	csr_clear(mip, SUPERVISOR_INTERRUPTS);
	csr_write(medeleg, DELEGATED_EXCEPTIONS);
	csr_write(mideleg, SUPERVISOR_INTERRUPTS);
	csr_write(mcounteren, MCOUNTEREN_CY | MCOUNTEREN_TM | MCOUNTEREN_IR);
	/* Linux leaves this one to the firmware, and lets programs read time (vDSO). */
	csr_write(scounteren, MCOUNTEREN_CY | MCOUNTEREN_TM | MCOUNTEREN_IR);

	/* What the device tree's ISA string may promise to S-mode, beyond the base. */
	hart_has_sstc = csr_try_write(CSR_STIMECMP, ~0UL);
	csr_try_write(CSR_MENVCFG, (hart_has_sstc ? MENVCFG_STCE : 0) | MENVCFG_PBMTE | MENVCFG_CBZE |
				   MENVCFG_CBCFE | MENVCFG_CBIE_INVAL);
	pmp_init();
	sbi_time_init();
}

/*
 * Wait until an interrupt that S-mode enabled in sie is pending, whatever its sstatus.SIE. The firmware's own timer
 * interrupt is not taken meanwhile (M-mode runs with interrupts off), only turned into S-mode's here.
 */
void hart_wait(void)
{
	for (;;) {
		unsigned long pending = csr_read(mip) & csr_read(mie);

		if (pending & SUPERVISOR_INTERRUPTS)
			return;
		if (pending & MIP_MTIP)
			sbi_time_expired();
		else
			__asm__ volatile ("wfi");
	}
}
