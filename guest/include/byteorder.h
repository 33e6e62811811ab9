/* Byte order: this CPU is little-endian, the flattened device tree big-endian. */
#ifndef BYTEORDER_H
#define BYTEORDER_H

#include "types.h"

static inline u32 be32_to_cpu(__be32 x) { return __builtin_bswap32(x); }
static inline u16 le16_to_cpu(__le16 x) { return x; }
static inline u32 le32_to_cpu(__le32 x) { return x; }
static inline u64 le64_to_cpu(__le64 x) { return x; }
static inline __le16 cpu_to_le16(u16 x) { return x; }
static inline __le32 cpu_to_le32(u32 x) { return x; }
static inline __le64 cpu_to_le64(u64 x) { return x; }

#endif
