/* Work queues: a list of works and one thread that runs them in order. */
#include "workqueue.h"

#include "freezer.h"
#include "kernel.h"
#include "slab.h"

struct workqueue_struct {
	bool freezable;
	struct list_head works;
	struct work_struct *running;
	struct work_struct *canceling;
	wait_queue_head_t more, idle;
};

struct workqueue_struct *system_wq, *system_freezable_wq;

static struct work_struct *take_work(struct workqueue_struct *wq)
{
	struct work_struct *work;
	unsigned long flags;

	local_irq_save(flags);
	work = list_first_entry_or_null(&wq->works, struct work_struct, entry);
	if (work)
		list_del_init(&work->entry);
	wq->running = work;
	local_irq_restore(flags);
	return work;
}

static int worker_thread(void *data)
{
	struct workqueue_struct *wq = data;

	if (wq->freezable)
		set_freezable();
	for (;;) {
		struct work_struct *work;

		/* Where nobody freezes it, this is wait_event(). */
		wait_event_freezable(wq->more, !list_empty(&wq->works));
		work = take_work(wq);
		if (work)
			work->func(work);
		WRITE_ONCE(wq->running, NULL);
		wake_up(&wq->idle);
	}
	return 0;
}

bool queue_work(struct workqueue_struct *wq, struct work_struct *work)
{
	unsigned long flags;
	bool queued;

	local_irq_save(flags);
	queued = list_empty(&work->entry) && wq->canceling != work;
	if (queued) {
		list_add_tail(&work->entry, &wq->works);
		wake_up(&wq->more);
	}
	local_irq_restore(flags);
	return queued;
}

void flush_work(struct workqueue_struct *wq, struct work_struct *work)
{
	wait_event(wq->idle, list_empty(&work->entry) && READ_ONCE(wq->running) != work);
}

bool cancel_work_sync(struct workqueue_struct *wq, struct work_struct *work)
{
	unsigned long flags;
	bool waiting;

	local_irq_save(flags);
	waiting = !list_empty(&work->entry);
	list_del_init(&work->entry);
	wq->canceling = work;
	local_irq_restore(flags);
	flush_work(wq, work);
	wq->canceling = NULL;
	return waiting;
}

/* ---- delayed works ---- */

static void delayed_work_timer_fn(struct timer_list *timer)
{
	struct delayed_work *dwork = from_timer(dwork, timer, timer);

	queue_work(dwork->wq, &dwork->work);
}

void INIT_DELAYED_WORK(struct delayed_work *dwork, work_func_t func)
{
	INIT_WORK(&dwork->work, func);
	timer_setup(&dwork->timer, delayed_work_timer_fn);
}

void mod_delayed_work(struct workqueue_struct *wq, struct delayed_work *dwork, unsigned long delay)
{
	unsigned long flags;

	local_irq_save(flags);
	dwork->wq = wq;
	del_timer(&dwork->timer);
	if (delay)
		mod_timer(&dwork->timer, ktime_get_ns() + delay * NSEC_PER_JIFFY);
	else
		queue_work(wq, &dwork->work);
	local_irq_restore(flags);
}

void queue_delayed_work(struct workqueue_struct *wq, struct delayed_work *dwork, unsigned long delay)
{
	unsigned long flags;

	local_irq_save(flags);
	if (!timer_pending(&dwork->timer))
		mod_delayed_work(wq, dwork, delay);
	local_irq_restore(flags);
}

/* The work may set its timer once more while we wait for its end. */
void cancel_delayed_work_sync(struct delayed_work *dwork)
{
	do {
		del_timer(&dwork->timer);
		if (dwork->wq)
			cancel_work_sync(dwork->wq, &dwork->work);
	} while (timer_pending(&dwork->timer) || !list_empty(&dwork->work.entry));
}

static struct workqueue_struct *alloc_workqueue(const char *name, bool freezable)
{
	struct workqueue_struct *wq = kzalloc(sizeof(*wq), GFP_KERNEL);

	if (!wq)
		panic("no memory for the work queue");
	wq->freezable = freezable;
	INIT_LIST_HEAD(&wq->works);
	init_waitqueue_head(&wq->more);
	init_waitqueue_head(&wq->idle);
	if (IS_ERR(kthread_run(worker_thread, wq, name)))
		panic("no memory for the work queue's thread");
	return wq;
}

void workqueue_init(void)
{
	system_freezable_wq = alloc_workqueue("kworker", true);
	system_wq = alloc_workqueue("kworker/n", false);
}
