/*
 * fdt.c - reading the flattened device tree.
 *
 * The structure block is a row of tokens (begin node, property, end node); a walk goes through it without recursion,
 * and each length in it is checked against what is left of its block before it is used.
 */
#include "fdt.h"
#include "string.h"

#define FDT_MAGIC	0xd00dfeed
#define FDT_VERSION	17

#define DEFAULT_ADDRESS_CELLS	2	/* where a parent does not say (2.3.5) */
#define DEFAULT_SIZE_CELLS	1

void fdt_start(struct fdt_walk *walk, const void *tree)
{
	const struct fdt_header *header = tree;

	*walk = (struct fdt_walk){
		.block = (const uint8_t *)tree + be32(header->off_dt_struct),
		.size = be32(header->size_dt_struct),
		.strings = (const char *)tree + be32(header->off_dt_strings),
		.strings_size = be32(header->size_dt_strings),
	};
}

/* Take `length` bytes, and the padding up to the next token. Returns NULL when the block ends before. */
static const uint8_t *take(struct fdt_walk *walk, uint32_t length)
{
	const uint8_t *start = walk->block + walk->offset;

	if (length > walk->size - walk->offset)
		return NULL;
	walk->offset += length;
	walk->offset += -walk->offset & 3;
	if (walk->offset > walk->size)
		return NULL;
	return start;
}

static bool take_word(struct fdt_walk *walk, uint32_t *word)
{
	const uint8_t *data = take(walk, sizeof(*word));

	if (data)
		*word = fdt_cells(data, 1);
	return data;
}

static bool take_node_name(struct fdt_walk *walk)
{
	walk->name = (const char *)walk->block + walk->offset;
	return take(walk, strnlen(walk->name, walk->size - walk->offset) + 1);
}

static bool take_property(struct fdt_walk *walk)
{
	uint32_t name;

	if (!take_word(walk, &walk->length) || !take_word(walk, &name) || name >= walk->strings_size)
		return false;
	walk->name = walk->strings + name;
	walk->data = take(walk, walk->length);
	return walk->data && strnlen(walk->name, walk->strings_size - name) < walk->strings_size - name;
}

/* Returns the token found (FDT_NOP is passed over), or -1 when the block is malformed. */
int fdt_next(struct fdt_walk *walk)
{
	uint32_t token;

	do {
		walk->at = walk->offset;
		if (!take_word(walk, &token))
			return -1;
	} while (token == FDT_NOP);

	walk->depth = token == FDT_BEGIN_NODE ? walk->open + 1 : walk->open;
	switch (token) {
	case FDT_BEGIN_NODE:
		walk->open++;
		return walk->open <= FDT_MAX_DEPTH && take_node_name(walk) ? FDT_BEGIN_NODE : -1;
	case FDT_PROP:
		return walk->open && take_property(walk) ? FDT_PROP : -1;
	case FDT_END_NODE:
		return walk->open-- ? FDT_END_NODE : -1;
	case FDT_END:
		return walk->open ? -1 : FDT_END;
	default:
		return -1;
	}
}

static bool block_fits(uint32_t offset, uint32_t size, uint32_t total)
{
	return offset <= total && size <= total - offset;
}

/* Is this a whole, well-formed tree of version 17? Only memory inside its declared size is read. */
bool fdt_check(const void *tree)
{
	const struct fdt_header *header = tree;
	struct fdt_walk walk;
	int token;

	if ((uintptr_t)tree % 8 || be32(header->magic) != FDT_MAGIC)
		return false;
	if (be32(header->version) < FDT_VERSION || be32(header->last_comp_version) > FDT_VERSION)
		return false;

	uint32_t total = be32(header->totalsize);

	if (total < sizeof(*header) || total > FDT_MAX_SIZE || be32(header->off_dt_struct) % 4 ||
	    !block_fits(be32(header->off_dt_struct), be32(header->size_dt_struct), total) ||
	    !block_fits(be32(header->off_dt_strings), be32(header->size_dt_strings), total))
		return false;

	fdt_start(&walk, tree);
	do
		token = fdt_next(&walk);
	while (token != FDT_END && token != -1);
	return token == FDT_END;
}

/* One or two big-endian cells; data need not be aligned. */
uint64_t fdt_cells(const uint8_t *data, uint32_t cells)
{
	uint64_t value = 0;

	for (uint32_t i = 0; i < cells * 4; i++)
		value = value << 8 | data[i];
	return value;
}

/* Does a property that lists strings contain this one? */
static bool lists(const uint8_t *data, uint32_t length, const char *string)
{
	while (length) {
		const char *item = (const char *)data;
		uint32_t size = strnlen(item, length) + 1;

		if (size > length)
			return false;
		if (!strcmp(item, string))
			return true;
		data += size;
		length -= size;
	}
	return false;
}

/* What is known of each open node while a walk goes on. */
struct level {
	uint32_t address_cells, size_cells;	/* for the children */
	const uint8_t *reg;
	uint32_t reg_length;
	bool matches;
};

static void read_property(struct level *level, const struct fdt_walk *walk, const char *property, const char *value)
{
	if (!strcmp(walk->name, property) && lists(walk->data, walk->length, value))
		level->matches = true;
	if (!strcmp(walk->name, "#address-cells") && walk->length == 4)
		level->address_cells = fdt_cells(walk->data, 1);
	if (!strcmp(walk->name, "#size-cells") && walk->length == 4)
		level->size_cells = fdt_cells(walk->data, 1);
	if (!strcmp(walk->name, "reg")) {
		level->reg = walk->data;
		level->reg_length = walk->length;
	}
}

static bool read_reg(const struct level *node, const struct level *parent, uint64_t *base, uint64_t *size)
{
	uint32_t address = parent->address_cells, span = parent->size_cells;

	if (!node->reg || !address || address > 2 || span > 2 || node->reg_length < 4 * (address + span))
		return false;
	*base = fdt_cells(node->reg, address);
	*size = fdt_cells(node->reg + 4 * address, span);
	return true;
}

/*
 * Find the first node whose `property` (compatible, device_type) lists `value`, and that has a `reg` of cells this
 * firmware can hold. Only the first entry of `reg` is read. Buses are taken to map addresses one to one, as all of
 * this board's with such nodes do (empty `ranges`).
 */
bool fdt_find_reg(const void *tree, const char *property, const char *value, uint64_t *base, uint64_t *size)
{
	struct level levels[FDT_MAX_DEPTH + 1] = { { DEFAULT_ADDRESS_CELLS, DEFAULT_SIZE_CELLS, NULL, 0, false } };
	struct fdt_walk walk;
	int token;

	fdt_start(&walk, tree);
	while ((token = fdt_next(&walk)) != FDT_END) {
		struct level *level = &levels[walk.depth];

		if (token == FDT_BEGIN_NODE)
			*level = (struct level){ DEFAULT_ADDRESS_CELLS, DEFAULT_SIZE_CELLS, NULL, 0, false };
		else if (token == FDT_PROP)
			read_property(level, &walk, property, value);
		else if (level->matches && read_reg(level, level - 1, base, size))
			return true;
	}
	return false;
}
