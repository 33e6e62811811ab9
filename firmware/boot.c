/*
 * boot.c - from the reset vector to the S-mode kernel.
 *
 * The platform says what to start by OpenSBI's dynamic firmware protocol (include/sbi/fw_dynamic.h), which QEMU's
 * `-bios X -kernel Y` speaks too. A platform that says something else cannot be obeyed: the machine fails at once,
 * with the reason on the UART.
 */
#include "board.h"
#include "fdt.h"
#include "hart.h"
#include "platform.h"
#include "sbi.h"

#define FW_DYNAMIC_MAGIC	0x4942534f	/* "OSBI" */
#define FW_DYNAMIC_VERSION	2
#define FW_DYNAMIC_NEXT_MODE_S	1
#define FW_DYNAMIC_ANY_HART	(~0UL)

struct fw_dynamic_info {
	unsigned long magic;
	unsigned long version;
	unsigned long next_addr;
	unsigned long next_mode;
	unsigned long options;		/* hints about OpenSBI's own boot messages */
	unsigned long boot_hart;
};

_Noreturn void boot(unsigned long hartid, void *tree, const struct fw_dynamic_info *info);
_Noreturn void resume(void);

/* Returns the reason why the information is refused, or NULL. Wants pmp_set_ram(). */
static const char *refused(const struct fw_dynamic_info *info)
{
	if (!info || (uintptr_t)info % sizeof(long) || info->magic != FW_DYNAMIC_MAGIC)
		return "a2: no fw_dynamic_info (magic)";
	if (info->version != FW_DYNAMIC_VERSION)
		return "fw_dynamic_info: version is not 2";
	if (info->next_mode != FW_DYNAMIC_NEXT_MODE_S)
		return "fw_dynamic_info: next_mode is not S-mode";
	if (info->boot_hart != HART_ID && info->boot_hart != FW_DYNAMIC_ANY_HART)
		return "fw_dynamic_info: boot_hart is not hart 0";
	if (!sbi_address_valid(info->next_addr))
		return "fw_dynamic_info: next_addr is not in RAM behind the firmware (no kernel given?)";
	return NULL;
}

/* Learn RAM and the sleep register from the tree, and reserve the firmware's memory in it. */
static void read_tree(void *tree)
{
	const struct fdt_header *header = tree;
	uint64_t base, size;

	if (!tree || !fdt_check(tree))
		panic("a1: no device tree, or a malformed one");
	if (!fdt_find_reg(tree, "device_type", "memory", &base, &size) || size > UINT64_MAX - base)
		panic("device tree: no memory node with a usable reg");
	pmp_set_ram(base, size);
	if (!pmp_supervisor_owns((uintptr_t)tree, be32(header->totalsize)))
		panic("device tree: not in RAM behind the firmware");
	if (!fdt_reserve_firmware(tree, base + size - (uintptr_t)tree))
		panic("device tree: cannot add /reserved-memory (room, order of blocks, or the root's cells)");
	if (fdt_find_reg(tree, "compatible", "thawvisor,platform-sleep", &base, &size))
		sbi_susp_init(base);
}

/* Called by reset.S with what the reset vector passed, on a clean stack and with .bss cleared. */
_Noreturn void boot(unsigned long hartid, void *tree, const struct fw_dynamic_info *info)
{
	const char *reason;

	uart_init();
	hart_init();
	read_tree(tree);
	reason = refused(info);
	if (reason)
		panic(reason);
	supervisor_enter(hartid, (uintptr_t)tree, info->next_addr);
}

/* Called by reset.S when RAM is a platform hibernation's: what read_tree() learnt is in the image. */
_Noreturn void resume(void)
{
	uart_init();
	hart_init();
	sbi_susp_resume();
}
