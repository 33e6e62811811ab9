/*
 * reset.S - where the hart starts.
 *
 * On entry: a0 = hart id, a1 = device tree, a2 = struct fw_dynamic_info (see boot.c). M-mode, everything else
 * undefined.
 *
 * RAM may hold a platform hibernation's image. Then resume_point (sbi_susp.c) carries its magic, and .bss belongs to
 * that image: it must not be cleared.
 */
#include "sbi.h"

	.section .text.reset, "ax"
	.globl	_start
_start:
	csrw	mie, zero
	csrr	t0, mhartid
	bnez	t0, park		/* the firmware serves one hart */

	la	t0, trap_entry
	csrw	mtvec, t0
	csrw	mscratch, zero		/* "in M-mode": a trap from here on is a panic */
	la	sp, _stack_top
	li	s0, 0			/* end of the chain of frames */
	li	ra, 0

	la	t0, resume_point
	ld	t0, RESUME_POINT_MAGIC(t0)
	li	t1, RESUME_MAGIC
	bne	t0, t1, cold
	tail	resume

cold:
	la	t0, _bss_start
	la	t1, _bss_end
1:	bgeu	t0, t1, 2f
	sd	zero, (t0)
	addi	t0, t0, 8
	j	1b
2:	tail	boot

park:
	wfi
	j	park
