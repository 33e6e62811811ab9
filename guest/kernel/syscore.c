/* The list of system core operations. */
#include "syscore_ops.h"

#include "irqflags.h"
#include "time.h"

static LIST_HEAD(syscore_ops_list);

void register_syscore_ops(struct syscore_ops *ops)
{
	list_add_tail(&ops->node, &syscore_ops_list);
}

void syscore_suspend(void)
{
	struct syscore_ops *ops;

	WARN_ON(!irqs_disabled());
	list_for_each_entry_reverse(ops, &syscore_ops_list, node)
		if (ops->suspend)
			ops->suspend();
	timekeeping_suspend();
}

void syscore_resume(void)
{
	struct syscore_ops *ops;

	WARN_ON(!irqs_disabled());
	timekeeping_resume();
	list_for_each_entry(ops, &syscore_ops_list, node)
		if (ops->resume)
			ops->resume();
}
