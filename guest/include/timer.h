/* One-shot timers. Their functions run from the timer interrupt, interrupts off. */
#ifndef TIMER_H
#define TIMER_H

#include "list.h"
#include "time.h"

struct timer_list {
	struct list_head entry;
	u64 expires; /* ktime, ns */
	void (*function)(struct timer_list *timer);
};

#define from_timer(var, timer, field) container_of(timer, __typeof__(*var), field)

void timer_setup(struct timer_list *timer, void (*function)(struct timer_list *timer));
/* (Re)arms the timer for an absolute ktime in ns. */
void mod_timer(struct timer_list *timer, u64 expires);
/* On return the function no longer runs; true when the timer was still armed. */
bool del_timer(struct timer_list *timer);
static inline bool timer_pending(const struct timer_list *timer) { return !list_empty(&timer->entry); }

/* Asks for an interrupt at the next event: the first timer, or the end of a contended time slice. */
void timer_reprogram(void);
void handle_timer_irq(void);
/* How many have come. */
unsigned long timer_interrupts(void);

#endif
