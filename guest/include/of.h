/*
 * The flattened device tree, read in place (Devicetree Specification 0.4, chapter 5). The blob
 * comes from outside: every offset is checked, and a malformed one reads as if it ended there.
 */
#ifndef OF_H
#define OF_H

#include "types.h"

struct device_node {
	const char *name;
	u32 offset;		       /* of its first property or child in the structure block */
	u32 address_cells, size_cells; /* its parent's: how to read its `reg` */
};

/* Accepts a tree at a virtual address: -EINVAL when its header makes no sense. */
int of_init(const void *fdt);
size_t of_size(void);

/* Visits all nodes in depth-first order, parents first, until fn returns non-zero, which is returned. */
int of_for_each_node(int (*fn)(const struct device_node *node, void *arg), void *arg);
/* Visits only the direct children. */
int of_for_each_child(const struct device_node *parent, int (*fn)(const struct device_node *node, void *arg),
		      void *arg);
/* The child of the root with this name, not counting any "@address". */
bool of_find_root_child(const char *name, struct device_node *node);

/* A property's value, NULL when it has none by that name. */
const void *of_get_property(const struct device_node *node, const char *name, u32 *len);
bool of_property_read_u32(const struct device_node *node, const char *name, u32 *value);
/* NULL unless the property is a terminated string. */
const char *of_property_read_string(const struct device_node *node, const char *name);
/* The index-th entry of the header's memory reservation block. */
bool of_get_mem_rsv(unsigned int index, u64 *base, u64 *size);
/* The index-th range of `reg`. */
bool of_get_reg(const struct device_node *node, unsigned int index, u64 *base, u64 *size);
bool of_device_is_compatible(const struct device_node *node, const char *compatible);
bool of_device_is_available(const struct device_node *node);

#endif
