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
