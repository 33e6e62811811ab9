/* A bit of everything, as a kernel's days are: heap sort of 64 Ki numbers, then a bitwise CRC over them. */
#include "program.h"

#define POLYNOMIAL 0xedb88320U

static u64 numbers[1 << 16];

static __attribute__((noinline)) void sift(u64 *heap, u64 from, u64 size)
{
	for (;;) {
		u64 child = 2 * from + 1, parent = heap[from];

		if (child >= size)
			return;
		if (child + 1 < size && heap[child + 1] > heap[child])
			child++;
		if (heap[child] <= parent)
			return;
		heap[from] = heap[child];
		heap[child] = parent;
		from = child;
	}
}

static u32 crc32(const u8 *data, u64 size)
{
	u32 crc = ~0U;

	while (size--) {
		crc ^= *data++;
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ POLYNOMIAL : crc >> 1;
	}
	return ~crc;
}

u64 mixed(void)
{
	u64 state = 88172645463325252, sum = 0;

	for (int round = 0; round < 4; round++) {
		for (u64 i = 0; i < ARRAY_SIZE(numbers); i++)
			numbers[i] = state = xorshift(state);
		for (u64 i = ARRAY_SIZE(numbers) / 2; i-- > 0;)
			sift(numbers, i, ARRAY_SIZE(numbers));
		for (u64 size = ARRAY_SIZE(numbers) - 1; size > 0; size--) {
			u64 largest = numbers[0];

			numbers[0] = numbers[size];
			numbers[size] = largest;
			sift(numbers, 0, size);
		}
		sum = sum * 31 + crc32((const u8 *)numbers, sizeof(numbers));
	}
	return sum;
}
