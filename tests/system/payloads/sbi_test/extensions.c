/*
 * extensions.c - one function an extension that returns to its caller: BASE, TIME, IPI, RFENCE, SRST, DBCN.
 */
#include "board.h"
#include "payload.h"

#define ALL_HARTS	(~0UL)
#define MS		(BOARD_MTIME_HZ / 1000)
#define PTE_LEAF	0xcfUL	/* V R W X A D */
#define PTE_TABLE	0x01UL
#define SATP_SV39	(8UL << 60)
#define TEST_VA		0x40000000UL

void check_base(void)
{
	struct sbiret version = sbi_call(SBI_EXT_BASE, 0);

	check("base.spec_version", version.error == SBI_SUCCESS && version.value >> 24 >= 1);
	check("base.impl_id", sbi_call(SBI_EXT_BASE, 1).error == SBI_SUCCESS);
	check("base.impl_version", sbi_call(SBI_EXT_BASE, 2).error == SBI_SUCCESS);
	check("base.probe_known", sbi_call(SBI_EXT_BASE, 3, SBI_EXT_BASE).value != 0);
	check("base.probe_unknown", sbi_call(SBI_EXT_BASE, 3, 0x0abcdef0).value == 0);
	check("base.machine_ids", sbi_call(SBI_EXT_BASE, 4).error == SBI_SUCCESS &&
	      sbi_call(SBI_EXT_BASE, 5).error == SBI_SUCCESS && sbi_call(SBI_EXT_BASE, 6).error == SBI_SUCCESS);
	check("base.unknown_function", sbi_call(SBI_EXT_BASE, 7).error == SBI_ERR_NOT_SUPPORTED);
	check("base.unknown_extension", sbi_call(0x0abcdef0, 0).error == SBI_ERR_NOT_SUPPORTED);
	check("base.registers_survive", registers_survive_ecall());
}

void check_time(void)
{
	unsigned long start = mtime();

	set_timer_in(MS);
	check("time.interrupt", catch(interrupt_comes, SIE_STIE) && trapped.scause == SCAUSE_TIMER);
	check("time.not_early", mtime() - start >= MS);
	check("time.stays_pending", csr_read(sip) & SIE_STIE);
	sbi_call(SBI_EXT_TIME, 0, ~0UL);
	check("time.cleared_by_set", !(csr_read(sip) & SIE_STIE));
	sbi_call(SBI_EXT_TIME, 0, 0);
	check("time.past", catch(interrupt_comes, SIE_STIE) && trapped.scause == SCAUSE_TIMER);
	sbi_call(SBI_EXT_TIME, 0, ~0UL);
	check("time.unknown_function", sbi_call(SBI_EXT_TIME, 1).error == SBI_ERR_NOT_SUPPORTED);
}

static bool ipi_arrives(unsigned long mask, unsigned long base)
{
	bool arrived = sbi_call(SBI_EXT_IPI, 0, mask, base).error == SBI_SUCCESS &&
		       catch(interrupt_comes, SIE_SSIE) && trapped.scause == SCAUSE_SOFTWARE;

	csr_clear(sip, SIE_SSIE);
	return arrived && !(csr_read(sip) & SIE_SSIE);
}

void check_ipi(void)
{
	check("ipi.mask", ipi_arrives(1, 0));
	check("ipi.all_harts", ipi_arrives(0, ALL_HARTS));
	check("ipi.no_hart", sbi_call(SBI_EXT_IPI, 0, 0, 0).error == SBI_SUCCESS && !(csr_read(sip) & SIE_SSIE));
	check("ipi.invalid_hart", sbi_call(SBI_EXT_IPI, 0, 1, 64).error == SBI_ERR_INVALID_PARAM &&
	      !(csr_read(sip) & SIE_SSIE));
	check("ipi.unknown_function", sbi_call(SBI_EXT_IPI, 1).error == SBI_ERR_NOT_SUPPORTED);
}

/* Code that is rewritten runs as rewritten after a remote FENCE.I. */
static bool fence_i_works(void)
{
	static uint32_t code[2];
	long (*function)(void) = (long (*)(void))(uintptr_t)code;
	bool held = true;

	for (uint32_t n = 1; n < 4; n++) {
		*(volatile uint32_t *)&code[0] = 0x00000513 | n << 20;	/* li a0, n */
		*(volatile uint32_t *)&code[1] = 0x00008067;		/* ret */
		held = held && sbi_call(SBI_EXT_RFENCE, 0, 1, 0).error == SBI_SUCCESS && function() == n;
	}
	return held;
}

static uint64_t root[512] __attribute__((aligned(4096)));
static uint64_t middle[512] __attribute__((aligned(4096)));
static uint64_t leaf[512] __attribute__((aligned(4096)));
static uint64_t pages[2][512] __attribute__((aligned(4096)));

static uint64_t pte(const void *target, uint64_t flags)
{
	return (uintptr_t)target >> 12 << 10 | flags;
}

