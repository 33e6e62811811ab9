/*
 * The flattened device tree, walked in place. The structure block is a stream of 32-bit tokens; a node is
 * BEGIN_NODE name, its PROPs, its child nodes, END_NODE. Reading past the end gives FDT_END, which stops any
 * walk, and so does a nesting deeper than MAX_DEPTH.
 */
#include "of.h"

#include "byteorder.h"
#include "kernel.h"
#include "string.h"

#define FDT_MAGIC 0xd00dfeed
#define FDT_BEGIN_NODE 1
#define FDT_END_NODE 2
#define FDT_PROP 3
#define FDT_NOP 4
#define FDT_END 9
#define FDT_MAX_SIZE (2u << 20)
#define MAX_DEPTH 16

struct fdt_header {
	__be32 magic, totalsize, off_dt_struct, off_dt_strings, off_mem_rsvmap, version, last_comp_version,
		boot_cpuid_phys, size_dt_strings, size_dt_struct;
};

static const char *blob;
static u32 blob_size, mem_rsvmap;
static u32 struct_start, struct_size, strings_start, strings_size;

typedef int (*visitor)(const struct device_node *node, void *arg);

static bool block_fits(u32 start, u32 size)
{
	return start <= blob_size && size <= blob_size - start && IS_ALIGNED(start, 4);
}

int of_init(const void *fdt)
{
	const struct fdt_header *header = fdt;

	if (!IS_ALIGNED((unsigned long)fdt, sizeof(u64)) || be32_to_cpu(header->magic) != FDT_MAGIC)
		return -EINVAL;
	blob = fdt;
	blob_size = be32_to_cpu(header->totalsize);
	struct_start = be32_to_cpu(header->off_dt_struct);
	struct_size = be32_to_cpu(header->size_dt_struct);
	strings_start = be32_to_cpu(header->off_dt_strings);
	strings_size = be32_to_cpu(header->size_dt_strings);
	mem_rsvmap = be32_to_cpu(header->off_mem_rsvmap);
	if (blob_size < sizeof(*header) || blob_size > FDT_MAX_SIZE || be32_to_cpu(header->version) < 17 ||
	    !block_fits(struct_start, struct_size) || !block_fits(ALIGN_DOWN(strings_start, 4), strings_size) ||
	    !block_fits(mem_rsvmap, 0))
		return -EINVAL;
	return 0;
}

size_t of_size(void)
{
	return blob_size;
}

static u32 read_cell(u32 offset)
{
	if (offset > struct_size - sizeof(u32) || struct_size < sizeof(u32))
		return FDT_END;
	return be32_to_cpu(*(const __be32 *)(blob + struct_start + offset));
}

/* A terminated string inside a block, NULL when it runs out of it. */
static const char *read_string(u32 start, u32 size, u32 offset)
{
	const char *s = blob + start + offset;

	return offset < size && strnlen(s, size - offset) < size - offset ? s : NULL;
}

/* Steps over NOPs; returns the token at *pos. */
static u32 peek_token(u32 *pos)
{
	while (read_cell(*pos) == FDT_NOP)
		*pos += sizeof(u32);
	return read_cell(*pos);
}

struct property {
	const char *name;
	const void *value;
	u32 len;
};

/* Reads the property at *pos and steps behind it; false when there is none (left) there. */
static bool next_property(u32 *pos, struct property *prop)
{
	u32 value;

	if (peek_token(pos) != FDT_PROP)
		return false;
	value = *pos + 3 * sizeof(u32);
	prop->len = read_cell(*pos + sizeof(u32));
	prop->name = read_string(strings_start, strings_size, read_cell(*pos + 2 * sizeof(u32)));
	prop->value = blob + struct_start + value;
	if (!prop->name || value > struct_size || prop->len > struct_size - value)
		return false;
	*pos = ALIGN(value + prop->len, sizeof(u32));
	return true;
}

const void *of_get_property(const struct device_node *node, const char *name, u32 *len)
{
	struct property prop;

	for (u32 pos = node->offset; next_property(&pos, &prop);) {
		if (!strcmp(prop.name, name)) {
			if (len)
				*len = prop.len;
			return prop.value;
		}
	}
	return NULL;
}

bool of_property_read_u32(const struct device_node *node, const char *name, u32 *value)
{
	u32 len;
	const __be32 *cell = of_get_property(node, name, &len);

	if (!cell || len < sizeof(u32))
		return false;
	*value = be32_to_cpu(*cell);
	return true;
}

