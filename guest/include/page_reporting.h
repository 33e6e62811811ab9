/*
 * Free page reporting: large free blocks are shown to somebody who can use the memory behind them, and stay
 * free (Linux: linux/page_reporting.h).
 *
 * Blocks of 2^PAGE_REPORTING_ORDER pages and more are taken off the free lists, a batch at a time, put into a
 * scatterlist and handed to report(). Nobody can allocate them until page_reporting_done() says that the
 * report has been acknowledged; then they are free again, marked, and not reported a second time
 * before they have been in use. What is in a reported page afterwards is the report's business.
 */
#ifndef PAGE_REPORTING_H
#define PAGE_REPORTING_H

#include "scatterlist.h"
#include "workqueue.h"

#define PAGE_REPORTING_CAPACITY 32 /* blocks in one batch */

struct page_reporting_dev_info {
	/* Starts a report of sgl, which stays as it is until its end; 0 or a negative errno. */
	int (*report)(struct page_reporting_dev_info *prdev, struct scatterlist *sgl, unsigned int nents);
	/* It has not ended for a while: perhaps the other side did not hear of it. */
	void (*remind)(struct page_reporting_dev_info *prdev);
	unsigned int capacity; /* blocks that one report may have, PAGE_REPORTING_CAPACITY at most */
	struct delayed_work work;
	struct scatterlist sgl[PAGE_REPORTING_CAPACITY];
	unsigned int nents; /* in the report that has not ended yet */
};

/* There can be one. Everything that is free now is reported soon. */
void page_reporting_register(struct page_reporting_dev_info *prdev);
/* No report begins after it, and no block is marked any more; one that has not ended yet still has to. Sleeps. */
void page_reporting_unregister(struct page_reporting_dev_info *prdev);
/* The end of a report: acknowledged, or never made. Callable from interrupts. */
void page_reporting_done(struct page_reporting_dev_info *prdev, bool acknowledged);

/* Free pages that have not been in use since they were reported. */
unsigned long nr_reported_pages(void);

#endif
