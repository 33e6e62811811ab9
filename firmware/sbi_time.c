/*
 * sbi_time.c - Timer extension (SBI 2.0, chapter 6).
 *
 * The CLINT's timer interrupts M-mode only. Its expiry becomes S-mode's timer interrupt by setting STIP; MTIE goes off
 * with it, because MTIP stays pending until mtimecmp is moved, which is what the next set_timer does. A hart with Sstc
 * compares time with stimecmp by itself, and the firmware only passes the value on.
 */
#include "csr.h"
#include "platform.h"
#include "sbi.h"

enum { TIME_SET_TIMER };

#define NEVER	(~0UL)

static void set_timer(uint64_t ticks)
{
	if (hart_has_sstc) {
		csr_write(CSR_STIMECMP, ticks);
		return;
	}
	clint_set_mtimecmp(ticks);
	csr_clear(mip, MIP_STIP);
	csr_set(mie, MIP_MTIP);
}

/* mtimecmp and stimecmp hold anything after a reset. */
void sbi_time_init(void)
{
	set_timer(NEVER);
}

void sbi_time_expired(void)
{
	csr_clear(mie, MIP_MTIP);
	csr_set(mip, MIP_STIP);
}

struct sbiret sbi_time(unsigned long function, const unsigned long *args)
{
	if (function != TIME_SET_TIMER)
		return (struct sbiret){ SBI_ERR_NOT_SUPPORTED, 0 };
	set_timer(args[0]);
	return (struct sbiret){ SBI_SUCCESS, 0 };
}
