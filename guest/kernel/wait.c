/* Everything that sleeps: time-outs, wait queues, completions, mutexes. */
#include "wait.h"

#include "mutex.h"
#include "timer.h"

struct process_timer {
	struct timer_list timer;
	struct task_struct *task;
};

static void process_timeout(struct timer_list *timer)
{
	struct process_timer *sleeper = from_timer(sleeper, timer, timer);

	wake_up_process(sleeper->task);
}

long schedule_timeout(long timeout)
{
	struct process_timer sleeper = { .task = current };
	u64 expires, now;

	if (timeout == MAX_SCHEDULE_TIMEOUT) {
		schedule();
		return timeout;
	}
	expires = ktime_get_ns() + timeout * NSEC_PER_JIFFY;
	timer_setup(&sleeper.timer, process_timeout);
	mod_timer(&sleeper.timer, expires);
	schedule();
	del_timer(&sleeper.timer);
	now = ktime_get_ns();
	return now < expires ? DIV_ROUND_UP(expires - now, NSEC_PER_JIFFY) : 0;
}

void msleep(unsigned int ms)
{
	long left = msecs_to_jiffies(ms);

	while (left) {
		set_current_state(TASK_UNINTERRUPTIBLE);
		left = schedule_timeout(left);
	}
}

void prepare_to_wait(wait_queue_head_t *wq, struct wait_queue_entry *wait)
{
	unsigned long flags;

	local_irq_save(flags);
	if (!wait->entry.next)
		list_add_tail(&wait->entry, &wq->head);
	set_current_state(TASK_UNINTERRUPTIBLE);
	local_irq_restore(flags);
}

void finish_wait(wait_queue_head_t *wq, struct wait_queue_entry *wait)
{
	unsigned long flags;

	set_current_state(TASK_RUNNING);
	local_irq_save(flags);
	list_del(&wait->entry);
	local_irq_restore(flags);
}

/* Waiters take themselves off the queue, in finish_wait(). */
void wake_up(wait_queue_head_t *wq)
{
	struct wait_queue_entry *wait;
	unsigned long flags;

	local_irq_save(flags);
	list_for_each_entry(wait, &wq->head, entry)
		wake_up_process(wait->task);
	local_irq_restore(flags);
}

void init_completion(struct completion *x)
{
	x->done = 0;
	init_waitqueue_head(&x->wait);
}

void complete(struct completion *x)
{
	unsigned long flags;

	local_irq_save(flags);
	x->done++;
	wake_up(&x->wait);
	local_irq_restore(flags);
}

static bool try_wait_for_completion(struct completion *x)
{
	unsigned long flags;
	bool done;

	local_irq_save(flags);
	done = x->done;
	if (done)
		x->done--;
	local_irq_restore(flags);
	return done;
}

long wait_for_completion_timeout(struct completion *x, long timeout)
{
	return wait_event_timeout(x->wait, try_wait_for_completion(x), timeout);
}

void wait_for_completion(struct completion *x)
{
	wait_event(x->wait, try_wait_for_completion(x));
}

void mutex_init(struct mutex *lock)
{
	lock->owner = NULL;
	init_waitqueue_head(&lock->wait);
}

static bool mutex_trylock(struct mutex *lock)
{
	unsigned long flags;
	bool taken;

	local_irq_save(flags);
	taken = !lock->owner;
	if (taken)
		lock->owner = current;
	local_irq_restore(flags);
	return taken;
}

void mutex_lock(struct mutex *lock)
{
	BUG_ON(lock->owner == current);
	wait_event(lock->wait, mutex_trylock(lock));
}

void mutex_unlock(struct mutex *lock)
{
	BUG_ON(lock->owner != current);
	WRITE_ONCE(lock->owner, NULL);
	wake_up(&lock->wait);
}
