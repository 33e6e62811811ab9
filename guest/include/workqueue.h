/* Deferred work, run by a thread. */
#ifndef WORKQUEUE_H
#define WORKQUEUE_H

#include "list.h"
#include "timer.h"
#include "wait.h"

struct work_struct;
typedef void (*work_func_t)(struct work_struct *work);

struct work_struct {
	struct list_head entry;
	work_func_t func;
};

struct workqueue_struct;

/* A work that is queued when its timer says so. */
struct delayed_work {
	struct work_struct work;
	struct timer_list timer;
	struct workqueue_struct *wq;
};

/* For what must go on while the machine is being frozen; must not wait for what is. */
extern struct workqueue_struct *system_wq;
/* Its works do not start between freeze_kernel_threads() and thaw_kernel_threads(). */
extern struct workqueue_struct *system_freezable_wq;

static inline void INIT_WORK(struct work_struct *work, work_func_t func)
{
	INIT_LIST_HEAD(&work->entry);
	work->func = func;
}

/* False when the work was waiting already (it then runs once). A running work can queue itself again. */
bool queue_work(struct workqueue_struct *wq, struct work_struct *work);
/* Waits until the work is neither waiting nor running; not while the queue is frozen. */
void flush_work(struct workqueue_struct *wq, struct work_struct *work);
/* Takes it off the queue or waits for its end; queueing by itself is cancelled too. True when it waited. */
bool cancel_work_sync(struct workqueue_struct *wq, struct work_struct *work);

void INIT_DELAYED_WORK(struct delayed_work *dwork, work_func_t func);
static inline struct delayed_work *to_delayed_work(struct work_struct *work)
{
	return container_of(work, struct delayed_work, work);
}
/*
 * Both queue it after `delay` jiffies, 0: now. When it is waiting for its timer already, queue_ leaves that alone,
 * and mod_ sets it anew.
 */
void queue_delayed_work(struct workqueue_struct *wq, struct delayed_work *dwork, unsigned long delay);
void mod_delayed_work(struct workqueue_struct *wq, struct delayed_work *dwork, unsigned long delay);
/* As cancel_work_sync(), its timer included. */
void cancel_delayed_work_sync(struct delayed_work *dwork);

void workqueue_init(void);

#endif
