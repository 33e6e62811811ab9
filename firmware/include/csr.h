/*
 * csr.h - control and status registers of M-mode (RISC-V privileged specification 1.12), for C and assembly.
 */
#ifndef CSR_H
#define CSR_H

#define MSTATUS_SIE		(1 << 1)
#define MSTATUS_SPIE		(1 << 5)
#define MSTATUS_MPIE		(1 << 7)
#define MSTATUS_SPP		(1 << 8)
#define MSTATUS_VS		(3 << 9)
#define MSTATUS_MPP		(3 << 11)
#define MSTATUS_MPP_S		(1 << 11)
#define MSTATUS_MPP_M		(3 << 11)
#define MSTATUS_FS		(3 << 13)
#define MSTATUS_MPRV		(1 << 17)
#define MSTATUS_SUM		(1 << 18)
#define MSTATUS_MXR		(1 << 19)
#define MSTATUS_TVM		(1 << 20)
#define MSTATUS_TW		(1 << 21)
#define MSTATUS_TSR		(1 << 22)

/* What supervisor_enter() clears: an S-mode that starts finds no state of the one before it, and no trap on TVM etc. */
#define MSTATUS_FRESH		(MSTATUS_SIE | MSTATUS_SPIE | MSTATUS_MPIE | MSTATUS_SPP | MSTATUS_VS | MSTATUS_MPP | \
				 MSTATUS_FS | MSTATUS_MPRV | MSTATUS_SUM | MSTATUS_MXR | MSTATUS_TVM | MSTATUS_TW | \
				 MSTATUS_TSR)

#define MIP_SSIP		(1 << 1)
#define MIP_STIP		(1 << 5)
#define MIP_MTIP		(1 << 7)
#define MIP_SEIP		(1 << 9)

#define CAUSE_INTERRUPT		(1UL << 63)
#define CAUSE_MACHINE_TIMER	(CAUSE_INTERRUPT | 7)

#define CAUSE_MISALIGNED_FETCH	0
#define CAUSE_ILLEGAL		2
#define CAUSE_BREAKPOINT	3
#define CAUSE_MISALIGNED_LOAD	4
#define CAUSE_MISALIGNED_STORE	6
#define CAUSE_USER_ECALL	8
#define CAUSE_SUPERVISOR_ECALL	9
#define CAUSE_FETCH_PAGE_FAULT	12
#define CAUSE_LOAD_PAGE_FAULT	13
#define CAUSE_STORE_PAGE_FAULT	15

#define MCOUNTEREN_CY		(1 << 0)
#define MCOUNTEREN_TM		(1 << 1)
#define MCOUNTEREN_IR		(1 << 2)

/* Newer than the assembler's base set, so by number. */
#define CSR_STIMECMP		0x14d
#define CSR_MENVCFG		0x30a

#define MENVCFG_CBIE_INVAL	(3UL << 4)
#define MENVCFG_CBCFE		(1UL << 6)
#define MENVCFG_CBZE		(1UL << 7)
#define MENVCFG_PBMTE		(1UL << 62)
#define MENVCFG_STCE		(1UL << 63)

#define PMP_R			(1UL << 0)
#define PMP_W			(1UL << 1)
#define PMP_X			(1UL << 2)
#define PMP_NAPOT		(3UL << 3)

#ifndef __ASSEMBLER__

#define _CSR_NAME(csr)		#csr
#define CSR_NAME(csr)		_CSR_NAME(csr)

#define csr_read(csr)						\
({								\
	unsigned long __value;					\
	__asm__ volatile ("csrr %0, " CSR_NAME(csr)		\
			  : "=r" (__value) : : "memory");	\
	__value;						\
})

#define csr_write(csr, value)					\
	__asm__ volatile ("csrw " CSR_NAME(csr) ", %0"		\
			  : : "rK" ((unsigned long)(value)) : "memory")

#define csr_set(csr, bits)					\
	__asm__ volatile ("csrs " CSR_NAME(csr) ", %0"		\
			  : : "rK" ((unsigned long)(bits)) : "memory")

#define csr_clear(csr, bits)					\
	__asm__ volatile ("csrc " CSR_NAME(csr) ", %0"		\
			  : : "rK" ((unsigned long)(bits)) : "memory")

#endif
#endif
