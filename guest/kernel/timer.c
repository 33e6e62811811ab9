/*
 * One-shot timers in a list sorted by expiry (there are few: sleepers and time-outs), and the hardware timer
 * below them, which is set for the next event only. There is no periodic tick.
 */
#include "timer.h"

#include "irqflags.h"
#include "kernel.h"
#include "sbi.h"
#include "sched.h"
#include "timekeeping.h"

#define NEVER (~0ULL)

static LIST_HEAD(timers);
static unsigned long nr_interrupts;
static u64 programmed = NEVER; /* ktime of the interrupt that the hardware is set for */

static u64 next_event(void)
{
	const struct timer_list *first = list_first_entry_or_null(&timers, struct timer_list, entry);
	u64 next = first ? first->expires : NEVER;
	u64 slice_end;

	return sched_slice_end(&slice_end) ? min(next, slice_end) : next;
}

static void program(u64 expires)
{
	programmed = expires;
	sbi_set_timer(expires == NEVER ? NEVER : ktime_to_cycles(expires));
}

/* An event that has been cancelled costs one idle interrupt, less than setting the timer back each time. */
void timer_reprogram(void)
{
	u64 next = next_event();

	if (next < programmed)
		program(next);
}

void timer_resume(void)
{
	program(next_event());
}

void timer_setup(struct timer_list *timer, void (*function)(struct timer_list *timer))
{
	INIT_LIST_HEAD(&timer->entry);
	timer->function = function;
}

void mod_timer(struct timer_list *timer, u64 expires)
{
	struct timer_list *pos;
	unsigned long flags;

	local_irq_save(flags);
	list_del(&timer->entry);
	timer->expires = expires;
	list_for_each_entry(pos, &timers, entry)
		if (pos->expires > expires)
			break;
	list_add_tail(&timer->entry, &pos->entry);
	timer_reprogram();
	local_irq_restore(flags);
}

bool del_timer(struct timer_list *timer)
{
	unsigned long flags;
	bool pending;

	local_irq_save(flags);
	pending = timer_pending(timer);
	list_del_init(&timer->entry);
	local_irq_restore(flags);
	return pending;
}

void handle_timer_irq(void)
{
	u64 now = ktime_get_ns();
	struct timer_list *timer;

	nr_interrupts++;
	while ((timer = list_first_entry_or_null(&timers, struct timer_list, entry)) && timer->expires <= now) {
		list_del_init(&timer->entry);
		timer->function(timer);
	}
	sched_tick();
	program(next_event());
}

unsigned long timer_interrupts(void)
{
	return nr_interrupts;
}
