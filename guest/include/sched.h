/*
 * Threads. One hart, one run queue, round robin with a slice of 1/HZ s; a tick exists only while somebody
 * waits for the CPU or a timer is armed, so an idle machine sleeps in wfi until a device speaks.
 *
 * There is no user mode. A task without PF_KTHREAD plays the part of a user process (the shell
 * and its jobs): freeze_processes() stops it, freeze_kernel_threads() stops freezable kthreads.
 */
#ifndef SCHED_H
#define SCHED_H

#include "list.h"
#include "page.h"
#include "time.h"

#define TASK_RUNNING 0
#define TASK_UNINTERRUPTIBLE 1
#define TASK_FROZEN 2
#define TASK_DEAD 3

#define PF_KTHREAD 0x1
#define PF_NOFREEZE 0x2	    /* the freezer passes it by; every kthread's default (set_freezable()) */
#define PF_SUSPEND_TASK 0x4 /* is carrying out the suspend itself */
#define PF_DETACHED 0x8	    /* freed by the scheduler when it has ended */

#define TASK_COMM_LEN 16

/* What a function call preserves; switch_to.S knows the offsets. */
struct thread_struct {
	unsigned long ra, sp, s[12];
};

struct task_struct {
	struct thread_struct thread; /* first: switch_to.S */
	unsigned int state;
	unsigned int flags;
	int pid;
	bool should_stop;
	int exit_code;
	struct task_struct *waiter; /* in kthread_stop(), for this task's end */
	unsigned long nvcsw, nivcsw; /* voluntary and involuntary switches */
	void *stack;
	int (*threadfn)(void *data);
	void *data;
	struct list_head run_list; /* in the run queue while runnable and not running */
	struct list_head tasks;	   /* in the list of all tasks */
	char comm[TASK_COMM_LEN];
};

/* The running task: entry.S and switch_to.S keep it in tp. */
register struct task_struct *current __asm__("tp");

/* Creates and starts a kernel thread; ERR_PTR(-ENOMEM) on failure. It ends by returning. */
struct task_struct *kthread_run(int (*fn)(void *data), void *data, const char *name);
/* The same for a task that the freezer treats as a user process. */
struct task_struct *user_task_run(int (*fn)(void *data), void *data, const char *name);
/*
 * kthread_stop() asks the thread to end, waits for it, frees it and returns its exit code: once for
 * each thread, also when it has already returned. A thread that nobody stops is freed when it
 * returns only if kthread_detach() said so.
 */
int kthread_stop(struct task_struct *task);
void kthread_detach(struct task_struct *task);
bool kthread_should_stop(void);

void schedule(void);
/* Lets the others run first. */
void yield(void);
/* Sleeps (set the state first); returns the jiffies that were left, 0 when the time was up. */
long schedule_timeout(long timeout);
void msleep(unsigned int ms);
/* Makes a sleeping task runnable; false when it already was. Callable from interrupts. */
bool wake_up_process(struct task_struct *task);
static inline void set_current_state(unsigned int state)
{
	WRITE_ONCE(current->state, state);
}

/* preempt_disable() sections run to their end, but interrupts come in. */
void preempt_disable(void);
void preempt_enable(void);

/* All tasks, for ps and the freezer; interrupts off, or preemption disabled, around the walk. */
extern struct list_head all_tasks;
#define for_each_process(p) list_for_each_entry(p, &all_tasks, tasks)

/* Between the scheduler, threads, timers and traps. */
extern struct task_struct init_task;
void sched_init(void);
struct task_struct *__switch_to(struct task_struct *prev, struct task_struct *next);
void ret_from_fork(void);
__noreturn void task_entry(struct task_struct *prev);
void finish_task_switch(struct task_struct *prev);
void set_stack_end(struct task_struct *task);
void free_task(struct task_struct *task);
__noreturn void schedule_dead(void);
/* Wakes a task that sleeps in TASK_FROZEN, which wake_up_process() leaves alone. */
void wake_up_frozen(struct task_struct *task);
void preempt_schedule_irq(void);
/* When the running task's slice ends, if somebody waits for the CPU. */
bool sched_slice_end(u64 *ns);
void sched_tick(void);
__noreturn void cpu_idle(void);

#endif
