/*
 * CRC-32, eight bytes a step ("slicing by 8"): table[k][b] is the effect of byte b with k zero bytes behind it.
 */
#include "crc32.h"

#define POLYNOMIAL 0xedb88320 /* reflected */
#define SLICES 8

static u32 table[SLICES][256];

static void make_table(void)
{
	for (u32 b = 0; b < 256; b++) {
		u32 crc = b;

		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
		table[0][b] = crc;
	}
	for (u32 b = 0; b < 256; b++)
		for (int k = 1; k < SLICES; k++)
			table[k][b] = table[k - 1][b] >> 8 ^ table[0][table[k - 1][b] & 0xff];
}

static u32 crc32_word(u64 x)
{
	return table[7][x & 0xff] ^ table[6][x >> 8 & 0xff] ^ table[5][x >> 16 & 0xff] ^
	       table[4][x >> 24 & 0xff] ^ table[3][x >> 32 & 0xff] ^ table[2][x >> 40 & 0xff] ^
	       table[1][x >> 48 & 0xff] ^ table[0][x >> 56];
}

u32 crc32(u32 crc, const void *data, size_t n)
{
	const u8 *p = data;

	if (!table[0][1])
		make_table();
	crc = ~crc;
	for (; n && (unsigned long)p % sizeof(u64); n--)
		crc = crc >> 8 ^ table[0][(crc ^ *p++) & 0xff];
	for (; n >= sizeof(u64); n -= sizeof(u64), p += sizeof(u64))
		crc = crc32_word(*(const u64 *)p ^ crc);
	for (; n; n--)
		crc = crc >> 8 ^ table[0][(crc ^ *p++) & 0xff];
	return ~crc;
}
