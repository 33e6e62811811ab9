/* The Supervisor Binary Interface, version 2.0: how the kernel asks firmware. */
#ifndef SBI_H
#define SBI_H

#include "compiler.h"
#include "types.h"

#define SBI_EXT_BASE 0x10
#define SBI_EXT_TIME 0x54494D45
#define SBI_EXT_SRST 0x53525354
#define SBI_EXT_SUSP 0x53555350
#define SBI_EXT_DBCN 0x4442434E

#define SBI_BASE_GET_SPEC_VERSION 0
#define SBI_BASE_GET_IMPL_ID 1
#define SBI_BASE_PROBE_EXTENSION 3
#define SBI_TIME_SET_TIMER 0
#define SBI_SRST_RESET 0
#define SBI_SUSP_SYSTEM_SUSPEND 0
#define SBI_DBCN_CONSOLE_WRITE 0

#define SBI_SRST_SHUTDOWN 0
#define SBI_SRST_COLD_REBOOT 1
#define SBI_SRST_NO_REASON 0
#define SBI_SRST_SYSTEM_FAILURE 1

#define SBI_SUCCESS 0
#define SBI_ERR_FAILED (-1)
#define SBI_ERR_NOT_SUPPORTED (-2)
#define SBI_ERR_INVALID_PARAM (-3)
#define SBI_ERR_DENIED (-4)
#define SBI_ERR_INVALID_ADDRESS (-5)
#define SBI_ERR_ALREADY_AVAILABLE (-6)

struct sbiret {
	long error;
	long value;
};

struct sbiret sbi_ecall(unsigned long ext, unsigned long fid, unsigned long a0, unsigned long a1,
			unsigned long a2);
/* The negative errno that an SBI error means (0 for SBI_SUCCESS). */
int sbi_err_map_linux_errno(long error);

void sbi_init(void);
bool sbi_probe_extension(unsigned long ext);
/* Raises the timer interrupt when `time` reaches the value, in timebase ticks; clears it now. */
void sbi_set_timer(u64 time);
__noreturn void sbi_system_reset(u32 type, u32 reason);

#endif
