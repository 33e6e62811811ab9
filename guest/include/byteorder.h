/* Byte order: this CPU is little-endian, like modern virtio; the flattened device tree is big-endian. */
#ifndef BYTEORDER_H
#define BYTEORDER_H

#include "types.h"

static inline u32 be32_to_cpu(__be32 x) { return __builtin_bswap32(x); }

#endif
