/*
 * trap.S - into M-mode and out of it.
 *
 * While S- or U-mode runs, mscratch holds the firmware's stack; while the firmware runs, it holds 0. So a trap that
 * finds 0 interrupted the firmware itself, whose stack pointer may be what went wrong: it is handled on a stack of
 * its own, and never returns.
 *
 * Above the saved registers stands a frame record as a function's prologue makes one (return address at fp - 8,
 * caller's fp at fp - 16), so that a backtrace goes from the firmware into the code that trapped.
 */
#include "csr.h"
#include "hart.h"

#define FRAME	(TRAP_REGS_SIZE + 16)

	.macro	each_register op	/* all but sp */
	.irp	n, 1,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	\op	x\n, TRAP_X(\n)(sp)
	.endr
	.endm

	.text
	.globl	trap_entry
	.balign	4
trap_entry:
	csrrw	sp, mscratch, sp
	bnez	sp, 1f
	la	sp, _panic_stack_top
1:	addi	sp, sp, -FRAME
	each_register sd
	csrrw	t0, mscratch, zero
	sd	t0, TRAP_X(2)(sp)
	csrr	t0, mepc
	sd	t0, TRAP_MEPC(sp)
	sd	t0, FRAME - 8(sp)
	sd	s0, FRAME - 16(sp)
	csrr	t0, mstatus
	sd	t0, TRAP_MSTATUS(sp)
	addi	s0, sp, FRAME
	mv	a0, sp
	call	trap_handler

	ld	t0, TRAP_MEPC(sp)
	csrw	mepc, t0
	ld	t0, TRAP_MSTATUS(sp)
	csrw	mstatus, t0
	addi	t0, sp, FRAME
	csrw	mscratch, t0
	each_register ld
	ld	sp, TRAP_X(2)(sp)
	mret

/*
 * void supervisor_enter(hartid, opaque, address): S-mode at a physical address, as the boot protocol and every SBI
 * function with a start or resume address define it: satp = 0, interrupts off, a0 = hart id, a1 = opaque.
 */
	.globl	supervisor_enter
supervisor_enter:
	la	t0, _stack_top
	csrw	mscratch, t0
	csrw	mepc, a2
	csrw	satp, zero
	sfence.vma
	li	t0, MSTATUS_FRESH
	csrc	mstatus, t0
	li	t0, MSTATUS_MPP_S
	csrs	mstatus, t0
	fence.i				/* the code at address may have been stored a moment ago */
	mret
