/* Calls into firmware (RISC-V SBI 2.0). */
#include "sbi.h"

#include "irqflags.h"
#include "kernel.h"

struct sbiret sbi_ecall(unsigned long ext, unsigned long fid, unsigned long arg0, unsigned long arg1,
			unsigned long arg2)
{
	register unsigned long a0 asm("a0") = arg0;
	register unsigned long a1 asm("a1") = arg1;
	register unsigned long a2 asm("a2") = arg2;
	register unsigned long a6 asm("a6") = fid;
	register unsigned long a7 asm("a7") = ext;

	asm volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a2), "r"(a6), "r"(a7) : "memory");
	return (struct sbiret){ (long)a0, (long)a1 };
}

int sbi_err_map_linux_errno(long error)
{
	switch (error) {
	case SBI_SUCCESS:
		return 0;
	case SBI_ERR_DENIED:
		return -EPERM;
	case SBI_ERR_INVALID_PARAM:
		return -EINVAL;
	case SBI_ERR_INVALID_ADDRESS:
		return -EFAULT;
	case SBI_ERR_ALREADY_AVAILABLE:
		return -EALREADY;
	default:
		return -EOPNOTSUPP;
	}
}

bool sbi_probe_extension(unsigned long ext)
{
	struct sbiret ret = sbi_ecall(SBI_EXT_BASE, SBI_BASE_PROBE_EXTENSION, ext, 0, 0);

	return !ret.error && ret.value;
}

void sbi_set_timer(u64 time)
{
	sbi_ecall(SBI_EXT_TIME, SBI_TIME_SET_TIMER, time, 0, 0);
}

void sbi_system_reset(u32 type, u32 reason)
{
	local_irq_disable();
	sbi_ecall(SBI_EXT_SRST, SBI_SRST_RESET, type, reason, 0);
	/* Firmware cannot do it: stop here. */
	for (;;)
		asm volatile("wfi");
}

void sbi_init(void)
{
	struct sbiret version = sbi_ecall(SBI_EXT_BASE, SBI_BASE_GET_SPEC_VERSION, 0, 0, 0);
	struct sbiret impl = sbi_ecall(SBI_EXT_BASE, SBI_BASE_GET_IMPL_ID, 0, 0, 0);

	pr_info("SBI specification v%ld.%ld, implementation %ld\n", version.value >> 24 & 0x7f,
		version.value & 0xffffff, impl.value);
	if (!sbi_probe_extension(SBI_EXT_TIME))
		panic("firmware has no SBI TIME extension");
}
