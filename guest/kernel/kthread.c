/* The life of a thread: created, run, asked to stop, freed. */
#include "irqflags.h"
#include "kernel.h"
#include "sched.h"
#include "slab.h"
#include "string.h"

static int next_pid = 1;

void free_task(struct task_struct *task)
{
	free_pages(task->stack, THREAD_ORDER);
	kfree(task);
}

/* Where a new task starts, on the way out of the switch to it: prev is the task that ran before. */
void task_entry(struct task_struct *prev)
{
	finish_task_switch(prev);
	local_irq_enable();
	current->exit_code = current->threadfn(current->data);
	schedule_dead();
}

static struct task_struct *create_task(int (*fn)(void *data), void *data, const char *name,
				       unsigned int task_flags)
{
	struct task_struct *task = kzalloc(sizeof(*task), GFP_KERNEL);
	unsigned long flags;

	if (!task)
		return ERR_PTR(-ENOMEM);
	task->stack = __get_free_pages(GFP_KERNEL, THREAD_ORDER);
	if (!task->stack) {
		kfree(task);
		return ERR_PTR(-ENOMEM);
	}
	set_stack_end(task);
	task->thread.ra = (unsigned long)ret_from_fork;
	task->thread.sp = (unsigned long)task->stack + THREAD_SIZE;
	task->threadfn = fn;
	task->data = data;
	task->flags = task_flags;
	strscpy(task->comm, name, sizeof(task->comm));
	INIT_LIST_HEAD(&task->run_list);

	task->state = TASK_UNINTERRUPTIBLE;
	local_irq_save(flags);
	task->pid = next_pid++;
	list_add_tail(&task->tasks, &all_tasks);
	local_irq_restore(flags);
	wake_up_process(task);
	return task;
}

struct task_struct *kthread_run(int (*fn)(void *data), void *data, const char *name)
{
	return create_task(fn, data, name, PF_KTHREAD | PF_NOFREEZE);
}

struct task_struct *user_task_run(int (*fn)(void *data), void *data, const char *name)
{
	return create_task(fn, data, name, 0);
}

bool kthread_should_stop(void)
{
	return READ_ONCE(current->should_stop);
}

int kthread_stop(struct task_struct *task)
{
	int exit_code;

	WRITE_ONCE(task->waiter, current);
	WRITE_ONCE(task->should_stop, true);
	wake_up_process(task);
	for (;;) {
		set_current_state(TASK_UNINTERRUPTIBLE);
		if (READ_ONCE(task->state) == TASK_DEAD)
			break;
		schedule();
	}
	set_current_state(TASK_RUNNING);
	exit_code = task->exit_code;
	free_task(task);
	return exit_code;
}

void kthread_detach(struct task_struct *task)
{
	unsigned long flags;

	local_irq_save(flags);
	if (task->state == TASK_DEAD)
		free_task(task);
	else
		task->flags |= PF_DETACHED;
	local_irq_restore(flags);
}
