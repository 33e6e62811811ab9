/* Arithmetic in short blocks: the steps of Collatz's sequence branch on every other instruction. */
#include "program.h"

u64 alu(void)
{
	u64 sum = 0;

	for (u64 start = 1; start < 300000; start++) {
		u64 steps = 0;

		for (u64 n = start; n != 1; steps++) {
			if (n & 1)
				n += (n << 1) + 1;
			else
				n >>= 1;
		}
		sum = sum * 31 + steps;
	}
	return sum;
}
