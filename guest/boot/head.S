/*
 * Kernel entry. Firmware jumps to _start at its physical address with
 *   a0 = hart id, a1 = device tree (physical), satp = 0, supervisor mode, interrupts off.
 * Until the jump high all addresses are pc-relative, hence physical.
 */
#include "csr.h"
#include "page.h"
#include "pgtable.h"

	.section .head.text, "ax"
	.globl _start
_start:
	csrw sie, zero
	mv s1, a1

	la t0, __bss_start
	la t1, __bss_stop
1:	sd zero, (t0)
	addi t0, t0, 8
	bltu t0, t1, 1b

	/* The code below runs at both addresses: early_pg_dir maps it twice. */
	la t0, early_pg_dir
	srli t0, t0, PAGE_SHIFT
	li t1, SATP_MODE_39
	or t0, t0, t1
	sfence.vma
	csrw satp, t0
	sfence.vma
	ld t0, high_address
	jr t0
high:
	la tp, init_task
	la sp, init_stack
	li t0, THREAD_SIZE
	add sp, sp, t0
	li s0, 0		/* ends the chain of frames */
	mv a0, s1
	call start_kernel
1:	wfi
	j 1b

	.balign 8
high_address:
	.dword high

/*
 * The page table of the first moments: 1 GiB leaves, all rights. The linear map whole (the device tree
 * may be anywhere), and the kernel's own gigabyte at its physical address.
 */
	.section .data
	.balign PAGE_SIZE
	.globl early_pg_dir
early_pg_dir:
	.set index, 0
	.rept PTRS_PER_TABLE
	.if index == 2
	.dword ((index << PGDIR_SHIFT) >> PAGE_SHIFT << _PAGE_PFN_SHIFT) | PAGE_KERNEL_EXEC
	.elseif index >= 256
	.dword (((index - 256) << PGDIR_SHIFT) >> PAGE_SHIFT << _PAGE_PFN_SHIFT) | PAGE_KERNEL_EXEC
	.else
	.dword 0
	.endif
	.set index, index + 1
	.endr
