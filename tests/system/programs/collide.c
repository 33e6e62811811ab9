/*
 * collide.c - a Linux program that is nothing but pages of code, each of which adds a number to a sum. Built twice with
 * another ADDEND it makes two programs that differ in these numbers alone: code of the one that is run in place of the
 * other's, page for page at the same address, gives itself away. It has no libc: system calls only.
 */
typedef unsigned int u32;
typedef unsigned long u64;

#define PAGE(number)									\
	__attribute__((aligned(4096), noinline)) static u64 page_##number(u64 sum)	\
	{										\
		asm volatile("addi %0, %0, %1" : "+r"(sum) : "i"(ADDEND + number));	\
		return sum * 31;							\
	}

PAGE(0) PAGE(1) PAGE(2) PAGE(3) PAGE(4) PAGE(5) PAGE(6) PAGE(7)

static void say(u64 value)
{
	char line[17];

	for (int i = 0; i < 16; i++)
		line[i] = "0123456789abcdef"[value >> (60 - 4 * i) & 15];
	line[16] = '\n';
	register long a0 asm("a0") = 1, a1 asm("a1") = (long)line, a2 asm("a2") = sizeof(line), a7 asm("a7") = 64;
	asm volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a7) : "memory");
}

void _start(void)
{
	u64 sum = 0;

	sum = page_0(sum);
	sum = page_1(sum);
	sum = page_2(sum);
	sum = page_3(sum);
	sum = page_4(sum);
	sum = page_5(sum);
	sum = page_6(sum);
	sum = page_7(sum);
	say(sum);
	register long a0 asm("a0") = 0, a7 asm("a7") = 93;
	asm volatile("ecall" : : "r"(a0), "r"(a7));
	__builtin_unreachable();
}
