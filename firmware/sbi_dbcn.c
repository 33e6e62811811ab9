/*
 * sbi_dbcn.c - Debug Console extension (SBI 2.0, chapter 12).
 *
 * Reading and writing a buffer never block: fewer bytes than asked, even none, is a success. Writing one byte blocks.
 */
#include "platform.h"
#include "sbi.h"

enum {
	DBCN_CONSOLE_WRITE,
	DBCN_CONSOLE_READ,
	DBCN_CONSOLE_WRITE_BYTE,
};

static struct sbiret transfer(unsigned long function, unsigned long size, unsigned long base_lo, unsigned long base_hi)
{
	uint8_t *buffer = (uint8_t *)base_lo;
	unsigned long done = 0;

	if (base_hi || !pmp_supervisor_owns(base_lo, size))
		return (struct sbiret){ SBI_ERR_INVALID_PARAM, 0 };

	if (function == DBCN_CONSOLE_WRITE)
		while (done < size && uart_transmit(buffer[done]))
			done++;
	else
		while (done < size && uart_receive(&buffer[done]))
			done++;
	return (struct sbiret){ SBI_SUCCESS, done };
}

struct sbiret sbi_dbcn(unsigned long function, const unsigned long *args)
{
	switch (function) {
	case DBCN_CONSOLE_WRITE:
	case DBCN_CONSOLE_READ:
		return transfer(function, args[0], args[1], args[2]);
	case DBCN_CONSOLE_WRITE_BYTE:
		console_putc(args[0]);
		return (struct sbiret){ SBI_SUCCESS, 0 };
	default:
		return (struct sbiret){ SBI_ERR_NOT_SUPPORTED, 0 };
	}
}
