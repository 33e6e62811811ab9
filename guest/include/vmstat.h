/* What the memory management counts as it happens, for statistics (Linux: linux/vmstat.h). */
#ifndef VMSTAT_H
#define VMSTAT_H

#include "types.h"

enum vm_event_item {
	PSWPIN,		/* pages of images read from swap */
	PSWPOUT,	/* pages of images written to swap */
	PGFAULT,	/* pages that processes have got at their first use, none of them from a disk */
	ALLOCSTALL,	/* allocations that found no block at first */
	PGSCAN_DIRECT,	/* pages that these asked the shrinkers for */
	PGSTEAL_DIRECT, /* pages that they got */
	OOM_KILL,	/* processes killed for their memory */
	NR_VM_EVENT_ITEMS
};

extern unsigned long vm_events[NR_VM_EVENT_ITEMS];

/* Callable from anywhere. */
static inline void count_vm_events(enum vm_event_item item, unsigned long delta)
{
	__atomic_fetch_add(&vm_events[item], delta, __ATOMIC_RELAXED);
}

static inline void count_vm_event(enum vm_event_item item)
{
	count_vm_events(item, 1);
}

#endif
