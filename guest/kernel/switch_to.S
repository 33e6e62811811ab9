/*
 * struct task_struct *__switch_to(struct task_struct *prev, struct task_struct *next)
 *
 * Saves what a function call preserves in prev->thread and loads next's: it returns in next, with prev. A new
 * thread's first return goes to ret_from_fork.
 */
	.text
	.globl __switch_to
__switch_to:
	sd ra, 0(a0)
	sd sp, 8(a0)
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
	sd s\n, 16 + 8 * \n(a0)
	.endr
	ld ra, 0(a1)
	ld sp, 8(a1)
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
	ld s\n, 16 + 8 * \n(a1)
	.endr
	mv tp, a1
	ret

	.globl ret_from_fork
ret_from_fork:
	li s0, 0		/* ends the chain of frames */
	call task_entry
