/*
 * Out of memory, and the processes that memory can be taken from (Linux: linux/oom.h, linux/mm_types.h).
 *
 * Before a process is killed, those who can give memory back at a price are asked: a balloon, which has to ask
 * the host for it. Unlike a shrinker they may sleep.
 */
#ifndef OOM_H
#define OOM_H

#include "mm.h"

struct task_struct;

struct oom_notifier {
	struct list_head list;
	unsigned long (*free_pages)(struct oom_notifier *notifier); /* returns how many it could free */
};

void register_oom_notifier(struct oom_notifier *notifier);
void unregister_oom_notifier(struct oom_notifier *notifier);

/* The memory of one process: a job of the shell's that wants its pages to be its own, and to go with it. */
struct mm_struct {
	struct list_head list; /* of all */
	struct task_struct *owner;
	const char *comm; /* its name */
	struct list_head pages;
	unsigned long total_vm; /* pages */
	bool oom_killed; /* gets no more memory and has to end */
};

/* From here to exit_mmap(), which frees its pages, the calling task can be killed for its memory. */
void mm_init(struct mm_struct *mm, const char *comm);
void exit_mmap(struct mm_struct *mm);

/*
 * One more page for its process, all zeros, as a page fault would get it; NULL when the process was killed.
 * Sleeps.
 */
struct page *do_anonymous_page(struct mm_struct *mm);

/*
 * For the page allocator: get memory, whatever the price. Returns when somebody has freed some; panics when
 * `sysctl.vm.panic_on_oom=1` says so, or nobody is left. False when the calling task itself was killed. Sleeps.
 */
bool out_of_memory(void);

#endif
