/*
 * Locks of a one-hart kernel. A spinlock only has to keep interrupts (and with them preemption) out;
 * the struct remembers its holder's state so that a double lock is caught. Mutexes sleep.
 */
#ifndef SPINLOCK_H
#define SPINLOCK_H

#include "irqflags.h"
#include "kernel.h"

typedef struct {
	bool locked;
} spinlock_t;

#define DEFINE_SPINLOCK(name) spinlock_t name = { false }

static inline void __spin_acquire(spinlock_t *lock)
{
	BUG_ON(lock->locked);
	lock->locked = true;
	barrier();
}

static inline void __spin_release(spinlock_t *lock)
{
	barrier();
	lock->locked = false;
}

#define spin_lock_irqsave(lock, flags)                                                            \
	do {                                                                                      \
		local_irq_save(flags);                                                            \
		__spin_acquire(lock);                                                             \
	} while (0)
#define spin_unlock_irqrestore(lock, flags)                                                       \
	do {                                                                                      \
		__spin_release(lock);                                                             \
		local_irq_restore(flags);                                                         \
	} while (0)

#endif
