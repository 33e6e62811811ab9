/*
 * fdt_fixup.c - telling the kernel, in the tree that it gets, to keep off the firmware's memory.
 *
 * A tree without /reserved-memory (QEMU's) grows in place: the new node goes in before the root ends, the names of its
 * properties go behind the strings block, and everything between moves up.
 */
#include "board.h"
#include "fdt.h"
#include "string.h"

_Static_assert(BOARD_FIRMWARE_BASE == 0x80000000, "unit address of the node below");
#define NODE_NAME	"firmware@80000000"

/* Appended to the strings block; a property's name is an offset into it. */
static const struct names {
	char address_cells[15];
	char size_cells[12];
	char ranges[7];
	char reg[4];
	char no_map[7];
} names = { "#address-cells", "#size-cells", "ranges", "reg", "no-map" };

#define FDT_RESERVE_GROWTH	192	/* bytes: the node of at most 34 words, the names, and some to spare */

struct node {
	uint32_t words[(FDT_RESERVE_GROWTH - sizeof(struct names)) / 4];
	uint32_t count;
};

static void put(struct node *node, uint32_t value)
{
	node->words[node->count++] = be32(value);
}

static void put_begin(struct node *node, const char *name, uint32_t size)
{
	put(node, FDT_BEGIN_NODE);
	memcpy(&node->words[node->count], name, size);
	node->count += (size + 3) / 4;
}

static void put_property(struct node *node, uint32_t name, uint32_t cells)
{
	put(node, FDT_PROP);
	put(node, cells * 4);
	put(node, name);
}

/* A number of one or two cells. */
static void put_cells(struct node *node, uint64_t value, uint32_t cells)
{
	if (cells == 2)
		put(node, value >> 32);
	put(node, value);
}

/* Linux wants the cells of /reserved-memory to be the root's (drivers/of/fdt.c, __reserved_mem_check_root). */
static void build(struct node *node, uint32_t strings, uint32_t address_cells, uint32_t size_cells)
{
	put_begin(node, "reserved-memory", sizeof("reserved-memory"));
	put_property(node, strings + offsetof(struct names, address_cells), 1);
	put(node, address_cells);
	put_property(node, strings + offsetof(struct names, size_cells), 1);
	put(node, size_cells);
	put_property(node, strings + offsetof(struct names, ranges), 0);
	put_begin(node, NODE_NAME, sizeof(NODE_NAME));
	put_property(node, strings + offsetof(struct names, reg), address_cells + size_cells);
	put_cells(node, BOARD_FIRMWARE_BASE, address_cells);
	put_cells(node, BOARD_FIRMWARE_SIZE, size_cells);
	put_property(node, strings + offsetof(struct names, no_map), 0);
	put(node, FDT_END_NODE);
	put(node, FDT_END_NODE);
}

/* Insert the node at `place` of the structure block, and its names; the blocks are known to lie in this order. */
static void insert(uint8_t *tree, uint32_t place, const struct node *node)
{
	struct fdt_header *header = (struct fdt_header *)tree;
	uint32_t grown = node->count * 4;
	uint32_t from = be32(header->off_dt_struct) + place;
	uint32_t end = be32(header->off_dt_strings) + be32(header->size_dt_strings);

	memmove(tree + from + grown, tree + from, end - from);
	memcpy(tree + from, node->words, grown);
	memcpy(tree + end + grown, &names, sizeof(names));
	end += grown + sizeof(names);

	header->off_dt_strings = be32(be32(header->off_dt_strings) + grown);
	header->size_dt_struct = be32(be32(header->size_dt_struct) + grown);
	header->size_dt_strings = be32(be32(header->size_dt_strings) + sizeof(names));
	if (be32(header->totalsize) < end)
		header->totalsize = be32(end);
}

/*
 * Reserve the firmware's region in a tree that has no /reserved-memory. `capacity` is what the tree may grow to, in
 * bytes. Returns false, and changes nothing, when it would grow further, when its blocks do not lie in the usual order
 * (reservations, structure, strings), or when its root's cells are not one or two.
 */
bool fdt_reserve_firmware(void *tree, uint64_t capacity)
{
	const struct fdt_header *header = tree;
	uint32_t address_cells = 0, size_cells = 0, place = 0;
	struct fdt_walk walk;
	int token;

	fdt_start(&walk, tree);
	while ((token = fdt_next(&walk)) != FDT_END) {
		if (token == FDT_BEGIN_NODE && walk.depth == 2 && !strcmp(walk.name, "reserved-memory"))
			return true;
		if (token == FDT_PROP && walk.depth == 1 && walk.length == 4 && !strcmp(walk.name, "#address-cells"))
			address_cells = fdt_cells(walk.data, 1);
		if (token == FDT_PROP && walk.depth == 1 && walk.length == 4 && !strcmp(walk.name, "#size-cells"))
			size_cells = fdt_cells(walk.data, 1);
		if (token == FDT_END_NODE && walk.depth == 1)
			place = walk.at;
	}

	if (be32(header->off_mem_rsvmap) > be32(header->off_dt_struct) ||
	    be32(header->off_dt_struct) + be32(header->size_dt_struct) > be32(header->off_dt_strings))
		return false;
	if (!place || address_cells - 1 > 1 || size_cells - 1 > 1 || be32(header->totalsize) + FDT_RESERVE_GROWTH > capacity)
		return false;

	struct node node = { .count = 0 };

	build(&node, be32(header->size_dt_strings), address_cells, size_cells);
	insert(tree, place, &node);
	return true;
}
