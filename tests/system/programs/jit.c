/*
 * jit.c - a Linux program that writes code and runs it: in place, through another mapping of its page, over the end
 * of a page, again and again. It has no libc: system calls only. Each line is the sum of what its functions returned.
 */
typedef unsigned int u32;
typedef unsigned long u64;

enum { SYS_ftruncate = 46, SYS_write = 64, SYS_exit = 93, SYS_mmap = 222, SYS_memfd_create = 279 };
enum { PROT_READ = 1, PROT_WRITE = 2, PROT_EXEC = 4, MAP_SHARED = 1, MAP_PRIVATE = 2, MAP_ANONYMOUS = 32 };

#define PAGES 4
#define SIZE (PAGES * 4096UL)

static long syscall(long number, long a, long b, long c, long d, long e, long f)
{
	register long a0 asm("a0") = a, a1 asm("a1") = b, a2 asm("a2") = c;
	register long a3 asm("a3") = d, a4 asm("a4") = e, a5 asm("a5") = f, a7 asm("a7") = number;

	asm volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5), "r"(a7) : "memory");
	return a0;
}

static char *map(long protection, long flags, long fd)
{
	return (char *)syscall(SYS_mmap, 0, SIZE, protection, flags, fd, 0);
}

static void report(const char *name, u64 value)
{
	char line[64];
	int length = 0;

	while (*name)
		line[length++] = *name++;
	line[length++] = ' ';
	for (int shift = 60; shift >= 0; shift -= 4)
		line[length++] = "0123456789abcdef"[value >> shift & 15];
	line[length++] = '\n';
	syscall(SYS_write, 1, (long)line, length, 0, 0, 0);
}

/* Write a function that returns `value` (0 to 2047) after `detours` instructions that do nothing. */
static void compile(char *at, u32 value, int detours)
{
	unsigned short *half = (unsigned short *)at;
	u32 load = 0x00000513 | value << 20;	/* li a0, value */

	while (detours--)
		*half++ = 0x0001;		/* c.nop */
	*half++ = (unsigned short)load;
	*half++ = (unsigned short)(load >> 16);
	*half = 0x8082;				/* ret */
}

static u64 run(const char *at)
{
	asm volatile("fence.i" : : : "memory");
	return ((u64 (*)(void))at)();
}

/* Functions all over the pages, written by one mapping and run by another, in an order that is never the same. */
static u64 play(char *written, const char *executed)
{
	u64 sum = 0, chance = 1;

	for (int round = 0; round < 2000; round++) {
		u64 place[3];

		for (int i = 0; i < 3; i++) {
			chance = chance * 6364136223846793005UL + 1442695040888963407UL;
			/* 64 bytes apart, but 6 before the end of a page: over it. */
			place[i] = (chance >> 33) % (SIZE / 64 - 1) * 64 + 58;
			compile(written + place[i], chance >> 50 & 2047, i);
		}
		for (int i = 2; i >= 0; i--)
			sum = sum * 31 + run(executed + place[i]);
	}
	return sum;
}

void _start(void)
{
	char *both = map(PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	long fd = syscall(SYS_memfd_create, (long)"code", 0, 0, 0, 0, 0);
	char *written, *executed;

	syscall(SYS_ftruncate, fd, SIZE, 0, 0, 0, 0);
	written = map(PROT_READ | PROT_WRITE, MAP_SHARED, fd);
	executed = map(PROT_READ | PROT_EXEC, MAP_SHARED, fd);
	report("in_place", play(both, both));
	report("through_another_mapping", play(written, executed));
	syscall(SYS_exit, 0, 0, 0, 0, 0, 0);
}
