/* Entry from the firmware: S-mode, no translation, zeroed .bss (both loaders clear what an ELF does not bring). */
	.section .text.start, "ax"
	.globl	_start
_start:
	la	sp, stack_top
	call	main
1:	wfi
	j	1b
