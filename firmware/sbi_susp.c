/*
 * sbi_susp.c - System Suspend extension (SBI 2.0, chapter 13).
 *
 * Suspend to RAM: wait for an interrupt that the caller enabled, then start S-mode at its resume address.
 *
 * Platform hibernation: the platform saves RAM, the firmware's with it, and switches off. resume_point lies in .data,
 * so it travels in that image. When a machine starts with the image as its RAM, reset.S finds the magic and comes to
 * resume(), which takes the magic away, sets M-mode up anew and starts S-mode. A machine that loads the firmware's
 * ELF has a resume_point without a magic: no other sign is needed to tell the two apart. S-mode cannot forge one,
 * PMP keeps it out.
 */
#include "board.h"
#include "csr.h"
#include "platform.h"
#include "sbi.h"

enum { SUSP_SYSTEM_SUSPEND };

#define SLEEP_TYPE_SUSPEND_TO_RAM	0x00000000U
#define SLEEP_TYPE_PLATFORM_HIBERNATE	0x80000001U	/* from the platform-specific range */

/* Explicitly in .data: the compiler would put zeroes into .bss, which an image's reset does not clear. */
struct resume_point {
	uint64_t magic;
	unsigned long address;
	unsigned long opaque;
} resume_point __attribute__((section(".data")));

_Static_assert(offsetof(struct resume_point, magic) == RESUME_POINT_MAGIC, "reset.S reads the magic");

static uint64_t sleep_register;		/* 0 when the platform has none */

void sbi_susp_init(uint64_t address)
{
	sleep_register = address;
}

static _Noreturn void hibernate(unsigned long resume_addr, unsigned long opaque)
{
	resume_point = (struct resume_point){ RESUME_MAGIC, resume_addr, opaque };
	csr_write(mie, 0);	/* nothing may wake this hart: what follows happens in another life */
	__asm__ volatile ("fence" : : : "memory");
	writel(sleep_register, BOARD_FINISHER_HIBERNATE);
	for (;;)
		__asm__ volatile ("wfi");
}

_Noreturn void sbi_susp_resume(void)
{
	resume_point.magic = 0;
	supervisor_enter(HART_ID, resume_point.opaque, resume_point.address);
}

struct sbiret sbi_susp(unsigned long function, const unsigned long *args)
{
	uint32_t sleep_type = args[0];
	unsigned long resume_addr = args[1], opaque = args[2];

	if (function != SUSP_SYSTEM_SUSPEND)
		return (struct sbiret){ SBI_ERR_NOT_SUPPORTED, 0 };
	if (sleep_type != SLEEP_TYPE_SUSPEND_TO_RAM && sleep_type != SLEEP_TYPE_PLATFORM_HIBERNATE)
		return (struct sbiret){ SBI_ERR_INVALID_PARAM, 0 };
	if (sleep_type == SLEEP_TYPE_PLATFORM_HIBERNATE && !sleep_register)
		return (struct sbiret){ SBI_ERR_NOT_SUPPORTED, 0 };
	if (!sbi_address_valid(resume_addr))
		return (struct sbiret){ SBI_ERR_INVALID_ADDRESS, 0 };

	if (sleep_type == SLEEP_TYPE_PLATFORM_HIBERNATE)
		hibernate(resume_addr, opaque);
	hart_wait();
	supervisor_enter(HART_ID, opaque, resume_addr);
}
