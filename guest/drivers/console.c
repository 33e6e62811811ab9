/* Console input: a ring that interrupts fill and one reader empties. */
#include "console.h"

#include "freezer.h"
#include "irqflags.h"
#include "suspend.h"

#define RING_SIZE 1024

static char ring[RING_SIZE];
static unsigned int head, tail; /* counted without end; the ring holds head - tail bytes */
static DECLARE_WAIT_QUEUE_HEAD(input);

void console_receive(char c)
{
	if (head - tail < RING_SIZE)
		ring[head++ % RING_SIZE] = c;
	wake_up(&input);
	s2idle_wake();
}

char console_getc(void)
{
	unsigned long flags;
	char c;

	wait_event_freezable(input, READ_ONCE(head) != tail);
	local_irq_save(flags);
	c = ring[tail++ % RING_SIZE];
	local_irq_restore(flags);
	return c;
}
