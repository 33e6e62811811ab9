/* Buffers for devices: lists of pieces of physical memory. */
#ifndef SCATTERLIST_H
#define SCATTERLIST_H

#include "page.h"

struct scatterlist {
	phys_addr_t addr;
	u32 length; /* bytes */
};

/* One piece, by virtual address inside the linear map. */
static inline void sg_init_one(struct scatterlist *sg, const void *buf, u32 length)
{
	sg->addr = __pa(buf);
	sg->length = length;
}

#endif
