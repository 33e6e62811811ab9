/* Device registers (RISC-V Linux's readX/writeX with their ordering) and memory barriers. */
#ifndef IO_H
#define IO_H

#include "types.h"

#define RISCV_FENCE(p, s) __asm__ volatile("fence " #p "," #s ::: "memory")
#define mb() RISCV_FENCE(iorw, iorw)
#define rmb() RISCV_FENCE(ir, ir)
#define wmb() RISCV_FENCE(ow, ow)

#define __DEFINE_IO(suffix, type, load, store)                                                    \
	static inline type read##suffix(const volatile void *addr)                                \
	{                                                                                         \
		type val;                                                                         \
		__asm__ volatile(load " %0, 0(%1)\n\tfence i, ir"                                 \
				 : "=r"(val)                                                      \
				 : "r"(addr)                                                      \
				 : "memory");                                                     \
		return val;                                                                       \
	}                                                                                         \
	static inline void write##suffix(type val, volatile void *addr)                           \
	{                                                                                         \
		__asm__ volatile("fence w, o\n\t" store " %0, 0(%1)"                              \
				 :                                                                \
				 : "r"(val), "r"(addr)                                            \
				 : "memory");                                                     \
	}

__DEFINE_IO(b, u8, "lbu", "sb")
__DEFINE_IO(w, u16, "lhu", "sh")
__DEFINE_IO(l, u32, "lwu", "sw")
__DEFINE_IO(q, u64, "ld", "sd")

/* Maps a device's registers for reading and writing; NULL when they overlap RAM or no memory is left. */
void *ioremap(phys_addr_t start, size_t size);

#endif
