/*
 * Trap entry and exit. There is no user mode: every trap comes from a kernel thread and runs on its
 * stack. Above the saved registers lies a frame record like any function's, made of the interrupted
 * pc and frame pointer, so that a backtrace runs through the trap.
 */
#include "ptrace.h"

#define GPRS_BUT_SP \
	1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
#define FRAME_SIZE (PT_SIZE + 16)

	.text
	.balign 4
	.globl handle_exception
handle_exception:
	addi sp, sp, -FRAME_SIZE
	.irp n, GPRS_BUT_SP
	sd x\n, 8 * \n(sp)
	.endr
	addi t0, sp, FRAME_SIZE
	csrr t1, sepc
	csrr t2, sstatus
	csrr t3, stval
	csrr t4, scause
	sd t0, 8 * 2(sp)
	sd t1, PT_EPC(sp)
	sd t2, PT_STATUS(sp)
	sd t3, PT_BADADDR(sp)
	sd t4, PT_CAUSE(sp)

	sd s0, PT_SIZE(sp)
	sd t1, PT_SIZE + 8(sp)
	mv s0, t0
	mv a0, sp
	call do_trap

	ld t1, PT_EPC(sp)
	ld t2, PT_STATUS(sp)
	csrw sepc, t1
	csrw sstatus, t2
	.irp n, GPRS_BUT_SP
	ld x\n, 8 * \n(sp)
	.endr
	addi sp, sp, FRAME_SIZE
	sret

/*
 * int get_kernel_nofault(u8 *value, const void *addr), int put_kernel_nofault(void *addr, u8 value):
 * do_trap() sends a fault at 1b to the address that the exception table pairs with it.
 */
	.macro ex_table insn, fixup
	.pushsection __ex_table, "a"
	.dword \insn, \fixup
	.popsection
	.endm

	.globl get_kernel_nofault
get_kernel_nofault:
1:	lbu t0, (a1)
	sb t0, (a0)
	li a0, 0
	ret
	ex_table 1b, nofault_failed

	.globl put_kernel_nofault
put_kernel_nofault:
1:	sb a1, (a0)
	li a0, 0
	ret
	ex_table 1b, nofault_failed

nofault_failed:
	li a0, -14		/* -EFAULT */
	ret
