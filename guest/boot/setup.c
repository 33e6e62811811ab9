/* The boot's questions to the device tree: memory, command line, time base. */
#include "setup.h"

#include "byteorder.h"
#include "init.h"
#include "memblock.h"
#include "of.h"
#include "string.h"
#include "time.h"

static phys_addr_t initrd_start, initrd_end;

void setup_bootargs(void)
{
	struct device_node chosen;
	const char *args = NULL;

	if (of_find_root_child("chosen", &chosen))
		args = of_property_read_string(&chosen, "bootargs");
	bootargs_init(args ? args : "");
	if (get_bootarg("quiet"))
		printk_set_quiet();
}

void setup_timebase(void)
{
	struct device_node cpus;
	u32 frequency;

	if (!of_find_root_child("cpus", &cpus) ||
	    !of_property_read_u32(&cpus, "timebase-frequency", &frequency) || !frequency)
		panic("device tree: /cpus has no timebase-frequency");
	time_init(frequency);
}

static int add_memory(const struct device_node *node, void *arg)
{
	const char *type = of_property_read_string(node, "device_type");
	u64 base, size;

	if (!type || strcmp(type, "memory"))
		return 0;
	for (unsigned int i = 0; of_get_reg(node, i, &base, &size); i++)
		memblock_add(base, size);
	return 0;
}

static int add_reserved(const struct device_node *node, void *arg)
{
	bool no_map = of_get_property(node, "no-map", NULL);
	u64 base, size;

	for (unsigned int i = 0; of_get_reg(node, i, &base, &size); i++) {
		if (no_map)
			memblock_remove(base, size);
		else
			memblock_reserve(base, size);
	}
	return 0;
}

/* An address in /chosen has one or two cells: its writer's choice, told by the length. */
static bool read_address(const struct device_node *node, const char *name, phys_addr_t *address)
{
	const __be32 *cells;
	u32 len;

	cells = of_get_property(node, name, &len);
	if (!cells || (len != 4 && len != 8))
		return false;
	*address = 0;
	for (u32 i = 0; i < len / 4; i++)
		*address = *address << 32 | be32_to_cpu(cells[i]);
	return true;
}

static void reserve_initrd(void)
{
	struct device_node chosen;
	phys_addr_t start, end;

	if (!of_find_root_child("chosen", &chosen) ||
	    !read_address(&chosen, "linux,initrd-start", &start) ||
	    !read_address(&chosen, "linux,initrd-end", &end) || start >= end)
		return;
	if (!memblock_is_memory(start, end - start)) {
		pr_warn("initrd: 0x%llx-0x%llx is not memory\n", start, end);
		return;
	}
	memblock_reserve(start, end - start);
	initrd_start = start;
	initrd_end = end;
}

const char *setup_initrd(size_t *size)
{
	*size = initrd_end - initrd_start;
	return initrd_start ? __va(initrd_start) : NULL;
}

void setup_memory(phys_addr_t dtb)
{
	struct device_node reserved_memory;
	u64 base, size;

	of_for_each_node(add_memory, NULL);
	if (!memblock_is_memory(__pa(_start), _end - _start))
		panic("device tree: no memory node covers the kernel");
	if (!memblock_is_memory(dtb, of_size()))
		panic("device tree: it does not lie in memory itself");
	/*
	 * Firmware lives below the kernel, in the same memory. Not every firmware says so in the tree
	 * (OpenSBI 1.1 only protects itself, and an access to it faults), so never map that part.
	 */
	memblock_remove(0, __pa(_start));
	memblock_reserve(__pa(_start), _end - _start);
	memblock_reserve(dtb, of_size());
	for (unsigned int i = 0; of_get_mem_rsv(i, &base, &size); i++)
		memblock_reserve(base, size);
	if (of_find_root_child("reserved-memory", &reserved_memory))
		of_for_each_child(&reserved_memory, add_reserved, NULL);
	reserve_initrd();
}
