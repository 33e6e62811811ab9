/* Boot: who is called when, and the boot arguments. */
#ifndef INIT_H
#define INIT_H

#include "compiler.h"
#include "types.h"

typedef int (*initcall_t)(void);
DECLARE_TABLE(const initcall_t, initcall);

/* Runs in the init thread after all devices were probed and before the shell. */
#define late_initcall(fn) static const initcall_t __initcall_##fn table_entry(initcall) = fn

/*
 * The value of `name=value` on the kernel command line, "" for a bare `name`, NULL when absent. The last
 * one wins. "resume" gives "vda" for `resume=vda`.
 */
const char *get_bootarg(const char *name);
void bootargs_init(const char *command_line);

#endif
