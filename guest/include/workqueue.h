/* Deferred work, run by a thread. */
#ifndef WORKQUEUE_H
#define WORKQUEUE_H

#include "list.h"
#include "wait.h"

struct work_struct;
typedef void (*work_func_t)(struct work_struct *work);

struct work_struct {
	struct list_head entry;
	work_func_t func;
};

struct workqueue_struct;

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

void workqueue_init(void);

#endif
