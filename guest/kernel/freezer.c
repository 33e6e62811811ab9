/*
 * The freezer. Two flags say whom it wants; a wanted task that reaches try_to_freeze() sleeps as
 * TASK_FROZEN until its flag is down, and no ordinary wake-up disturbs it.
 */
#include "freezer.h"

#include "irqflags.h"

#define FREEZE_TIMEOUT_NS (20 * NSEC_PER_SEC)

static bool pm_freezing;       /* user tasks */
static bool pm_nosig_freezing; /* freezable kernel threads as well */

bool freezing(const struct task_struct *task)
{
	if (task->flags & (PF_NOFREEZE | PF_SUSPEND_TASK))
		return false;
	return READ_ONCE(pm_nosig_freezing) || (READ_ONCE(pm_freezing) && !(task->flags & PF_KTHREAD));
}

bool try_to_freeze(void)
{
	bool was_frozen = false;

	if (likely(!freezing(current)))
		return false;
	for (;;) {
		set_current_state(TASK_FROZEN);
		if (!freezing(current))
			break;
		was_frozen = true;
		schedule();
	}
	set_current_state(TASK_RUNNING);
	return was_frozen;
}

void set_freezable(void)
{
	current->flags &= ~PF_NOFREEZE;
	try_to_freeze();
}

/* The number of tasks that should be frozen and are not; sleepers among them are sent on their way. */
static unsigned int freeze_round(bool report)
{
	struct task_struct *p;
	unsigned int todo = 0;

	preempt_disable();
	for_each_process(p) {
		if (!freezing(p) || p->state == TASK_FROZEN)
			continue;
		todo++;
		wake_up_process(p);
		if (report)
			pr_err("Freezing of tasks failed: %s (pid %d) refuses to freeze\n", p->comm, p->pid);
	}
	preempt_enable();
	return todo;
}

static int try_to_freeze_tasks(const char *what)
{
	u64 start = ktime_get_ns();

	while (freeze_round(false)) {
		if (ktime_get_ns() - start > FREEZE_TIMEOUT_NS) {
			freeze_round(true);
			return -EBUSY;
		}
		yield();
		if (freeze_round(false))
			msleep(1);
	}
	pr_info("Freezing %s completed (elapsed %llu us)\n", what, (ktime_get_ns() - start) / NSEC_PER_USEC);
	return 0;
}

int freeze_processes(void)
{
	int err;

	current->flags |= PF_SUSPEND_TASK;
	pm_freezing = true;
	err = try_to_freeze_tasks("user space processes");
	if (err)
		thaw_processes();
	return err;
}

int freeze_kernel_threads(void)
{
	int err;

	pm_nosig_freezing = true;
	err = try_to_freeze_tasks("remaining freezable tasks");
	if (err)
		thaw_kernel_threads();
	return err;
}

static void thaw_tasks(void)
{
	struct task_struct *p;

	preempt_disable();
	for_each_process(p)
		if (!freezing(p))
			wake_up_frozen(p);
	preempt_enable();
}

void thaw_kernel_threads(void)
{
	pm_nosig_freezing = false;
	thaw_tasks();
}

void thaw_processes(void)
{
	pm_nosig_freezing = false;
	pm_freezing = false;
	current->flags &= ~PF_SUSPEND_TASK;
	thaw_tasks();
	pr_info("Restarting tasks: done\n");
}
