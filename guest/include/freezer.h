/*
 * The freezer: brings tasks to a halt at points of their own choosing (try_to_freeze()), so that nothing
 * but the suspending task runs while devices are frozen. Sleeping tasks are woken to reach that point.
 */
#ifndef FREEZER_H
#define FREEZER_H

#include "wait.h"

/* Is this task asked to freeze? */
bool freezing(const struct task_struct *task);
/* Stops here while asked to; true when it did stop. */
bool try_to_freeze(void);
/* A kthread's own declaration, at its start: I call try_to_freeze(). */
void set_freezable(void);

/* wait_event() in which the freezer may stop the task. */
#define wait_event_freezable(wq, condition)                                                       \
	do {                                                                                      \
		wait_event(wq, (condition) || freezing(current));                                 \
		try_to_freeze();                                                                  \
	} while (!(condition))

/*
 * Both wait until everybody concerned has stopped, 20 s at most: -EBUSY then, with the stragglers' names
 * in the log and whomever it was about thawed again. The caller itself goes on running. Freezing kernel
 * threads includes the freezable workqueue.
 */
int freeze_processes(void);
int freeze_kernel_threads(void);
void thaw_kernel_threads(void);
/* Thaws everything, kernel threads first. */
void thaw_processes(void);

#endif
