/*
 * Hibernation: the order of events, whoever carries the image.
 *
 *	freeze user tasks
 *	prepare		(swap: preallocate memory for the snapshot)
 *	freeze kernel threads
 *	freeze() of every device, then interrupts off and the system core
 *	capture		the image is RAM as it is here
 *	------------------------------------------------------------------
 *	same machine				woken up from the image
 *	thaw() of every device			restore() of every device
 *	commit, freeze() again, power off	release, thaw all tasks
 *
 * Every step that fails undoes what was done before it, in reverse, and its
 * error is what hibernate() returns: tasks run, devices work, nothing is lost.
 *
 * Linux: kernel/power/hibernate.c.
 */
#include "freezer.h"
#include "irqflags.h"
#include "platform_device.h"
#include "power.h"
#include "reboot.h"
#include "shell.h"
#include "string.h"
#include "syscore_ops.h"

/* The image is taken in here. A negative errno, 0 or SWSUSP_RESUMED. Devices are frozen. */
static int create_image(const struct hibernation_carrier *carrier)
{
	int ret;

	local_irq_disable();
	syscore_suspend();
	ret = swsusp_arch_suspend(carrier->capture);
	if (ret == SWSUSP_RESUMED)
		clear_or_poison_free_pages();
	syscore_resume();
	local_irq_enable();
	return ret;
}

/* Freezes what is not frozen yet, takes the image and brings the devices back. */
static int hibernation_snapshot(const struct hibernation_carrier *carrier)
{
	int ret, err;

	ret = freeze_kernel_threads();
	if (ret)
		return ret;
	ret = dpm_freeze();
	if (ret)
		goto thaw;

	pr_info("PM: Creating image\n");
	ret = create_image(carrier);
	err = ret == SWSUSP_RESUMED ? dpm_restore() : dpm_thaw();
	if (err)
		pr_err("PM: hibernation: a device did not come back: error %d\n", err);
	if (ret >= 0)
		return ret;
	pr_err("PM: hibernation: Creating image failed: error %d\n", ret);
thaw:
	thaw_kernel_threads();
	return ret;
}

/*
 * Virtio's poweroff callback is its freeze. The image is complete: a device that fails now changes
 * nothing, and going on would let this kernel and the image both live.
 */
static void __noreturn power_down(void)
{
	if (dpm_freeze())
		pr_warn("PM: hibernation: a device did not freeze for power-off\n");
	kernel_power_off();
}

int hibernate(const struct hibernation_carrier *carrier)
{
	static bool in_progress;
	int ret;

	/* Set from here to the end; a kernel that wakes up finds it set and goes through the same end. */
	if (in_progress)
		return -EBUSY;
	in_progress = true;

	pr_info("PM: hibernation: hibernation entry (%s)\n", carrier->name);
	ret = freeze_processes();
	if (ret)
		goto out;
	ret = carrier->prepare();
	if (!ret) {
		ret = hibernation_snapshot(carrier);
		if (!ret) {
			ret = carrier->commit();
			if (!ret)
				power_down();
		}
	}
	if (ret == SWSUSP_RESUMED) {
		pr_info("PM: resumed from %s\n", carrier->source());
		ret = 0;
	}
	carrier->release();
	thaw_processes();
out:
	pr_info("PM: hibernation: hibernation exit (%d)\n", ret);
	in_progress = false;
	return ret;
}

static int cmd_hibernate(int argc, char **argv)
{
	static const struct hibernation_carrier *const carriers[] = { &swap_carrier, &platform_carrier };

	if (argc == 1)
		return hibernate(carriers[0]);
	for (unsigned int i = 0; argc == 2 && i < ARRAY_SIZE(carriers); i++)
		if (!strcmp(carriers[i]->name, argv[1]))
			return hibernate(carriers[i]);
	return -EINVAL;
}

SHELL_COMMAND(hibernate, "[swap|platform]: save RAM and switch off; 0 after waking up", cmd_hibernate);
