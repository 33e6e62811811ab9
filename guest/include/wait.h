/* Wait queues and completions. */
#ifndef WAIT_H
#define WAIT_H

#include "sched.h"
#include "spinlock.h"

typedef struct wait_queue_head {
	struct list_head head;
} wait_queue_head_t;

struct wait_queue_entry {
	struct list_head entry;
	struct task_struct *task;
};

#define WAIT_QUEUE_HEAD_INIT(name) { LIST_HEAD_INIT((name).head) }
#define DECLARE_WAIT_QUEUE_HEAD(name) wait_queue_head_t name = WAIT_QUEUE_HEAD_INIT(name)

static inline void init_waitqueue_head(wait_queue_head_t *wq) { INIT_LIST_HEAD(&wq->head); }

void prepare_to_wait(wait_queue_head_t *wq, struct wait_queue_entry *wait);
void finish_wait(wait_queue_head_t *wq, struct wait_queue_entry *wait);
/* Wakes every waiter: each looks at its condition again. Callable from interrupts. */
void wake_up(wait_queue_head_t *wq);

/*
 * Sleeps until the condition holds; evaluates to 0 after `timeout` jiffies without it, else to the
 * jiffies left (at least 1). prepare_to_wait() comes before the test, so no wake-up gets lost.
 */
#define wait_event_timeout(wq, condition, timeout)                                                \
	({                                                                                        \
		struct wait_queue_entry _wait = { { NULL, NULL }, current };                      \
		long _left = (timeout);                                                           \
		for (;;) {                                                                        \
			prepare_to_wait(&(wq), &_wait);                                           \
			if (condition) {                                                          \
				_left = max(_left, 1L);                                           \
				break;                                                            \
			}                                                                         \
			if (!_left)                                                               \
				break;                                                            \
			_left = schedule_timeout(_left);                                          \
		}                                                                                 \
		finish_wait(&(wq), &_wait);                                                       \
		_left;                                                                            \
	})
#define wait_event(wq, condition) ((void)wait_event_timeout(wq, condition, MAX_SCHEDULE_TIMEOUT))

struct completion {
	unsigned int done;
	wait_queue_head_t wait;
};

#define DECLARE_COMPLETION(name) struct completion name = { 0, WAIT_QUEUE_HEAD_INIT((name).wait) }
void init_completion(struct completion *x);
/* Each complete() lets one waiter through. */
void complete(struct completion *x);
void wait_for_completion(struct completion *x);
/* 0 on time-out, else the jiffies left. */
long wait_for_completion_timeout(struct completion *x, long timeout);

#endif
