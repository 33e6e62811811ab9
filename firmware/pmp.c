/*
 * pmp.c - whose memory is whose: the firmware's region is closed to S- and U-mode, everything else is open.
 *
 * The first matching entry decides (privileged specification 1.12, 3.7.1). No entry is locked, so M-mode passes.
 * M-mode reads and writes for S-mode only where S-mode itself could: each address that an SBI call names goes through
 * pmp_supervisor_owns().
 */
#include "board.h"
#include "csr.h"
#include "hart.h"

#define PMP_ENTRY(n, flags)	((flags) << 8 * (n))
#define EVERYTHING		(~0UL)

_Static_assert((BOARD_FIRMWARE_SIZE & (BOARD_FIRMWARE_SIZE - 1)) == 0 &&
	       BOARD_FIRMWARE_BASE % BOARD_FIRMWARE_SIZE == 0, "NAPOT: naturally aligned power of two");

static uint64_t ram_base, ram_end;

/* base + size does not wrap. */
void pmp_set_ram(uint64_t base, uint64_t size)
{
	ram_base = base;
	ram_end = base + size;
}

void pmp_init(void)
{
	csr_write(pmpaddr0, BOARD_FIRMWARE_BASE >> 2 | (BOARD_FIRMWARE_SIZE / 8 - 1));
	csr_write(pmpaddr1, EVERYTHING);
	csr_write(pmpcfg0, PMP_ENTRY(0, PMP_NAPOT) | PMP_ENTRY(1, PMP_NAPOT | PMP_R | PMP_W | PMP_X));
	__asm__ volatile ("sfence.vma" : : : "memory");
}

/* Is [base, base + size) RAM, and none of it the firmware's? */
bool pmp_supervisor_owns(uint64_t base, uint64_t size)
{
	if (base < ram_base || base > ram_end || size > ram_end - base)
		return false;
	return base + size <= BOARD_FIRMWARE_BASE || base >= BOARD_FIRMWARE_BASE + (uint64_t)BOARD_FIRMWARE_SIZE;
}
