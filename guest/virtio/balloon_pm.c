/*
 * What the balloon does around a hibernation: the eras of Linux's driver, one
 * row of a table each. `balloon.policy=NAME` on the command line chooses.
 *
 * The question that they answer differently: the host forgets the balloon
 * when the machine is switched off, so what becomes of the pages in it?
 *
 *	none	never asked: the pages stay where they are, and after wake-up the
 *		queues point into a device that has never heard of them.
 *	e0	keep them to the end, and drop them from the list after wake-up.
 *		No pressure on the host; but the pages were never freed, so
 *		the memory is in the total again and in use for ever.
 *	e1	give them back to the guest before the snapshot, and inflate to
 *		the host's target again in the midst of the wake-up.
 *	e3	the same, but inflate when everything works again.
 *	e4	the same, today.
 *	discard	what e0 meant: keep them to the end, and free them after wake-up,
 *		without a word to a host that has forgotten them anyway.
 *
 * None and e0 are wrong, e1 depends on a lenient device, and all three are kept
 * as they were.
 */
#include "init.h"
#include "mm.h"
#include "plant.h"
#include "string.h"
#include "virtio_balloon.h"
#include "virtio_config.h"

/* ---- none: until e562966dba. No callbacks: the bus leaves such a device alone (virtio.c). ---- */

/* ---- e0: e562966dba, "virtio: balloon: Add freeze, restore handlers to support S4", January 2012 ---- */

static int e0_freeze(struct virtio_balloon *vb)
{
	/* No more requests from the host; the pages stay where they are. */
	return virtballoon_del_vqs(vb);
}

/*
 * On the same machine the balloon stays inflated: the host still has the pages. The seed's kthread looked at the
 * target again whenever the freezer let it go; so does the work (virtballoon_bring_back()). On another one:
 * "We empty the list of pages that were previously given off to the host, add the appropriate number
 * of pages to the totalram_pages counter, reset the num_pages counter to 0, and all is fine." It
 * was not: nobody frees the pages. Found a month later (4eb05d562e) and kept here as it was.
 */
static int e0_restore(struct virtio_balloon *vb)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, &vb->pages, lru) {
		list_del(&page->lru);
		__ClearPageOffline(page);
		adjust_managed_page_count(page, 1);
	}
	vb->num_pages = 0;
	return virtballoon_bring_back(vb);
}

/* ---- e1: 4eb05d562e, "virtio: balloon: leak / fill balloon across S4", February 2012 ---- */

/*
 * Deflate everything. When the host stops answering on the way, the hibernation is off: what is still
 * in the balloon stays there, and the work brings back what has left.
 */
static int e1_freeze(struct virtio_balloon *vb)
{
	int moved, err;

	do
		moved = leak_balloon(vb, vb->num_pages);
	while (moved > 0);
	update_balloon_size(vb);
	err = moved < 0 ? moved : virtballoon_del_vqs(vb);
	if (err)
		virtballoon_queue_update(vb);
	return err;
}

/* In the kernel that loads an image a failure is the image's end, so a silent host gets a minute. */
#define QUIESCE_TRIES 12

static int e1_quiesce(struct virtio_balloon *vb)
{
	int tries = QUIESCE_TRIES, err;

	do
		err = e1_freeze(vb);
	while (err == -ETIMEDOUT && --tries);
	return err;
}

/*
 * Fill the first array at once. The device is not live yet: DRIVER_OK comes when we are done. Hosts of
 * the time did not mind; one that goes by the book answers nothing before it, and the driver waited for
 * ever. Ours gives up waiting, and the answer comes with DRIVER_OK, so all that it costs is the time.
 */
static int e1_restore(struct virtio_balloon *vb)
{
	long diff;
	int err = virtballoon_init_vqs(vb);

	if (err)
		return err;
	diff = towards_target(vb);
	if (diff > 0 && fill_balloon(vb, diff) == -ETIMEDOUT)
		pr_warn("virtio_balloon %s: device does not answer before DRIVER_OK\n", vb->vdev->name);
	update_balloon_size(vb);
	virtballoon_ready(vb);
	virtballoon_queue_update(vb);
	return 0;
}

