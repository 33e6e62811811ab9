/*
 * platform.h - the three devices of the board that the firmware drives: UART, CLINT, test finisher.
 *
 * Their addresses come from board.h; the S-mode kernel finds the same devices in the device tree.
 */
#ifndef PLATFORM_H
#define PLATFORM_H

#include <stdbool.h>
#include <stdint.h>

static inline uint8_t readb(uintptr_t address)
{
	return *(volatile uint8_t *)address;
}

static inline void writeb(uintptr_t address, uint8_t value)
{
	*(volatile uint8_t *)address = value;
}

static inline void writel(uintptr_t address, uint32_t value)
{
	*(volatile uint32_t *)address = value;
}

static inline void writeq(uintptr_t address, uint64_t value)
{
	*(volatile uint64_t *)address = value;
}

/* uart.c */
void uart_init(void);
bool uart_transmit(uint8_t byte);
bool uart_receive(uint8_t *byte);

/* console.c */
void console_putc(char c);
void console_puts(const char *s);
void console_hex(unsigned long value);

/* clint.c */
void clint_set_mtimecmp(uint64_t ticks);

/* finisher.c */
_Noreturn void finisher_poweroff(void);
_Noreturn void finisher_reset(void);
_Noreturn void finisher_fail(void);

#endif
