/* The console: bytes out (polled, never sleeps) and bytes in (a ring filled by the UART's interrupt). */
#ifndef CONSOLE_H
#define CONSOLE_H

#include "compiler.h"
#include "types.h"

/* Output for people and scripts, without stamp or log. "\n" goes out as "\r\n". */
void console_write(const char *s, size_t n);
__printf(1, 2) void console_printf(const char *fmt, ...);
/* Sleeps until a byte arrives. */
char console_getc(void);

/* The driver's side. */
struct console {
	const char *name;
	void (*write)(const char *s, size_t n);
};

/* The last one registered is used. The first one prints the log so far. */
void register_console(const struct console *con);
/* A byte from the wire; dropped when the ring is full. Interrupts off. */
void console_receive(char c);

#endif
