/*
 * lib.c - SBI calls, time, and the report on the UART (driven directly: the console extension is under test).
 */
#include "board.h"
#include "payload.h"

#define UART_THR	((volatile uint8_t *)(BOARD_UART_BASE + 0UL))
#define UART_LSR	((volatile uint8_t *)(BOARD_UART_BASE + 5UL))
#define LSR_THRE	(1 << 5)

#define PATIENCE	(BOARD_MTIME_HZ / 2)	/* ticks until an interrupt that does not come is a failure */

unsigned int failed;

struct sbiret sbi(unsigned long extension, unsigned long function, unsigned long arg0, unsigned long arg1,
		  unsigned long arg2, unsigned long arg3, unsigned long arg4)
{
	register unsigned long a0 __asm__ ("a0") = arg0;
	register unsigned long a1 __asm__ ("a1") = arg1;
	register unsigned long a2 __asm__ ("a2") = arg2;
	register unsigned long a3 __asm__ ("a3") = arg3;
	register unsigned long a4 __asm__ ("a4") = arg4;
	register unsigned long a6 __asm__ ("a6") = function;
	register unsigned long a7 __asm__ ("a7") = extension;

	__asm__ volatile ("ecall"
			  : "+r" (a0), "+r" (a1)
			  : "r" (a2), "r" (a3), "r" (a4), "r" (a6), "r" (a7)
			  : "memory");
	return (struct sbiret){ a0, a1 };
}

void print(const char *s)
{
	for (; *s; s++) {
		while (!(*UART_LSR & LSR_THRE))
			;
		*UART_THR = *s;
	}
}

void print_hex(unsigned long value, int digits)
{
	char digit[2] = { 0 };

	while (digits--) {
		digit[0] = "0123456789abcdef"[value >> 4 * digits & 0xf];
		print(digit);
	}
}

void check(const char *name, bool held)
{
	print(name);
	print(held ? " ok\n" : " FAIL\n");
	failed += !held;
}

bool have(const char *name, unsigned long extension)
{
	if (sbi_call(SBI_EXT_BASE, 3, extension).value)
		return true;
	print(name);
	print(" skip\n");
	return false;
}

unsigned long mtime(void)
{
	return csr_read(time);
}

void set_timer_in(unsigned long ticks)
{
	sbi_call(SBI_EXT_TIME, 0, mtime() + ticks);
}

/* For catch(): wait with interrupts open; returns only when none comes. */
void interrupt_comes(unsigned long enabled)
{
	unsigned long start = mtime();

	csr_write(sie, enabled);
	csr_set(sstatus, SSTATUS_SIE);
	while (mtime() - start < PATIENCE)
		;
	csr_clear(sstatus, SSTATUS_SIE);
}

void *memset(void *to, int byte, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((char *)to)[i] = byte;
	return to;
}
