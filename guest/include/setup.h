/* What the boot takes from the device tree, in the order start_kernel() asks for it. */
#ifndef SETUP_H
#define SETUP_H

#include "compiler.h"
#include "types.h"

/* Where head.S jumps to. */
__noreturn void start_kernel(phys_addr_t dtb);
void setup_bootargs(void);
void setup_timebase(void);
/* Fills memblock: RAM, no-map regions, and what is taken: kernel, device tree, initial ramdisk. */
void setup_memory(phys_addr_t dtb);
/* /chosen's initial ramdisk, a text of shell commands; NULL when there is none. */
const char *setup_initrd(size_t *size);

#endif