/* Opens the node at *pos: false when there is none. Its `reg` is read with its parent's cells. */
static bool open_node(u32 *pos, u32 address_cells, u32 size_cells, struct device_node *node)
{
	if (peek_token(pos) != FDT_BEGIN_NODE)
		return false;
	node->name = read_string(struct_start, struct_size, *pos + sizeof(u32));
	if (!node->name)
		return false;
	node->offset = ALIGN(*pos + sizeof(u32) + strlen(node->name) + 1, sizeof(u32));
	node->address_cells = address_cells;
	node->size_cells = size_cells;
	*pos = node->offset;
	return true;
}

/*
 * Visits the children of a node, then leaves *pos behind its END_NODE. With `deep`, visits all that is
 * below them as well. Negative when the tree is malformed.
 */
static int walk_children(const struct device_node *parent, u32 *pos, int depth, bool deep, visitor fn,
			 void *arg)
{
	u32 address_cells = 2, size_cells = 1;
	struct device_node node;
	struct property prop;
	int ret = 0;

	if (depth > MAX_DEPTH)
		return -E2BIG;
	of_property_read_u32(parent, "#address-cells", &address_cells);
	of_property_read_u32(parent, "#size-cells", &size_cells);
	*pos = parent->offset;
	while (next_property(pos, &prop))
		;
	while (!ret && open_node(pos, address_cells, size_cells, &node)) {
		ret = fn ? fn(&node, arg) : 0;
		if (!ret)
			ret = walk_children(&node, pos, depth + 1, deep, deep ? fn : NULL, arg);
	}
	if (ret)
		return ret;
	if (peek_token(pos) != FDT_END_NODE)
		return -EINVAL;
	*pos += sizeof(u32);
	return 0;
}

static int walk_root(bool deep, visitor fn, void *arg)
{
	struct device_node root;
	u32 pos = 0;

	if (!open_node(&pos, 2, 1, &root))
		return -EINVAL;
	return walk_children(&root, &pos, 0, deep, fn, arg);
}

int of_for_each_node(visitor fn, void *arg)
{
	return walk_root(true, fn, arg);
}

int of_for_each_child(const struct device_node *parent, visitor fn, void *arg)
{
	u32 pos;

	return walk_children(parent, &pos, 0, false, fn, arg);
}

struct name_query {
	const char *name;
	struct device_node *node;
};

static int match_name(const struct device_node *node, void *arg)
{
	struct name_query *query = arg;
	size_t len = strlen(query->name);

	if (strncmp(node->name, query->name, len) || (node->name[len] && node->name[len] != '@'))
		return 0;
	*query->node = *node;
	return 1;
}

bool of_find_root_child(const char *name, struct device_node *node)
{
	struct name_query query = { name, node };

	return walk_root(false, match_name, &query) == 1;
}

const char *of_property_read_string(const struct device_node *node, const char *name)
{
	u32 len;
	const char *s = of_get_property(node, name, &len);

	return s && strnlen(s, len) < len ? s : NULL;
}

static u64 read_number(const __be32 *cells, u32 n)
{
	u64 value = 0;

	while (n--)
		value = value << 32 | be32_to_cpu(*cells++);
	return value;
}

bool of_get_mem_rsv(unsigned int index, u64 *base, u64 *size)
{
	u32 offset = mem_rsvmap + index * 16;

	if (offset > blob_size - 16)
		return false;
	*base = read_number((const __be32 *)(blob + offset), 2);
	*size = read_number((const __be32 *)(blob + offset + 8), 2);
	return *base || *size;
}

bool of_get_reg(const struct device_node *node, unsigned int index, u64 *base, u64 *size)
{
	u32 entry = node->address_cells + node->size_cells;
	const __be32 *cells;
	u32 len;

	cells = of_get_property(node, "reg", &len);
	if (!cells || node->address_cells - 1 > 1 || node->size_cells > 2 ||
	    index >= len / (entry * sizeof(u32)))
		return false;
	cells += index * entry;
	*base = read_number(cells, node->address_cells);
	*size = read_number(cells + node->address_cells, node->size_cells);
	return true;
}

bool of_device_is_compatible(const struct device_node *node, const char *compatible)
{
	u32 len;
	const char *list = of_get_property(node, "compatible", &len);

	while (list && len) {
		size_t n = strnlen(list, len);

		if (n == len)
			break;
		if (!strcmp(list, compatible))
			return true;
		list += n + 1;
		len -= n + 1;
	}
	return false;
}

bool of_device_is_available(const struct device_node *node)
{
	const char *status = of_property_read_string(node, "status");

	return !status || !strcmp(status, "okay") || !strcmp(status, "ok");
}
