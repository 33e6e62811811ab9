/*
 * The kernel log. Each line gets a "[    0.000123] " stamp, goes into a ring that `dmesg` prints,
 * and to the console. Callable from anywhere, interrupts off included.
 */
#ifndef PRINTK_H
#define PRINTK_H

#include "compiler.h"
#include "types.h"

/* KERN_DEBUG lines stay in the ring; with the boot argument `quiet`, so do KERN_INFO lines. */
#define KERN_ERR 3
#define KERN_WARNING 4
#define KERN_INFO 6
#define KERN_DEBUG 7

__printf(2, 3) void printk(int level, const char *fmt, ...);

#define pr_err(fmt, ...) printk(KERN_ERR, fmt, ##__VA_ARGS__)
#define pr_warn(fmt, ...) printk(KERN_WARNING, fmt, ##__VA_ARGS__)
#define pr_info(fmt, ...) printk(KERN_INFO, fmt, ##__VA_ARGS__)
#define pr_debug(fmt, ...) printk(KERN_DEBUG, fmt, ##__VA_ARGS__)

/* Boot argument `quiet`: from now on only warnings and errors reach the console. */
void printk_set_quiet(void);
/* Prints the whole ring to the console (the shell's dmesg). */
void printk_dump(void);

int vsnprintf(char *buf, size_t size, const char *fmt, va_list args);
__printf(3, 4) int snprintf(char *buf, size_t size, const char *fmt, ...);

#endif
