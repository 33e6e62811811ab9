/*
 * Suspend to idle: tasks stand still, devices sleep, the CPU waits for an interrupt that matters, a typed
 * character or the time that was given. The power stays on, so nothing is saved and nothing lost: a
 * device that can keep its state while it sleeps (VIRTIO_F_SUSPEND) keeps it.
 *
 * Linux: kernel/power/suspend.c, `echo freeze > /sys/power/state`.
 */
#include "suspend.h"

#include "freezer.h"
#include "platform_device.h"
#include "shell.h"
#include "string.h"

static DECLARE_WAIT_QUEUE_HEAD(s2idle_wait_head);
static bool s2idle_woken = true;

void s2idle_wake(void)
{
	WRITE_ONCE(s2idle_woken, true);
	wake_up(&s2idle_wait_head);
}

static int suspend_enter(long timeout)
{
	int err = dpm_suspend();

	if (err)
		return err;
	pr_info("PM: suspend-to-idle\n");
	wait_event_timeout(s2idle_wait_head, READ_ONCE(s2idle_woken), timeout);
	pr_info("PM: resume from suspend-to-idle\n");
	return dpm_resume() ? -EIO : 0;
}

int pm_suspend(long timeout)
{
	int err;

	pr_info("PM: suspend entry (s2idle)\n");
	/* Whatever comes from here on wakes us up, or keeps us from falling asleep. */
	s2idle_woken = false;
	err = freeze_processes();
	if (err)
		return err;
	err = freeze_kernel_threads();
	if (!err)
		err = suspend_enter(timeout);
	thaw_processes();
	pr_info("PM: suspend exit (%d)\n", err);
	return err;
}

static int cmd_suspend(int argc, char **argv)
{
	u64 ms;

	if (argc == 1)
		return pm_suspend(MAX_SCHEDULE_TIMEOUT);
	if (argc != 2 || kstrtou64(argv[1], &ms) || ms > 1000 * 1000)
		return -EINVAL;
	return pm_suspend(msecs_to_jiffies(ms));
}

SHELL_COMMAND(suspend, "[MS]: to idle, until a key is typed or for MS milliseconds", cmd_suspend);
