/*
 * Console, memory and the end of the machine.
 */
#include "guest.h"

#define UART ((volatile u8 *)BOARD_UART_BASE)
#define UART_LSR 5
#define UART_LSR_THRE 0x20

void *memset(void *to, int byte, u64 size)
{
	u8 *p = to;

	while (size--)
		*p++ = byte;
	return to;
}

void *memcpy(void *to, const void *from, u64 size)
{
	u8 *p = to;
	const u8 *q = from;

	while (size--)
		*p++ = *q++;
	return to;
}

void put(char c)
{
	while (!(UART[UART_LSR] & UART_LSR_THRE))
		;
	UART[0] = c;
}

void print(const char *text)
{
	while (*text)
		put(*text++);
}

void print_hex(u64 value)
{
	int shift = 60;

	while (shift > 0 && !(value >> shift))
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		put("0123456789abcdef"[value >> shift & 15]);
}

void report(const char *name, u64 value)
{
	print(name);
	print(" = ");
	print_hex(value);
	put('\n');
}

void finish(int code)
{
	volatile u32 *finisher = (volatile u32 *)BOARD_TEST_BASE;

	*finisher = code ? code << 16 | BOARD_FINISHER_FAIL : BOARD_FINISHER_PASS;
	for (;;)
		;
}
