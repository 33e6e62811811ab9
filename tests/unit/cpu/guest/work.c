/*
 * Work to time: short blocks of arithmetic, and a mix of memory, tables and calls.
 */
#include "guest.h"

void arithmetic(void)
{
	u64 a = 1, b = 2, n = 100000000;

	asm volatile("1:\n\tadd %0, %0, %1\n\txor %1, %1, %0\n\tsrli t0, %0, 7\n\tadd %1, %1, t0\n\t"
		     "addi %2, %2, -1\n\tbnez %2, 1b" : "+r"(a), "+r"(b), "+r"(n) : : "t0");
	report("arithmetic", a);
}

static u8 sieve[1 << 18];
static u32 numbers[1 << 14];

static void sort(u32 *array, int n)
{
	int i = 0, j = n - 1;
	u32 pivot;

	if (n < 2)
		return;
	pivot = array[n / 2];
	while (i <= j) {
		while (array[i] < pivot)
			i++;
		while (array[j] > pivot)
			j--;
		if (i <= j) {
			u32 number = array[i];

			array[i++] = array[j];
			array[j--] = number;
		}
	}
	sort(array, j + 1);
	sort(array + i, n - i);
}

void mixed(void)
{
	u64 hash = 0;
	u32 random = 12345;

	for (int round = 0; round < 24; round++) {
		memset(sieve, 1, sizeof(sieve));
		for (u64 i = 2; i < sizeof(sieve); i++) {
			if (!sieve[i])
				continue;
			hash = hash * 31 + i;
			for (u64 j = 2 * i; j < sizeof(sieve); j += i)
				sieve[j] = 0;
		}
		for (u64 i = 0; i < ARRAY_SIZE(numbers); i++) {
			random ^= random << 13;
			random ^= random >> 17;
			random ^= random << 5;
			numbers[i] = random;
		}
		sort(numbers, ARRAY_SIZE(numbers));
		hash = hash * 31 + numbers[777];
	}
	report("mixed", hash);
}
