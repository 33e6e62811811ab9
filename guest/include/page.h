/*
 * Pages and addresses. All RAM is mapped once, at a fixed offset: virtual = physical + PAGE_OFFSET.
 * The kernel image is linked inside that map, and device registers are mapped at the same offset.
 */
#ifndef PAGE_H
#define PAGE_H

#define PAGE_SHIFT 12
#ifdef __ASSEMBLER__
#define PAGE_SIZE (1 << PAGE_SHIFT)
#else
#define PAGE_SIZE (1UL << PAGE_SHIFT)
#endif

/* Kernel stacks. */
#define THREAD_ORDER 2
#define THREAD_SIZE (PAGE_SIZE << THREAD_ORDER)

#ifndef __ASSEMBLER__

#include "kernel.h"

#define PAGE_MASK (~(PAGE_SIZE - 1))
#define PAGE_OFFSET 0xffffffc000000000UL

#define __pa(va) ((phys_addr_t)(unsigned long)(va) - PAGE_OFFSET)
#define __va(pa) ((void *)((unsigned long)(pa) + PAGE_OFFSET))
#define PFN_UP(x) (((x) + PAGE_SIZE - 1) >> PAGE_SHIFT)
#define PFN_DOWN(x) ((x) >> PAGE_SHIFT)
#define PFN_PHYS(pfn) ((phys_addr_t)(pfn) << PAGE_SHIFT)
#define PAGE_ALIGN(x) ALIGN(x, PAGE_SIZE)

/* The kernel image (kernel.ld). */
extern char _start[], _etext[], __start_rodata[], __end_rodata[], _sdata[], _edata[], _end[];

#endif
#endif
