/* CRC-32 (IEEE 802.3), the value that zlib's crc32() gives: crc32(0, data, n), and on from there. */
#ifndef CRC32_H
#define CRC32_H

#include "types.h"

u32 crc32(u32 crc, const void *data, size_t n);

#endif
