/*
 * Hibernation to a host image: the platform carries RAM.
 *
 * The firmware is asked to suspend with a sleep type of the platform's own (SBI 2.0, "System Suspend
 * Extension": types from 0x80000000 up are the platform's). It saves RAM as it is, without the
 * balloon's pages, and powers the machine off; the next machine finds the same RAM and its
 * firmware enters hibernate_resume_entry. No swap and no second copy of RAM are needed.
 */
#include "power.h"
#include "sbi.h"

#define SBI_SUSP_PLATFORM_HIBERNATE 0x80000001

static int platform_prepare(void)
{
	return 0;
}

static int platform_capture(void)
{
	struct sbiret ret = sbi_ecall(SBI_EXT_SUSP, SBI_SUSP_SYSTEM_SUSPEND, SBI_SUSP_PLATFORM_HIBERNATE,
				      swsusp_resume_address(), 0);

	/* A suspend that worked does not return, so "success" is a firmware that ignored us. */
	return ret.error ? sbi_err_map_linux_errno(ret.error) : -EIO;
}

/* Not reached: either the platform has the image, or capture() failed. */
static int platform_commit(void)
{
	return -EIO;
}

static void platform_release(void)
{
}

static const char *platform_source(void)
{
	return platform_carrier.name;
}

const struct hibernation_carrier platform_carrier = {
	.name = "platform",
	.prepare = platform_prepare,
	.capture = platform_capture,
	.commit = platform_commit,
	.release = platform_release,
	.source = platform_source,
};