/* ---- e3: fad7b7b27b, "virtio_balloon: Use a workqueue instead of "vballoon" kthread", January 2016 ---- */

/* An empty balloon on a fresh device; the work waits for the thaw of the tasks. */
static int e3_restore(struct virtio_balloon *vb)
{
	int err = virtballoon_init_vqs(vb);

	if (err)
		return err;
	virtballoon_ready(vb);
	if (towards_target(vb))
		virtballoon_queue_update(vb);
	update_balloon_size(vb);
	return 0;
}

/*
 * ---- e4: today's driver (2026) ----
 *
 * The callbacks are e3's. What ten years added belongs to features that the driver did not have then, and is done
 * where the device comes and goes (virtio_balloon.c): hinted pages are returned, reports end before the queues go,
 * and poison_val is written anew. Linux forgets the last two: a reset zeroes poison_val, and a report that is
 * due after the freeze finds a queue that is not there.
 */

/*
 * ---- discard: what e562966dba meant ----
 *
 * Freeze and thaw are e0's, restore really frees the pages. P5 holds: the host is asked for nothing.
 *
 * Safe where the host forgets: the machine was off, the balloon device that wakes up has never been
 * told of a page. What is in the pages does not matter: they come back as free memory.
 *
 * Unsafe where it does not: a host that keeps its books over the sleep believes that it still has pages
 * which the guest now uses, and may take them away; with MUST_TELL_HOST that breaks the contract, without
 * it the contract allows it. The kernel that loads the image is such a case on the same machine: its own
 * balloon may have been inflated by then, and those pages are the image's, which knows nothing of it. So
 * that kernel deflates before it gives way (quiesce), where e0 (which had one callback for both) does not.
 */
static int discard_restore(struct virtio_balloon *vb)
{
	if (PLANTED(PLANT_READ_STALE) && !list_empty(&vb->pages))
		pr_debug("%lx\n", *(unsigned long *)page_address(virtballoon_first_page(vb)));
	release_pages_balloon(vb, &vb->pages);
	return virtballoon_bring_back(vb);
}

/* ---- the table ---- */

#define FEATURES_2012 (1 << VIRTIO_BALLOON_F_MUST_TELL_HOST | 1 << VIRTIO_BALLOON_F_STATS_VQ)
#define FEATURES_2016 (FEATURES_2012 | 1 << VIRTIO_BALLOON_F_DEFLATE_ON_OOM)
#define FEATURES_TODAY VIRTIO_BALLOON_FEATURES

/* The first row is the default. */
static const struct balloon_pm_ops balloon_policies[] = {
	/* name, commit, features, freeze, quiesce, thaw, restore */
	{ "e4", "4eb05d562e", FEATURES_TODAY, e1_freeze, e1_quiesce, e3_restore, e3_restore },
	{ "e3", "fad7b7b27b", FEATURES_2016, e1_freeze, e1_quiesce, e3_restore, e3_restore },
	{ "e1", "4eb05d562e", FEATURES_2012, e1_freeze, e1_quiesce, e1_restore, e1_restore },
	{ "e0", "e562966dba", FEATURES_2012, e0_freeze, e0_freeze, virtballoon_bring_back, e0_restore },
	{ "none", "before e562966dba", FEATURES_2012, NULL, NULL, NULL, NULL },
	{ "discard", "what e562966dba meant", FEATURES_TODAY, e0_freeze, e1_quiesce, virtballoon_bring_back, discard_restore },
};

const struct balloon_pm_ops *balloon_pm_select(void)
{
	const char *name = get_bootarg("balloon.policy");
	static const struct balloon_pm_ops *selected;

	if (selected)
		return selected;
	for (unsigned int i = 0; name && i < ARRAY_SIZE(balloon_policies); i++)
		if (!strcmp(balloon_policies[i].name, name))
			return selected = &balloon_policies[i];
	if (name)
		pr_warn("virtio_balloon: no policy \"%s\", using %s\n", name, balloon_policies[0].name);
	return selected = &balloon_policies[0];
}
