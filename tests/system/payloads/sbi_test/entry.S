/*
 * entry.S - start of the payload, and the assembly that its checks need.
 *
 * catch(function, argument) calls a function and returns true if it ended in a trap, or in a start at resume_entry:
 * both record what they saw, then go back to where catch() was called.
 */
	.macro	saved_registers op
	\op	ra, 0(t0)
	\op	sp, 8(t0)
	.irp	n, 0,1,2,3,4,5,6,7,8,9,10,11
	\op	s\n, 16 + 8 * \n(t0)
	.endr
	.endm

	.section .text.start, "ax"
	.globl	_start
_start:
	la	sp, _stack_top
	la	t0, trap_vector
	csrw	stvec, t0
	li	s0, 0
	li	ra, 0
	tail	payload_main

	.text
	.globl	catch
catch:
	la	t0, catch_frame
	saved_registers sd
	mv	t1, a0
	mv	a0, a1
	jalr	t1
	la	t0, catch_frame
	saved_registers ld
	li	a0, 0
	ret

	.balign	4
trap_vector:
	la	t0, trapped
	csrr	t1, scause
	sd	t1, 0(t0)
	csrr	t1, sepc
	sd	t1, 8(t0)
	csrr	t1, stval
	sd	t1, 16(t0)
	csrr	t1, sstatus
	sd	t1, 24(t0)
caught:
	la	t0, catch_frame
	saved_registers ld
	li	a0, 1
	ret

	.globl	resume_entry
	.balign	4
resume_entry:
	la	t0, resumed
	sd	a0, 0(t0)
	sd	a1, 8(t0)
	csrr	t1, satp
	sd	t1, 16(t0)
	csrr	t1, sstatus
	sd	t1, 24(t0)
	la	t0, trap_vector		/* a new machine knows nothing of the CSRs of the old one */
	csrw	stvec, t0
	j	caught

	/* bool registers_survive_ecall(void): every register but a0 and a1, over a call of the Base extension */
#define PATTERN	0x5a0
	.globl	registers_survive_ecall
registers_survive_ecall:
	la	t0, survive_frame
	saved_registers sd
	.irp	n, 1,2,3,4,5,6,7,8,9,12,13,14,15,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	li	x\n, PATTERN + \n
	.endr
	li	a6, 0
	li	a7, 0x10
	ecall
	.irp	n, 1,2,3,4,5,6,7,8,9,12,13,14,15,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	li	a1, PATTERN + \n
	bne	x\n, a1, 1f
	.endr
	bnez	a6, 1f
	li	a1, 0x10
	bne	a7, a1, 1f
	bnez	a0, 1f
	li	a0, 1
	j	2f
1:	li	a0, 0
2:	la	t0, survive_frame
	saved_registers ld
	ret

	/* U-mode programs */
	.globl	user_ecall, user_load
	.balign	4
user_ecall:
	ecall
	.balign	4
user_load:
	ld	a0, (a0)

	/* Single instructions whose address a trap is expected to name. */
	.globl	load_from, load_instruction, store_to, store_instruction
load_from:
load_instruction:
	ld	a0, (a0)
	ret
store_to:
store_instruction:
	sd	zero, (a0)
	ret

	.bss
	.balign	8
	.globl	trapped, resumed
trapped:	.skip	32
resumed:	.skip	32
catch_frame:	.skip	112
survive_frame:	.skip	112
