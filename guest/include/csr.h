/* Supervisor CSRs: numbers' fields and accessors (RISC-V privileged specification, chapter 4). */
#ifndef CSR_H
#define CSR_H

#define SR_SIE 0x002 /* interrupts on */

#define IRQ_S_TIMER 5
#define IRQ_S_EXT 9
#define IE_TIE (1UL << IRQ_S_TIMER)
#define IE_EIE (1UL << IRQ_S_EXT)

#define CAUSE_IRQ_FLAG (1UL << 63)
#define EXC_INST_MISALIGNED 0
#define EXC_INST_ACCESS 1
#define EXC_INST_ILLEGAL 2
#define EXC_BREAKPOINT 3
#define EXC_LOAD_MISALIGNED 4
#define EXC_LOAD_ACCESS 5
#define EXC_STORE_MISALIGNED 6
#define EXC_STORE_ACCESS 7
#define EXC_INST_PAGE_FAULT 12
#define EXC_LOAD_PAGE_FAULT 13
#define EXC_STORE_PAGE_FAULT 15

#define SATP_MODE_39 0x8000000000000000

#ifndef __ASSEMBLER__

#define csr_read(csr)                                                                             \
	({                                                                                        \
		unsigned long _v;                                                                 \
		__asm__ volatile("csrr %0, " #csr : "=r"(_v) : : "memory");                       \
		_v;                                                                               \
	})
#define csr_write(csr, val)                                                                       \
	__asm__ volatile("csrw " #csr ", %0" : : "rK"((unsigned long)(val)) : "memory")
#define csr_set(csr, bits)                                                                        \
	__asm__ volatile("csrs " #csr ", %0" : : "rK"((unsigned long)(bits)) : "memory")
#define csr_clear(csr, bits)                                                                      \
	__asm__ volatile("csrc " #csr ", %0" : : "rK"((unsigned long)(bits)) : "memory")
#define csr_read_clear(csr, bits)                                                                 \
	({                                                                                        \
		unsigned long _v;                                                                 \
		__asm__ volatile("csrrc %0, " #csr ", %1"                                         \
				 : "=r"(_v)                                                       \
				 : "rK"((unsigned long)(bits))                                    \
				 : "memory");                                                     \
		_v;                                                                               \
	})

#endif
#endif
