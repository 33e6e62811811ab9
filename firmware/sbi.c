/*
 * sbi.c - the way of an SBI call from the ecall to its extension and back.
 *
 * Calling convention (SBI 2.0, chapter 3): a7 = extension, a6 = function, a0 to a5 = arguments; a0 = error and
 * a1 = value come back, every other register is preserved.
 */
#include "sbi.h"

static const struct sbi_extension {
	unsigned long id;
	struct sbiret (*handle)(unsigned long function, const unsigned long *args);
} extensions[] = {
	{ SBI_EXT_BASE, sbi_base },
	{ SBI_EXT_TIME, sbi_time },
	{ SBI_EXT_IPI, sbi_ipi },
	{ SBI_EXT_RFENCE, sbi_rfence },
	{ SBI_EXT_HSM, sbi_hsm },
	{ SBI_EXT_SRST, sbi_srst },
	{ SBI_EXT_SUSP, sbi_susp },
	{ SBI_EXT_DBCN, sbi_dbcn },
};

static const struct sbi_extension *find(unsigned long id)
{
	for (unsigned int i = 0; i < sizeof(extensions) / sizeof(extensions[0]); i++)
		if (extensions[i].id == id)
			return &extensions[i];
	return NULL;
}

void sbi_ecall(struct trap_regs *regs)
{
	const struct sbi_extension *extension = find(regs->x[REG_A7]);
	struct sbiret ret = { SBI_ERR_NOT_SUPPORTED, 0 };

	if (extension)
		ret = extension->handle(regs->x[REG_A6], &regs->x[REG_A0]);
	regs->x[REG_A0] = ret.error;
	regs->x[REG_A1] = ret.value;
	regs->mepc += 4;
}

bool sbi_probe_extension(unsigned long id)
{
	return find(id) != NULL;
}

/* Does (mask, base) name no other hart than ours? base = -1 means all harts, whatever the mask. */
bool sbi_hart_mask_valid(unsigned long mask, unsigned long base)
{
	if (base == ~0UL || mask == 0)
		return true;
	return base == HART_ID && mask == 1;
}

/* May S-mode start or resume at this physical address? */
bool sbi_address_valid(unsigned long address)
{
	return address % 2 == 0 && pmp_supervisor_owns(address, 2);
}
