/* Orderly ends. */
#include "reboot.h"

#include "printk.h"
#include "sbi.h"

void kernel_power_off(void)
{
	pr_info("reboot: Power down\n");
	sbi_system_reset(SBI_SRST_SHUTDOWN, SBI_SRST_NO_REASON);
}

void kernel_restart(void)
{
	pr_info("reboot: Restarting system\n");
	sbi_system_reset(SBI_SRST_COLD_REBOOT, SBI_SRST_NO_REASON);
}
