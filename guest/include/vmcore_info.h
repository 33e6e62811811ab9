/*
 * What a debugger, a core dump's reader or a hypervisor needs to know to read this kernel's books in a
 * picture of its memory: Linux's VMCOREINFO, lines of `KEY(name)=value`.
 *
 *	OSRELEASE=, PAGESIZE=		text, decimal
 *	SYMBOL(x)=			address of the variable x, hexadecimal
 *	SIZE(s)=, OFFSET(s.f)=		bytes, decimal
 *	LENGTH(x)=			elements of the array x, decimal
 *	NUMBER(c)=			the constant c, decimal; PAGE_OFFSET, phys_ram_base with 0x
 *
 * All addresses are virtual; the physical one is NUMBER(PAGE_OFFSET) less.
 */
#ifndef VMCORE_INFO_H
#define VMCORE_INFO_H

#include "page.h"

/* The text, not terminated, and its length: 0 until struct pages and counters mean what they say. */
extern char vmcoreinfo_data[PAGE_SIZE];
extern size_t vmcoreinfo_size;

/* Once, right after mem_init(). */
void crash_save_vmcoreinfo_init(void);

#endif
