/* Sleeping locks, for thread context only. */
#ifndef MUTEX_H
#define MUTEX_H

#include "sched.h"
#include "wait.h"

struct mutex {
	struct task_struct *owner;
	wait_queue_head_t wait;
};

#define DEFINE_MUTEX(name) struct mutex name = { NULL, WAIT_QUEUE_HEAD_INIT((name).wait) }

void mutex_init(struct mutex *lock);
void mutex_lock(struct mutex *lock);
void mutex_unlock(struct mutex *lock);
static inline bool mutex_is_locked(const struct mutex *lock) { return lock->owner != NULL; }

#endif
