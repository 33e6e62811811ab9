/*
 * What the balloon does around a hibernation: the eras of Linux's driver, one
 * row of a table each. `balloon.policy=NAME` on the command line chooses.
 *
 * The question that they answer differently: the host forgets the balloon
 * when the machine is switched off, so what becomes of the pages in it?
 *
 *	e0	keep them to the end, and drop them from the list after wake-up.
 *		No pressure on the host; but the pages were never freed, so
 *		the memory is in the total again and in use for ever.
 *	e4	give them back to the guest before the snapshot, and inflate to
 *		the host's target again after wake-up.
 */
#include "init.h"
#include "mm.h"
#include "string.h"
#include "virtio_balloon.h"
#include "virtio_config.h"

/* ---- e0: e562966dba, "virtio: balloon: Add freeze, restore handlers to support S4", January 2012 ---- */

static int e0_freeze(struct virtio_balloon *vb)
{
	/* No more requests from the host; the pages stay where they are. */
	virtballoon_del_vqs(vb);
	return 0;
}

/*
 * The balloon stays inflated: the host still has the pages. The seed's kthread looked at the target
 * again whenever the freezer let it go; so does the work.
 */
static int e0_thaw(struct virtio_balloon *vb)
{
	int err = virtballoon_init_vqs(vb);

	if (!err)
		virtballoon_queue_update(vb);
	return err;
}

/*
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
	return e0_thaw(vb);
}

/* ---- e4: today's driver (2026), whose shape is 4eb05d562e of February 2012 ---- */

/*
 * Deflate everything. When the host stops answering on the way, the hibernation is off: what is still
 * in the balloon stays there, and the work brings back what has left.
 */
static int e4_freeze(struct virtio_balloon *vb)
{
	int moved = 0;

	while (vb->num_pages && moved >= 0)
		moved = leak_balloon(vb, vb->num_pages);
	update_balloon_size(vb);
	if (moved < 0) {
		virtballoon_queue_update(vb);
		return moved;
	}
	virtballoon_del_vqs(vb);
	return 0;
}

/* thaw and restore: an empty balloon on a fresh device; the work waits for the thaw of the tasks. */
static int e4_restore(struct virtio_balloon *vb)
{
	int err = virtballoon_init_vqs(vb);

	if (err)
		return err;
	virtio_device_ready(vb->vdev);
	if (towards_target(vb))
		virtballoon_queue_update(vb);
	update_balloon_size(vb);
	return 0;
}

/* ---- the table ---- */

/* The first row is the default. */
static const struct balloon_pm_ops balloon_policies[] = {
	{ "e4", "4eb05d562e", e4_freeze, e4_restore, e4_restore },
	{ "e0", "e562966dba", e0_freeze, e0_thaw, e0_restore },
};

const struct balloon_pm_ops *balloon_pm_select(void)
{
	const char *name = get_bootarg("balloon.policy");

	for (unsigned int i = 0; name && i < ARRAY_SIZE(balloon_policies); i++)
		if (!strcmp(balloon_policies[i].name, name))
			return &balloon_policies[i];
	if (name)
		pr_warn("virtio_balloon: no policy \"%s\", using %s\n", name, balloon_policies[0].name);
	return &balloon_policies[0];
}
