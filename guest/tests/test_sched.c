/* Threads: preemption, sleeping, waiting, stopping, deferred work. */
#include "mm.h"
#include "mutex.h"
#include "selftest.h"
#include "timer.h"
#include "workqueue.h"

static int spin(void *data)
{
	volatile unsigned long *turns = data;

	while (!kthread_should_stop())
		(*turns)++;
	return 42;
}

/* Two threads that never give the CPU away both get on, and so does whoever sleeps beside them. */
SELFTEST(scheduler_preempts)
{
	volatile unsigned long turns[2] = { 0, 0 };
	unsigned long before = nr_free_pages();
	struct task_struct *spinners[2];

	for (int i = 0; i < 2; i++) {
		spinners[i] = kthread_run(spin, (void *)&turns[i], "spin");
		EXPECT(!IS_ERR(spinners[i]));
	}
	msleep(60);
	EXPECT(turns[0] && turns[1]);
	EXPECT(spinners[0]->nivcsw && spinners[1]->nivcsw);
	for (int i = 0; i < 2; i++)
		EXPECT(kthread_stop(spinners[i]) == 42);
	EXPECT(nr_free_pages() == before);
	return 0;
}

/* A sleep is never shorter than asked, and not much longer on an idle machine. */
SELFTEST(sleeps_last)
{
	u64 start = ktime_get_ns(), slept;

	msleep(30);
	slept = ktime_get_ns() - start;
	EXPECT(slept >= 30 * NSEC_PER_MSEC);
	EXPECT(slept < 2 * NSEC_PER_SEC);
	return 0;
}

struct fired {
	struct timer_list timer;
	unsigned int order;
	bool irqs_off;
};

static unsigned int fired_count;

static void on_timer(struct timer_list *timer)
{
	struct fired *fired = from_timer(fired, timer, timer);

	fired->order = ++fired_count;
	fired->irqs_off = irqs_disabled();
}

/* Timers fire in order of expiry whatever the order of arming; a deleted one does not fire. */
SELFTEST(timers_fire_in_order)
{
	static const unsigned int delay_ms[] = { 20, 5, 10, 15 };
	struct fired timers[ARRAY_SIZE(delay_ms)] = { 0 };
	u64 now = ktime_get_ns();

	fired_count = 0;
	for (unsigned int i = 0; i < ARRAY_SIZE(timers); i++) {
		timer_setup(&timers[i].timer, on_timer);
		mod_timer(&timers[i].timer, now + delay_ms[i] * NSEC_PER_MSEC);
	}
	EXPECT(del_timer(&timers[3].timer) && !del_timer(&timers[3].timer));
	msleep(30);
	EXPECT(fired_count == 3 && timers[1].order == 1 && timers[2].order == 2 && timers[0].order == 3);
	EXPECT(timers[0].irqs_off && !irqs_disabled());
	return 0;
}

static DECLARE_WAIT_QUEUE_HEAD(nobody);

static int complete_later(void *data)
{
	msleep(10);
	complete(data);
	return 0;
}

/* A waiter wakes by the event or, without one, by the clock. */
SELFTEST(waits_end)
{
	DECLARE_COMPLETION(done);
	struct task_struct *task;

	EXPECT(wait_event_timeout(nobody, false, 1) == 0);
	EXPECT(wait_event_timeout(nobody, true, 1) >= 1);
	EXPECT(wait_for_completion_timeout(&done, 1) == 0);
	task = kthread_run(complete_later, &done, "later");
	EXPECT(!IS_ERR(task));
	EXPECT(wait_for_completion_timeout(&done, 10 * HZ) > 0);
	EXPECT(kthread_stop(task) == 0);
	return 0;
}

static struct mutex test_lock;
static int shared, max_inside;

static int contend(void *unused)
{
	for (int i = 0; i < 50; i++) {
		mutex_lock(&test_lock);
		max_inside = max(max_inside, ++shared);
		yield();
		shared--;
		mutex_unlock(&test_lock);
	}
	return 0;
}

/* Only one is ever inside a mutex, even if it gives the CPU away there. */
SELFTEST(mutex_excludes)
{
	struct task_struct *tasks[3];

	mutex_init(&test_lock);
	max_inside = 0;
	for (unsigned int i = 0; i < ARRAY_SIZE(tasks); i++) {
		tasks[i] = kthread_run(contend, NULL, "contend");
		EXPECT(!IS_ERR(tasks[i]));
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(tasks); i++)
		EXPECT(kthread_stop(tasks[i]) == 0);
	EXPECT(max_inside == 1 && !mutex_is_locked(&test_lock));
	return 0;
}

static unsigned int work_runs;

static void work_once(struct work_struct *work)
{
	work_runs++;
}

static void work_forever(struct work_struct *work)
{
	work_runs++;
	queue_work(system_freezable_wq, work);
}

/* A work queued twice before it ran runs once; cancelling stops one that queues itself. */
SELFTEST(workqueue_runs_works)
{
	struct work_struct once, forever;

	INIT_WORK(&once, work_once);
	INIT_WORK(&forever, work_forever);
	work_runs = 0;
	preempt_disable();
	EXPECT(queue_work(system_freezable_wq, &once) && !queue_work(system_freezable_wq, &once));
	preempt_enable();
	flush_work(system_freezable_wq, &once);
	EXPECT(work_runs == 1);
	queue_work(system_freezable_wq, &forever);
	msleep(10);
	cancel_work_sync(system_freezable_wq, &forever);
	EXPECT(work_runs > 2);
	work_runs = 0;
	msleep(20);
	EXPECT(work_runs == 0);
	return 0;
}
