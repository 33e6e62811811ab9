/* Fixed-width types under the names that the kernel uses. */
#ifndef TYPES_H
#define TYPES_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef unsigned long long u64; /* as in Linux: %llu */
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef long long s64;
typedef long ssize_t;

/* Device-endian fields: RISC-V and modern virtio are both little-endian, so these only document. */
typedef u16 __le16;
typedef u32 __le32;
typedef u64 __le64;
/* Big-endian fields of the flattened device tree: always go through be32_to_cpu(). */
typedef u32 __be32;
typedef u64 __be64;

typedef u64 phys_addr_t;
typedef u64 dma_addr_t;
typedef unsigned int gfp_t;

#endif
