/*
 * sbi_hsm.c - Hart State Management extension (SBI 2.0, chapter 9), for a machine of one hart that is always started.
 */
#include "sbi.h"

enum {
	HSM_HART_START,
	HSM_HART_STOP,
	HSM_HART_GET_STATUS,
	HSM_HART_SUSPEND,
};

#define HART_STARTED		0
#define SUSPEND_RETENTIVE	0x00000000U
#define SUSPEND_NON_RETENTIVE	0x80000000U

/*
 * Retentive: back to the caller. Non-retentive: S-mode starts anew at resume_addr; the registers are lost as far as
 * the caller knows. No platform-specific type exists.
 */
static struct sbiret hart_suspend(uint32_t type, unsigned long resume_addr, unsigned long opaque)
{
	if (type != SUSPEND_RETENTIVE && type != SUSPEND_NON_RETENTIVE)
		return (struct sbiret){ SBI_ERR_INVALID_PARAM, 0 };
	if (type == SUSPEND_NON_RETENTIVE && !sbi_address_valid(resume_addr))
		return (struct sbiret){ SBI_ERR_INVALID_ADDRESS, 0 };

	hart_wait();
	if (type == SUSPEND_NON_RETENTIVE)
		supervisor_enter(HART_ID, opaque, resume_addr);
	return (struct sbiret){ SBI_SUCCESS, 0 };
}

struct sbiret sbi_hsm(unsigned long function, const unsigned long *args)
{
	switch (function) {
	case HSM_HART_START:
		return (struct sbiret){ args[0] == HART_ID ? SBI_ERR_ALREADY_AVAILABLE : SBI_ERR_INVALID_PARAM, 0 };
	case HSM_HART_STOP:
		return (struct sbiret){ SBI_ERR_FAILED, 0 };	/* no other hart could ever start it again */
	case HSM_HART_GET_STATUS:
		if (args[0] != HART_ID)
			return (struct sbiret){ SBI_ERR_INVALID_PARAM, 0 };
		return (struct sbiret){ SBI_SUCCESS, HART_STARTED };
	case HSM_HART_SUSPEND:
		return hart_suspend(args[0], args[1], args[2]);
	default:
		return (struct sbiret){ SBI_ERR_NOT_SUPPORTED, 0 };
	}
}
