/*
 * hart.h - the hart: M-mode setup, memory protection, traps, and the way into S-mode.
 */
#ifndef HART_H
#define HART_H

#define TRAP_X(n)	((n) * 8)	/* offsets in struct trap_regs, for trap.S */
#define TRAP_MEPC	256
#define TRAP_MSTATUS	264
#define TRAP_REGS_SIZE	272

#ifndef __ASSEMBLER__

#include <stdbool.h>
#include <stdint.h>

#define REG_A0	10	/* indices into trap_regs.x */
#define REG_A1	11
#define REG_A6	16
#define REG_A7	17

/* What trap.S saves of the interrupted context, and restores from. x[0] is unused. */
struct trap_regs {
	unsigned long x[32];
	unsigned long mepc;
	unsigned long mstatus;
};

_Static_assert(sizeof(struct trap_regs) == TRAP_REGS_SIZE, "trap.S knows this layout");

/* hart.c */
extern bool hart_has_sstc;
void hart_init(void);
void hart_wait(void);

/* pmp.c */
void pmp_init(void);
void pmp_set_ram(uint64_t base, uint64_t size);
bool pmp_supervisor_owns(uint64_t base, uint64_t size);

/* trap.S */
void trap_entry(void);
_Noreturn void supervisor_enter(unsigned long hartid, unsigned long opaque, unsigned long address);

/* trap.c */
void trap_handler(struct trap_regs *regs);

/* panic.c */
_Noreturn void panic(const char *why);
_Noreturn void panic_trap(const struct trap_regs *regs);

#endif
#endif
