/* Free page reporting: the batches, and when they are made. Linux: mm/page_reporting.c, where report() waits. */
#include "page_reporting.h"

#include "internal.h"

#define PAGE_REPORTING_DELAY (2 * HZ)

static struct page_reporting_dev_info *pr_dev_info;

/* Freed pages tend to be wanted again: look when things have calmed down. */
void page_reporting_notify_free(unsigned int order)
{
	if (pr_dev_info && order >= PAGE_REPORTING_ORDER)
		queue_delayed_work(system_freezable_wq, &pr_dev_info->work, PAGE_REPORTING_DELAY);
}

static struct page *first_unreported_page(unsigned int order)
{
	struct page *page;

	list_for_each_entry(page, &zone.free_area[order], lru)
		if (!PageReported(page))
			return page;
	return NULL;
}

/* The largest blocks first; at least half of what is free stays where it can be allocated. */
static void page_reporting_isolate(struct page_reporting_dev_info *prdev)
{
	unsigned int order = MAX_ORDER;
	unsigned long flags, keep;
	struct page *page;

	spin_lock_irqsave(&zone_lock, flags);
	keep = zone.free_pages / 2;
	while (order >= PAGE_REPORTING_ORDER && prdev->nents < prdev->capacity) {
		page = zone.free_pages - (1UL << order) >= keep ? first_unreported_page(order) : NULL;
		if (!page) {
			order--;
			continue;
		}
		__isolate_free_page(page);
		sg_init_one(&prdev->sgl[prdev->nents++], page_address(page), PAGE_SIZE << order);
	}
	spin_unlock_irqrestore(&zone_lock, flags);
}

void page_reporting_done(struct page_reporting_dev_info *prdev, bool acknowledged)
{
	bool reported = acknowledged && pr_dev_info == prdev;
	unsigned long flags;

	spin_lock_irqsave(&zone_lock, flags);
	for (unsigned int i = 0; i < prdev->nents; i++)
		__putback_isolated_page(virt_to_page(__va(prdev->sgl[i].addr)), reported);
	prdev->nents = 0;
	/* There may be more. */
	if (reported)
		mod_delayed_work(system_freezable_wq, &prdev->work, 0);
	spin_unlock_irqrestore(&zone_lock, flags);
}

static void page_reporting_process(struct work_struct *work)
{
	struct page_reporting_dev_info *prdev =
		container_of(to_delayed_work(work), struct page_reporting_dev_info, work);
	int err;

	if (prdev->nents) {
		prdev->remind(prdev);
		queue_delayed_work(system_freezable_wq, &prdev->work, PAGE_REPORTING_DELAY);
		return;
	}
	page_reporting_isolate(prdev);
	if (!prdev->nents)
		return;
	/* Its end brings us back, or this. */
	queue_delayed_work(system_freezable_wq, &prdev->work, PAGE_REPORTING_DELAY);
	err = prdev->report(prdev, prdev->sgl, prdev->nents);
	if (err) {
		pr_err("page_reporting: error %d\n", err);
		page_reporting_done(prdev, false);
	}
}

void page_reporting_register(struct page_reporting_dev_info *prdev)
{
	BUG_ON(pr_dev_info);
	INIT_DELAYED_WORK(&prdev->work, page_reporting_process);
	pr_dev_info = prdev;
	queue_delayed_work(system_freezable_wq, &prdev->work, PAGE_REPORTING_DELAY);
}

void page_reporting_unregister(struct page_reporting_dev_info *prdev)
{
	unsigned long flags;
	struct page *page;

	pr_dev_info = NULL;
	cancel_delayed_work_sync(&prdev->work);
	spin_lock_irqsave(&zone_lock, flags);
	for (unsigned int order = PAGE_REPORTING_ORDER; order <= MAX_ORDER; order++)
		list_for_each_entry(page, &zone.free_area[order], lru)
			page->flags &= ~(1u << PG_reported);
	spin_unlock_irqrestore(&zone_lock, flags);
}

unsigned long nr_reported_pages(void)
{
	unsigned long flags, nr = 0;
	const struct page *page;

	spin_lock_irqsave(&zone_lock, flags);
	for (unsigned int order = PAGE_REPORTING_ORDER; order <= MAX_ORDER; order++)
		list_for_each_entry(page, &zone.free_area[order], lru)
			if (PageReported(page))
				nr += 1UL << order;
	spin_unlock_irqrestore(&zone_lock, flags);
	return nr;
}
