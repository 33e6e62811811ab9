/*
 * What happens when memory is out: first the notifiers are asked, then the process with the most memory is
 * killed. A process is killed by saying so: it gets no more pages, is woken if it sleeps, and frees what it has
 * on its way out.
 *
 *	sysctl.vm.panic_on_oom=1	panic instead of killing
 *
 * Linux: mm/oom_kill.c.
 */
#include "oom.h"

#include "init.h"
#include "mutex.h"
#include "sched.h"
#include "string.h"
#include "vmstat.h"
#include "wait.h"

static LIST_HEAD(oom_notify_list);
static DEFINE_MUTEX(oom_lock); /* for the notifiers, and one death at a time */

static LIST_HEAD(all_mms);
static DECLARE_WAIT_QUEUE_HEAD(oom_victim_gone);

void register_oom_notifier(struct oom_notifier *notifier)
{
	mutex_lock(&oom_lock);
	list_add_tail(&notifier->list, &oom_notify_list);
	mutex_unlock(&oom_lock);
}

void unregister_oom_notifier(struct oom_notifier *notifier)
{
	mutex_lock(&oom_lock);
	list_del(&notifier->list);
	mutex_unlock(&oom_lock);
}

/* ---- processes ---- */

void mm_init(struct mm_struct *mm, const char *comm)
{
	unsigned long flags;

	*mm = (struct mm_struct){ .owner = current, .comm = comm };
	INIT_LIST_HEAD(&mm->pages);
	local_irq_save(flags);
	list_add_tail(&mm->list, &all_mms);
	local_irq_restore(flags);
}

void exit_mmap(struct mm_struct *mm)
{
	unsigned long flags;

	free_unref_page_list(&mm->pages);
	local_irq_save(flags);
	list_del(&mm->list);
	local_irq_restore(flags);
	wake_up(&oom_victim_gone);
}

struct page *do_anonymous_page(struct mm_struct *mm)
{
	struct page *page = NULL;

	if (!mm->oom_killed)
		page = alloc_page(GFP_HIGHUSER | __GFP_ZERO);
	if (!page)
		return NULL;
	list_add_tail(&page->lru, &mm->pages);
	mm->total_vm++;
	count_vm_event(PGFAULT);
	return page;
}

/* ---- the end of one of them ---- */

/* One that has been killed and is not gone yet, else the largest. */
static struct mm_struct *select_bad_process(void)
{
	struct mm_struct *mm, *worst = NULL;
	unsigned long flags;

	local_irq_save(flags);
	list_for_each_entry(mm, &all_mms, list) {
		if (mm->oom_killed) {
			worst = mm;
			break;
		}
		if (!worst || mm->total_vm > worst->total_vm)
			worst = mm;
	}
	local_irq_restore(flags);
	return worst;
}

static struct mm_struct *oom_kill_process(void)
{
	const char *panic_on_oom = get_bootarg("sysctl.vm.panic_on_oom");
	struct mm_struct *victim = select_bad_process();

	if (panic_on_oom && strcmp(panic_on_oom, "0"))
		panic("Out of memory: system-wide panic_on_oom is enabled");
	if (!victim)
		panic("Out of memory: no killable process");
	if (victim->oom_killed)
		return victim;
	victim->oom_killed = true;
	count_vm_event(OOM_KILL);
	pr_err("Out of memory: Killed process %d (%s) total-vm:%lukB\n", victim->owner->pid, victim->comm,
	       victim->total_vm * (PAGE_SIZE >> 10));
	wake_up_process(victim->owner);
	return victim;
}

static bool mm_exists(const struct mm_struct *wanted)
{
	const struct mm_struct *mm;
	unsigned long flags;
	bool found = false;

	local_irq_save(flags);
	list_for_each_entry(mm, &all_mms, list)
		found |= mm == wanted;
	local_irq_restore(flags);
	return found;
}

bool out_of_memory(void)
{
	struct oom_notifier *notifier;
	struct mm_struct *victim = NULL;
	unsigned long freed = 0;

	mutex_lock(&oom_lock);
	list_for_each_entry(notifier, &oom_notify_list, list)
		freed += notifier->free_pages(notifier);
	if (!freed)
		victim = oom_kill_process();
	mutex_unlock(&oom_lock);

	if (!victim)
		return true;
	/* Not under the lock: the victim may be waiting for it, on its way here. */
	if (victim->owner == current)
		return false;
	wait_event(oom_victim_gone, !mm_exists(victim));
	return true;
}
