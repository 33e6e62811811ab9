/*
 * fdt.h - the little of the flattened device tree (Devicetree Specification 0.4, chapter 5) that the firmware needs.
 *
 * The tree comes from the platform, yet nothing in it is believed: fdt_check() walks it once from end to end, and
 * the other functions want a tree that passed.
 */
#ifndef FDT_H
#define FDT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FDT_BEGIN_NODE	1
#define FDT_END_NODE	2
#define FDT_PROP	3
#define FDT_NOP		4
#define FDT_END		9

#define FDT_MAX_SIZE	0x100000	/* bytes; QEMU's own limit */
#define FDT_MAX_DEPTH	32

/* Every field big-endian. */
struct fdt_header {
	uint32_t magic;
	uint32_t totalsize;
	uint32_t off_dt_struct;
	uint32_t off_dt_strings;
	uint32_t off_mem_rsvmap;
	uint32_t version;
	uint32_t last_comp_version;
	uint32_t boot_cpuid_phys;
	uint32_t size_dt_strings;
	uint32_t size_dt_struct;
};

static inline uint32_t be32(uint32_t value)
{
	return __builtin_bswap32(value);
}

/* A place in the structure block, and the token that fdt_next() found there. */
struct fdt_walk {
	const uint8_t *block;
	uint32_t size;
	const char *strings;
	uint32_t strings_size;
	uint32_t offset;	/* of the next token */
	uint32_t open;		/* nodes begun and not ended */

	uint32_t at;		/* offset of this token */
	uint32_t depth;		/* of the node that it begins, ends or belongs to; the root's is 1 */
	const char *name;	/* FDT_BEGIN_NODE: node name with unit address; FDT_PROP: property name */
	const uint8_t *data;	/* FDT_PROP */
	uint32_t length;	/* FDT_PROP: bytes of data */
};

/* fdt.c */
bool fdt_check(const void *tree);
void fdt_start(struct fdt_walk *walk, const void *tree);
int fdt_next(struct fdt_walk *walk);
uint64_t fdt_cells(const uint8_t *data, uint32_t cells);
bool fdt_find_reg(const void *tree, const char *property, const char *value, uint64_t *base, uint64_t *size);

/* fdt_fixup.c */
bool fdt_reserve_firmware(void *tree, uint64_t capacity);

#endif
