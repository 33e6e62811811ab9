/*
 * The ends of two kernels' lives: the resuming one copies the image over itself and jumps, and the
 * image's wakes up with nothing but its RAM. Linux: arch/riscv/kernel/hibernate-asm.S.
 */
#include "csr.h"
#include "hibernate_asm.h"
#include "page.h"

	.section .text
	.globl hibernate_save_context
hibernate_save_context:
	sd ra, CONTEXT_RA(a0)
	sd sp, CONTEXT_SP(a0)
	sd gp, CONTEXT_GP(a0)
	sd tp, CONTEXT_TP(a0)
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
	sd s\n, (CONTEXT_S + 8 * \n)(a0)
	.endr
	csrr t0, satp
	sd t0, CONTEXT_SATP(a0)
	csrr t0, stvec
	sd t0, CONTEXT_STVEC(a0)
	csrr t0, sscratch
	sd t0, CONTEXT_SSCRATCH(a0)
	csrr t0, sie
	sd t0, CONTEXT_SIE(a0)
	li a0, 1
	ret

/*
 * The image's first instruction: from the loop below, or from firmware after a platform sleep. Both
 * enter at the physical address with satp = 0 and interrupts off. All else of the hart is new.
 */
	.balign 4
	.globl hibernate_resume_entry
hibernate_resume_entry:
	csrw sie, zero
	la t0, early_pg_dir	/* maps this code here and high */
	srli t0, t0, PAGE_SHIFT
	li t1, SATP_MODE_39
	or t0, t0, t1
	sfence.vma
	csrw satp, t0
	sfence.vma
	ld t0, resume_high_address
	jr t0
resume_high:
	la a0, hibernate_cpu_context
	ld t0, CONTEXT_SATP(a0)
	csrw satp, t0
	sfence.vma
	ld t0, CONTEXT_STVEC(a0)
	csrw stvec, t0
	ld t0, CONTEXT_SSCRATCH(a0)
	csrw sscratch, t0
	ld t0, CONTEXT_SIE(a0)
	csrw sie, t0
	ld ra, CONTEXT_RA(a0)
	ld sp, CONTEXT_SP(a0)
	ld gp, CONTEXT_GP(a0)
	ld tp, CONTEXT_TP(a0)
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
	ld s\n, (CONTEXT_S + 8 * \n)(a0)
	.endr
	li a0, 0
	ret

	.balign 8
resume_high_address:
	.dword resume_high

/*
 * void hibernate_restore_image(satp, code, list, entry): a0 is a page table that maps this code where it
 * is and all RAM at its physical address; goes on at a1, which is a copy of what follows.
 */
	.balign 4
	.globl hibernate_restore_image
hibernate_restore_image:
	sfence.vma
	csrw satp, a0
	sfence.vma
	jr a1

/*
 * Runs from a page that the image does not use, at its physical address: switches translation off,
 * copies each page of the list (struct pbe) to where it belongs, and enters the image. No stack.
 */
	.balign 4
	.globl hibernate_core_restore_code
hibernate_core_restore_code:
	csrw satp, zero
	sfence.vma
next_page:
	beqz a2, all_copied
	ld t0, PBE_COPY(a2)
	ld t1, PBE_ORIG(a2)
	ld a2, PBE_NEXT(a2)
	li t2, PAGE_SIZE
	add t2, t2, t0
copy:
	.irp offset, 0, 8, 16, 24, 32, 40, 48, 56
	ld t3, \offset(t0)
	sd t3, \offset(t1)
	.endr
	addi t0, t0, 64
	addi t1, t1, 64
	bltu t0, t2, copy
	j next_page
all_copied:
	fence.i
	jr a3
	.globl hibernate_core_restore_code_end
hibernate_core_restore_code_end:
