/*
 * What the programs of the benchmark share. Each does a fixed amount of work of one kind, without a device and without
 * an interrupt, and returns a number that depends on all of it: two machines that do the same work say the same.
 */
#ifndef PROGRAM_H
#define PROGRAM_H

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long u64;

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* Marsaglia's xorshift64: every bit of the state is soon in every other. */
static inline u64 xorshift(u64 x)
{
	x ^= x << 13;
	x ^= x >> 7;
	return x ^ x << 17;
}

u64 alu(void);
u64 memory(void);
u64 calls(void);
u64 mixed(void);

#endif
