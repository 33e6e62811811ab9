/*
 * sbi_srst.c - System Reset extension (SBI 2.0, chapter 10). A call that succeeds does not return.
 */
#include "platform.h"
#include "sbi.h"

enum { SRST_SYSTEM_RESET };

enum {
	RESET_TYPE_SHUTDOWN,
	RESET_TYPE_COLD_REBOOT,
	RESET_TYPE_WARM_REBOOT,
};

enum {
	RESET_REASON_NONE,
	RESET_REASON_SYSTEM_FAILURE,
};

struct sbiret sbi_srst(unsigned long function, const unsigned long *args)
{
	uint32_t type = args[0], reason = args[1];

	if (function != SRST_SYSTEM_RESET)
		return (struct sbiret){ SBI_ERR_NOT_SUPPORTED, 0 };
	if (type > RESET_TYPE_WARM_REBOOT || reason > RESET_REASON_SYSTEM_FAILURE)
		return (struct sbiret){ SBI_ERR_INVALID_PARAM, 0 };

	if (type != RESET_TYPE_SHUTDOWN)
		finisher_reset();
	if (reason == RESET_REASON_SYSTEM_FAILURE)
		finisher_fail();
	finisher_poweroff();
}
