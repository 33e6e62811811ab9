/* The ends of the machine. */
#ifndef REBOOT_H
#define REBOOT_H

#include "compiler.h"

__noreturn void kernel_power_off(void);
__noreturn void kernel_restart(void);

#endif
