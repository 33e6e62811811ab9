/*
 * console.c - the firmware's own messages: it speaks only when it dies.
 */
#include "platform.h"

void console_putc(char c)
{
	while (!uart_transmit(c))
		;
}

void console_puts(const char *s)
{
	for (; *s; s++) {
		if (*s == '\n')
			console_putc('\r');
		console_putc(*s);
	}
}

/* Sixteen digits, so that the columns of a register dump line up. */
void console_hex(unsigned long value)
{
	for (int shift = 60; shift >= 0; shift -= 4)
		console_putc("0123456789abcdef"[(value >> shift) & 0xf]);
}
