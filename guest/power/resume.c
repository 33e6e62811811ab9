/*
 * The boot's look for an image, after the devices and before the shell.
 *
 *	resume=vda	the device whose swap area may hold one (the default)
 *	noresume	do not look
 *	resumedelay=N	look after N seconds (0): for devices that are slow to come up, and for those who want
 *			to see a boot kernel that has had time to do something
 *
 * The image is loaded and verified while this kernel is intact. Only then is the swap header given
 * back its ordinary signature, and flushed: an image runs once, whatever happens next. One that cannot
 * be resumed loses its mark too, and the machine boots afresh.
 *
 * Linux: software_resume() in kernel/power/hibernate.c, swsusp_check() in kernel/power/swap.c.
 */
#include "freezer.h"
#include "init.h"
#include "irqflags.h"
#include "platform_device.h"
#include "power.h"
#include "string.h"
#include "syscore_ops.h"

/* Makes way for the image; comes back only with an error, with everything running again. */
static int hibernation_restore(struct image_loader *loader)
{
	int err = dpm_quiesce();

	if (err)
		return err;
	local_irq_disable();
	syscore_suspend();
	image_jump(loader);
}

static int load_image_and_restore(struct block_device *bdev, union swap_header *header)
{
	struct image_loader *loader = NULL;
	int err = swsusp_check_mark(header);
	int unmark_err;

	if (!err)
		err = image_load(bdev, header, &loader);
	unmark_err = swsusp_unmark(bdev, header);
	/* An image whose mark stays would be resumed a second time. */
	if (!err)
		err = unmark_err;
	if (!err)
		err = hibernation_restore(loader);
	if (loader)
		image_loader_free(loader);
	return err;
}

static int resume_from(struct block_device *bdev, union swap_header *header)
{
	int err = swsusp_check(bdev, header);

	if (err) {
		if (err == -ENODATA)
			pr_info("PM: No image on %s\n", bdev->name);
		return err == -ENODATA ? 0 : err;
	}
	pr_info("PM: Image found on %s\n", bdev->name);
	err = freeze_processes();
	if (err)
		return err;
	err = freeze_kernel_threads();
	if (!err)
		err = load_image_and_restore(bdev, header);
	thaw_processes();
	pr_err("PM: Failed to load the image from %s (error %d), booting fresh\n", bdev->name, err);
	return err;
}

#define RESUME_DELAY_MAX 3600 /* seconds */

static void resume_delay(const char *seconds)
{
	u64 delay;

	if (kstrtou64(seconds, &delay) || delay > RESUME_DELAY_MAX)
		pr_warn("PM: resumedelay=%s: not a number of seconds up to %d\n", seconds, RESUME_DELAY_MAX);
	else
		msleep(delay * 1000);
}

static int software_resume(void)
{
	const char *name = get_bootarg("resume"), *delay = get_bootarg("resumedelay");
	struct block_device *bdev;
	void *header;

	if (get_bootarg("noresume"))
		return 0;
	if (delay)
		resume_delay(delay);
	bdev = blkdev_get_by_name(name ? name : "vda");
	if (!bdev) {
		if (name)
			pr_warn("PM: resume=%s: no such device\n", name);
		return 0;
	}
	header = get_zeroed_page(GFP_KERNEL);
	if (!header)
		return -ENOMEM;
	/* Whatever became of it was said; the boot goes on. */
	resume_from(bdev, header);
	free_page(header);
	return 0;
}

late_initcall(software_resume);
