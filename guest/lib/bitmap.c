/* Bitmap operations over ranges, whole words at a time. */
#include "bitmap.h"

/* The bits of word `w` that lie in [start, end). */
static unsigned long word_mask(unsigned long w, unsigned long start, unsigned long end)
{
	unsigned long first = w * BITS_PER_LONG;
	unsigned long mask = ~0UL;

	if (start > first)
		mask &= ~0UL << (start - first);
	if (end < first + BITS_PER_LONG)
		mask &= ~(~0UL << (end - first));
	return mask;
}

void bitmap_set(unsigned long *map, unsigned long start, unsigned long nr)
{
	for (unsigned long w = start / BITS_PER_LONG; w < BITS_TO_LONGS(start + nr); w++)
		map[w] |= word_mask(w, start, start + nr);
}

void bitmap_clear(unsigned long *map, unsigned long start, unsigned long nr)
{
	for (unsigned long w = start / BITS_PER_LONG; w < BITS_TO_LONGS(start + nr); w++)
		map[w] &= ~word_mask(w, start, start + nr);
}

static unsigned long find_next(const unsigned long *map, unsigned long size, unsigned long start,
			       unsigned long invert)
{
	for (unsigned long w = start / BITS_PER_LONG; w < BITS_TO_LONGS(size); w++) {
		unsigned long bits = (map[w] ^ invert) & word_mask(w, start, size);

		if (bits)
			return w * BITS_PER_LONG + __builtin_ctzl(bits);
	}
	return size;
}

unsigned long find_next_bit(const unsigned long *map, unsigned long size, unsigned long start)
{
	return find_next(map, size, start, 0);
}

unsigned long find_next_zero_bit(const unsigned long *map, unsigned long size, unsigned long start)
{
	return find_next(map, size, start, ~0UL);
}

static unsigned int hweight(unsigned long w)
{
	w -= w >> 1 & 0x5555555555555555;
	w = (w & 0x3333333333333333) + (w >> 2 & 0x3333333333333333);
	w = (w + (w >> 4)) & 0x0f0f0f0f0f0f0f0f;
	return w * 0x0101010101010101 >> 56;
}

unsigned long bitmap_weight(const unsigned long *map, unsigned long size)
{
	unsigned long weight = 0;

	for (unsigned long w = 0; w < BITS_TO_LONGS(size); w++)
		weight += hweight(map[w] & word_mask(w, 0, size));
	return weight;
}
