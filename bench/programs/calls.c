/* Calls and returns, and nearly nothing else: through pointers, then the naive Fibonacci numbers. */
#include "program.h"

static __attribute__((noinline)) u64 fibonacci(u64 n)
{
	return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

static u64 identity(u64 n)
{
	return n;
}

static u64 successor(u64 n)
{
	return n + 1;
}

u64 calls(void)
{
	static u64 (*volatile const table[])(u64) = { identity, successor };
	u64 sum = 0;

	for (u64 i = 0; i < 3000000; i++)
		sum = table[i & 1](sum);
	return sum + fibonacci(31);
}
