/* The registers of interrupted code, as entry.S stores them. */
#ifndef PTRACE_H
#define PTRACE_H

#define PT_EPC 0
#define PT_STATUS 256
#define PT_BADADDR 264
#define PT_CAUSE 272
#define PT_SIZE 288 /* a multiple of 16: the stack stays aligned */

#ifndef __ASSEMBLER__

#include "types.h"

struct pt_regs {
	union {
		unsigned long gpr[32]; /* by number; the place of x0 holds epc */
		struct {
			unsigned long epc, ra, sp, gp, tp, t0, t1, t2, s0, s1, a0, a1, a2, a3, a4, a5,
				a6, a7, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, t3, t4, t5, t6;
		};
	};
	unsigned long status, badaddr, cause;
	unsigned long pad;
};

_Static_assert(sizeof(struct pt_regs) == PT_SIZE, "PT_SIZE");
_Static_assert(offsetof(struct pt_regs, status) == PT_STATUS, "PT_STATUS");

/* Sets stvec and sie: at boot, and again when a resume finds a hart that has just been reset. */
void trap_init(void);
void show_regs(const struct pt_regs *regs);
/* Prints return addresses, newest first, following the chain of frame pointers from fp. */
void dump_backtrace(unsigned long fp);

#endif
#endif
