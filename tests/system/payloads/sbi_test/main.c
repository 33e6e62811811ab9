/*
 * main.c - entered by the firmware like a kernel; `sbi_test=MODE` on the kernel command line says what to do.
 */
#include "board.h"
#include "payload.h"

#define FDT_MAGIC	0xd00dfeed
#define ABSENT_RAM	0xc0000000UL

enum { SHUTDOWN, COLD_REBOOT, WARM_REBOOT };
enum { NO_REASON, SYSTEM_FAILURE };

static const uint8_t *tree;
static uint32_t tree_size;

static void check_extensions(void)
{
	check_traps();
	check_base();
	check_time();
	check_ipi();
	check_rfence();
	check_hsm();
	check_srst();
	check_susp();
	check_dbcn();
}

/* What only our firmware promises. */
static void own(void)
{
	check_own_region();
	check_own_hsm();
	check("base.own_version", sbi_call(SBI_EXT_BASE, 0).value == 2 << 24);
}

static void hibernate(void)
{
	check_hibernation();
	check_extensions();
}

static void print_tree(void)
{
	print("tree ");
	for (uint32_t i = 0; i < tree_size; i++)
		print_hex(tree[i], 2);
	print("\n");
}

/* The test runs this where the tree promises RAM that is not there: M-mode takes the trap, and must not go on. */
static void write_absent_ram(void)
{
	sbi_call(SBI_EXT_DBCN, 0, 8, ABSENT_RAM, 0);
}

static void fail(void)
{
	sbi_call(SBI_EXT_SRST, 0, SHUTDOWN, SYSTEM_FAILURE);
}

static void reboot_cold(void)
{
	sbi_call(SBI_EXT_SRST, 0, COLD_REBOOT, NO_REASON);
}

static void reboot_warm(void)
{
	sbi_call(SBI_EXT_SRST, 0, WARM_REBOOT, NO_REASON);
}

static const struct {
	const char *argument;
	void (*run)(void);
} modes[] = {
	{ "sbi_test=all", check_extensions },
	{ "sbi_test=own", own },
	{ "sbi_test=sleepless", check_no_hibernation },
	{ "sbi_test=hibernate", hibernate },
	{ "sbi_test=tree", print_tree },
	{ "sbi_test=absent", write_absent_ram },
	{ "sbi_test=fail", fail },
	{ "sbi_test=cold", reboot_cold },
	{ "sbi_test=warm", reboot_warm },
};

/* The command line is the only thing in the tree that reads like this: no need to parse it. */
static bool tree_contains(const char *text)
{
	for (uint32_t start = 0, n; start < tree_size; start++) {
		for (n = 0; text[n] && start + n < tree_size && tree[start + n] == text[n]; n++)
			;
		if (!text[n])
			return true;
	}
	return false;
}

static uint32_t tree_word(int index)
{
	return __builtin_bswap32(((const uint32_t *)tree)[index]);
}

_Noreturn void payload_main(unsigned long hartid, const uint8_t *device_tree)
{
	tree = device_tree;
	print("sbi_test\n");
	check("boot.hartid", hartid == 0);
	check("boot.satp", csr_read(satp) == 0);
	check("boot.interrupts_off", !(csr_read(sstatus) & SSTATUS_SIE));
	check("boot.device_tree", tree_word(0) == FDT_MAGIC);
	tree_size = tree_word(1);

	for (unsigned int i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (tree_contains(modes[i].argument))
			modes[i].run();
	print(failed ? "done: failed\n" : "done: passed\n");
	sbi_call(SBI_EXT_SRST, 0, SHUTDOWN, NO_REASON);
	check("srst.shutdown", false);
	for (;;)
		;
}
