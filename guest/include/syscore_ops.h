/*
 * What must stop last and start first, with interrupts off: timekeeping, the interrupt controller.
 * suspend() order is the reverse of resume() order.
 */
#ifndef SYSCORE_OPS_H
#define SYSCORE_OPS_H

#include "list.h"

struct syscore_ops {
	struct list_head node;
	void (*suspend)(void);
	/* Also runs on a machine that has just been reset: set the hardware up afresh. */
	void (*resume)(void);
};

void register_syscore_ops(struct syscore_ops *ops);
void syscore_suspend(void);
void syscore_resume(void);

#endif
