/*
 * sbi_ipi.c - IPI extension (SBI 2.0, chapter 7). With one hart an IPI is the caller's own software interrupt.
 */
#include "csr.h"
#include "sbi.h"

enum { IPI_SEND_IPI };

struct sbiret sbi_ipi(unsigned long function, const unsigned long *args)
{
	unsigned long mask = args[0], base = args[1];

	if (function != IPI_SEND_IPI)
		return (struct sbiret){ SBI_ERR_NOT_SUPPORTED, 0 };
	if (!sbi_hart_mask_valid(mask, base))
		return (struct sbiret){ SBI_ERR_INVALID_PARAM, 0 };
	if (mask || base == ~0UL)
		csr_set(mip, MIP_SSIP);
	return (struct sbiret){ SBI_SUCCESS, 0 };
}
