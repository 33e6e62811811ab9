/*
 * The scheduler: one queue of runnable tasks, served in turn.
 *
 * The running task is not in the queue. It goes to the end of it when its slice is over and somebody waits
 * (the timer interrupt says so, and the exit of any interrupt switches), and to nowhere when it
 * sleeps. A task that set its state to sleep but is preempted before it calls schedule() stays in
 * the queue, so that it gets to look at its condition. The boot's own task is the idle task: it runs
 * when the queue is empty, and is never in it.
 */
#include "sched.h"

#include "csr.h"
#include "irqflags.h"
#include "kernel.h"
#include "timer.h"

#define STACK_END_MAGIC 0x57AC6E9DUL

char init_stack[THREAD_SIZE] __aligned(16);
struct task_struct init_task = {
	.state = TASK_RUNNING,
	.flags = PF_KTHREAD | PF_NOFREEZE,
	.stack = init_stack,
	.comm = "idle",
	.run_list = LIST_HEAD_INIT(init_task.run_list),
	.tasks = LIST_HEAD_INIT(init_task.tasks),
};
LIST_HEAD(all_tasks);
static LIST_HEAD(runqueue);
static bool need_resched;
static unsigned int preempt_count;
static u64 slice_end;

void set_stack_end(struct task_struct *task)
{
	*(unsigned long *)task->stack = STACK_END_MAGIC;
}

static void check_stack_end(const struct task_struct *task)
{
	if (*(unsigned long *)task->stack != STACK_END_MAGIC)
		panic("corrupted stack end of %s", task->comm);
}

/* Frees a detached task that has just ended: only now is nobody on its stack. Interrupts off. */
void finish_task_switch(struct task_struct *prev)
{
	if (prev->state == TASK_DEAD && prev->flags & PF_DETACHED)
		free_task(prev);
}

static void __schedule(bool preempted)
{
	struct task_struct *prev = current;
	struct task_struct *next;

	check_stack_end(prev);
	if (prev != &init_task && (preempted || prev->state == TASK_RUNNING))
		list_add_tail(&prev->run_list, &runqueue);
	need_resched = false;
	next = list_first_entry_or_null(&runqueue, struct task_struct, run_list);
	if (next)
		list_del_init(&next->run_list);
	else
		next = &init_task;
	slice_end = ktime_get_ns() + NSEC_PER_JIFFY;
	timer_reprogram();
	if (next == prev)
		return;
	if (preempted)
		prev->nivcsw++;
	else
		prev->nvcsw++;
	finish_task_switch(__switch_to(prev, next));
}

void schedule(void)
{
	unsigned long flags;

	BUG_ON(preempt_count);
	local_irq_save(flags);
	__schedule(false);
	local_irq_restore(flags);
}

void schedule_dead(void)
{
	local_irq_disable();
	current->state = TASK_DEAD;
	if (current->waiter)
		wake_up_process(current->waiter);
	list_del(&current->tasks);
	__schedule(false);
	BUG();
}

void yield(void)
{
	schedule();
}

/* The tail of every interrupt, interrupts off. */
void preempt_schedule_irq(void)
{
	if (need_resched && !preempt_count)
		__schedule(true);
}

void preempt_disable(void)
{
	preempt_count++;
	barrier();
}

void preempt_enable(void)
{
	barrier();
	preempt_count--;
	if (need_resched && !preempt_count && !irqs_disabled()) {
		local_irq_disable();
		__schedule(true); /* as an interrupt would have: the task may be about to sleep */
		local_irq_enable();
	}
}

static bool activate(struct task_struct *task)
{
	task->state = TASK_RUNNING;
	if (task == current || !list_empty(&task->run_list))
		return true; /* had not got round to sleeping */
	list_add_tail(&task->run_list, &runqueue);
	if (current == &init_task)
		need_resched = true;
	else
		timer_reprogram(); /* the running task's slice counts from now on */
	return true;
}

static bool wake_up_state(struct task_struct *task, unsigned int state)
{
	unsigned long flags;
	bool woken;

	local_irq_save(flags);
	woken = task->state == state && activate(task);
	local_irq_restore(flags);
	return woken;
}

bool wake_up_process(struct task_struct *task)
{
	return wake_up_state(task, TASK_UNINTERRUPTIBLE);
}

void wake_up_frozen(struct task_struct *task)
{
	wake_up_state(task, TASK_FROZEN);
}

bool sched_slice_end(u64 *ns)
{
	*ns = slice_end;
	return !list_empty(&runqueue);
}

void sched_tick(void)
{
	u64 now = ktime_get_ns();

	if (list_empty(&runqueue) || now < slice_end)
		return;
	need_resched = true;
	/* Where preemption is off the task runs on: ask again in a while, not at once and for ever. */
	slice_end = now + NSEC_PER_JIFFY;
}

void sched_init(void)
{
	set_stack_end(&init_task);
	list_add(&init_task.tasks, &all_tasks);
}

/* wfi returns when an interrupt is pending, taken or not: nothing can slip in between test and sleep. */
void cpu_idle(void)
{
	for (;;) {
		local_irq_disable();
		if (list_empty(&runqueue))
			asm volatile("wfi");
		local_irq_enable();
		schedule();
	}
}