static void mapping_on(void)
{
	root[0] = pte((void *)0, PTE_LEAF);			/* the devices */
	root[2] = pte((void *)(BOARD_DRAM_BASE + 0UL), PTE_LEAF);
	root[TEST_VA >> 30] = pte(middle, PTE_TABLE);
	middle[0] = pte(leaf, PTE_TABLE);
	csr_write(satp, SATP_SV39 | (uintptr_t)root >> 12);
	__asm__ volatile ("sfence.vma" : : : "memory");
}

static void load_test_page(unsigned long address)
{
	load_from(address);
}

/* A page table entry that is rewritten counts as rewritten after a remote fence. */
static bool sfence_works(unsigned long function)
{
	bool held = true;

	for (uint64_t n = 0; n < 4; n++) {
		*(volatile uint64_t *)&pages[n % 2][0] = n;
		*(volatile uint64_t *)&leaf[0] = pte(pages[n % 2], PTE_LEAF);
		held = held && sbi_call(SBI_EXT_RFENCE, function, 1, 0, TEST_VA, 4096).error == SBI_SUCCESS &&
		       load_from(TEST_VA) == n;
	}
	*(volatile uint64_t *)&leaf[0] = 0;
	sbi_call(SBI_EXT_RFENCE, function, 0, ALL_HARTS, 0, ~0UL);
	return held && catch(load_test_page, TEST_VA) && trapped.scause == SCAUSE_LOAD_PAGE_FAULT &&
	       trapped.stval == TEST_VA;
}

void check_rfence(void)
{
	check("rfence.fence_i", fence_i_works());
	mapping_on();
	check("rfence.sfence_vma", sfence_works(1));
	check("rfence.sfence_vma_asid", sfence_works(2));
	csr_write(satp, 0UL);
	__asm__ volatile ("sfence.vma" : : : "memory");
	check("rfence.invalid_hart", sbi_call(SBI_EXT_RFENCE, 1, 1, 64).error == SBI_ERR_INVALID_PARAM);
	check("rfence.unknown_function", sbi_call(SBI_EXT_RFENCE, 7).error == SBI_ERR_NOT_SUPPORTED);
}

void check_srst(void)
{
	check("srst.reserved_type", sbi_call(SBI_EXT_SRST, 0, 3, 0).error == SBI_ERR_INVALID_PARAM);
	check("srst.reserved_reason", sbi_call(SBI_EXT_SRST, 0, 0, 2).error == SBI_ERR_INVALID_PARAM);
	check("srst.unknown_function", sbi_call(SBI_EXT_SRST, 1).error == SBI_ERR_NOT_SUPPORTED);
}

static bool refuses(unsigned long function, unsigned long size, unsigned long base_lo, unsigned long base_hi)
{
	return sbi_call(SBI_EXT_DBCN, function, size, base_lo, base_hi).error == SBI_ERR_INVALID_PARAM;
}

void check_dbcn(void)
{
	static const char text[] = "dbcn.text ok\n";
	static char buffer[16];
	struct sbiret ret;

	if (!have("dbcn", SBI_EXT_DBCN))
		return;
	ret = sbi_call(SBI_EXT_DBCN, 0, sizeof(text) - 1, (unsigned long)text, 0);
	check("dbcn.write", ret.error == SBI_SUCCESS && ret.value == sizeof(text) - 1);
	for (const char *byte = "dbcn.byte ok\n"; *byte; byte++)
		if (sbi_call(SBI_EXT_DBCN, 2, *byte).error != SBI_SUCCESS)
			check("dbcn.write_byte", false);
	ret = sbi_call(SBI_EXT_DBCN, 1, sizeof(buffer), (unsigned long)buffer, 0);
	check("dbcn.read_nothing", ret.error == SBI_SUCCESS && ret.value == 0);
	for (unsigned long function = 0; function < 2; function++) {
		const char *name = function ? "dbcn.read_bounds" : "dbcn.write_bounds";

		check(name, refuses(function, 8, BOARD_FIRMWARE_BASE, 0) &&		/* the firmware's memory */
		      refuses(function, 16, BOARD_KERNEL_BASE - 8UL, 0) &&		/* its last bytes */
		      refuses(function, 8, BOARD_UART_BASE, 0) &&			/* a device */
		      refuses(function, 8, BOARD_DRAM_BASE - 8UL, 0) &&			/* no RAM */
		      refuses(function, 1UL << 40, BOARD_KERNEL_BASE, 0) &&		/* beyond the end of RAM */
		      refuses(function, ~0UL, BOARD_KERNEL_BASE, 0) &&			/* wraps */
		      refuses(function, 8, (unsigned long)buffer, 1));			/* above 2^64 */
	}
	check("dbcn.unknown_function", sbi_call(SBI_EXT_DBCN, 3).error == SBI_ERR_NOT_SUPPORTED);
}
