/*
 * Trap handlers for M- and S-mode that log what came and let the program go on.
 */
#include "guest.h"

#define CAUSE_INTERRUPT (1UL << 63)
#define CAUSE_U_ECALL 8
#define CAUSE_M_ECALL 11

#define REPORTED_STATUS (MSTATUS_MPP | SSTATUS_SUM | SSTATUS_MXR | 0x1aaUL)

volatile struct trap last_trap;
volatile u64 resume_at;

static u64 instruction_length(u64 address)
{
	return (*(volatile u16 *)address & 3) == 3 ? 4 : 2;
}

static void log_trap(u64 mode, u64 cause, u64 epc, u64 tval, u64 status)
{
	last_trap.count++;
	last_trap.mode = mode;
	last_trap.cause = cause;
	last_trap.epc = epc;
	last_trap.tval = tval;
	last_trap.status = status;
}

static u64 behind(u64 epc)
{
	u64 next = resume_at;

	resume_at = 0;
	return next ? next : epc + instruction_length(epc);
}

static void __attribute__((interrupt("machine"), aligned(4))) machine_trap(void)
{
	u64 cause = csr_read(mcause), epc = csr_read(mepc);

	log_trap(MODE_M, cause, epc, csr_read(mtval), csr_read(mstatus));
	if (cause & CAUSE_INTERRUPT) {
		csr_clear(mie, 1UL << (cause & 63));
		csr_clear(mstatus, MSTATUS_MPIE);
		return;
	}
	/* An ecall of run_in comes back to M-mode; everything else goes on where it was. */
	if (cause >= CAUSE_U_ECALL && cause < CAUSE_M_ECALL)
		csr_set(mstatus, MSTATUS_MPP);
	csr_write(mepc, cause >= CAUSE_U_ECALL && cause <= CAUSE_M_ECALL ? epc + 4 : behind(epc));
}

static void __attribute__((interrupt("supervisor"), aligned(4))) supervisor_trap(void)
{
	u64 cause = csr_read(scause), epc = csr_read(sepc);

	log_trap(MODE_S, cause, epc, csr_read(stval), csr_read(sstatus));
	if (cause & CAUSE_INTERRUPT) {
		csr_clear(sie, 1UL << (cause & 63));
		csr_clear(sstatus, MSTATUS_SPIE);
		return;
	}
	csr_write(sepc, behind(epc));
}

void trap_init(void)
{
	csr_write(mtvec, machine_trap);
	csr_write(stvec, supervisor_trap);
	/* One region that lets every mode do everything. */
	csr_write(pmpaddr0, -1UL >> 10);
	csr_write(pmpcfg0, 0x1f);
}

void report_trap(const char *name)
{
	print(name);
	print(": count ");
	print_hex(last_trap.count);
	print(" mode ");
	print_hex(last_trap.mode);
	print(" cause ");
	print_hex(last_trap.cause);
	print(" tval ");
	print_hex(last_trap.tval);
	print(" status ");
	print_hex(last_trap.status & REPORTED_STATUS);
	put('\n');
	memset((void *)&last_trap, 0, sizeof(last_trap));
}

void jump(u64 address)
{
	asm volatile("la t0, 1f\n\tsd t0, %0\n\tjr %1\n1:" : "=m"(resume_at) : "r"(address) : "t0", "memory");
}

void run_in(u64 mode, void (*function)(void))
{
	asm volatile("csrc mstatus, %0\n\tcsrs mstatus, %1\n\tla t0, 1f\n\tcsrw mepc, t0\n\tmret\n1:"
		     : : "r"(MSTATUS_MPP | MSTATUS_MPIE), "r"(mode << MSTATUS_MPP_SHIFT) : "t0", "memory");
	function();
	asm volatile("ecall" : : : "memory");
}
