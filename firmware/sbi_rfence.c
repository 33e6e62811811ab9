/*
 * sbi_rfence.c - RFENCE extension (SBI 2.0, chapter 8). With one hart a remote fence is a fence here.
 *
 * The fences are wider than asked (every address; for FENCE.I and SFENCE.VMA that is always right, only slower): a
 * kernel that knows a narrower one can execute it itself. There is no H extension, so no HFENCE.
 */
#include "sbi.h"

enum {
	RFENCE_FENCE_I,
	RFENCE_SFENCE_VMA,
	RFENCE_SFENCE_VMA_ASID,
};

struct sbiret sbi_rfence(unsigned long function, const unsigned long *args)
{
	unsigned long mask = args[0], base = args[1], asid = args[4];

	if (function > RFENCE_SFENCE_VMA_ASID)
		return (struct sbiret){ SBI_ERR_NOT_SUPPORTED, 0 };
	if (!sbi_hart_mask_valid(mask, base))
		return (struct sbiret){ SBI_ERR_INVALID_PARAM, 0 };

	if (function == RFENCE_FENCE_I)
		__asm__ volatile ("fence.i" : : : "memory");
	else if (function == RFENCE_SFENCE_VMA)
		__asm__ volatile ("sfence.vma" : : : "memory");
	else
		__asm__ volatile ("sfence.vma zero, %0" : : "r" (asid) : "memory");
	return (struct sbiret){ SBI_SUCCESS, 0 };
}
