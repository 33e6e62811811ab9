/* Bitmaps in arrays of unsigned long. */
#ifndef BITMAP_H
#define BITMAP_H

#include "kernel.h"

#define BITS_PER_LONG 64
#define BIT(n) (1UL << (n))
#define BITS_TO_LONGS(n) DIV_ROUND_UP(n, BITS_PER_LONG)
#define DECLARE_BITMAP(name, bits) unsigned long name[BITS_TO_LONGS(bits)]

static inline void set_bit(unsigned long nr, unsigned long *map)
{
	map[nr / BITS_PER_LONG] |= BIT(nr % BITS_PER_LONG);
}

static inline void clear_bit(unsigned long nr, unsigned long *map)
{
	map[nr / BITS_PER_LONG] &= ~BIT(nr % BITS_PER_LONG);
}

static inline bool test_bit(unsigned long nr, const unsigned long *map)
{
	return map[nr / BITS_PER_LONG] >> (nr % BITS_PER_LONG) & 1;
}

void bitmap_set(unsigned long *map, unsigned long start, unsigned long nr);
void bitmap_clear(unsigned long *map, unsigned long start, unsigned long nr);
/* Both return size when there is no such bit at or after start. */
unsigned long find_next_bit(const unsigned long *map, unsigned long size, unsigned long start);
unsigned long find_next_zero_bit(const unsigned long *map, unsigned long size, unsigned long start);
#define for_each_set_bit(bit, map, size)                                                          \
	for (bit = find_next_bit(map, size, 0); bit < (size); bit = find_next_bit(map, size, bit + 1))
unsigned long bitmap_weight(const unsigned long *map, unsigned long size);

#endif
