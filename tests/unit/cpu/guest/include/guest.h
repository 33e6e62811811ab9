/*
 * What the test programs of the hart share: CSRs, the console, traps that are logged, modes.
 *
 * All programs are in one ELF. The host writes the address of one of them into selected_program before the start; it
 * runs in M-mode on a bare board, prints lines and ends the machine. The same ELF runs on QEMU (-bios none).
 */
#ifndef GUEST_H
#define GUEST_H

#include "board.h"

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

#define csr_read(csr) ({							\
	u64 value_;								\
	asm volatile("csrr %0, " #csr : "=r"(value_) : : "memory");		\
	value_;									\
})
#define csr_write(csr, value) asm volatile("csrw " #csr ", %0" : : "r"((u64)(value)) : "memory")
#define csr_set(csr, bits) asm volatile("csrs " #csr ", %0" : : "r"((u64)(bits)) : "memory")
#define csr_clear(csr, bits) asm volatile("csrc " #csr ", %0" : : "r"((u64)(bits)) : "memory")
#define fence_i() asm volatile("fence.i" : : : "memory")
#define sfence_vma() asm volatile("sfence.vma" : : : "memory")
#define wfi() asm volatile("wfi" : : : "memory")

#define MSTATUS_SIE (1UL << 1)
#define MSTATUS_MIE (1UL << 3)
#define MSTATUS_SPIE (1UL << 5)
#define MSTATUS_MPIE (1UL << 7)
#define MSTATUS_MPP_SHIFT 11
#define MSTATUS_MPP (3UL << MSTATUS_MPP_SHIFT)
#define MSTATUS_FS (3UL << 13)
#define MSTATUS_MPRV (1UL << 17)
#define MSTATUS_TVM (1UL << 20)
#define SSTATUS_SUM (1UL << 18)
#define SSTATUS_MXR (1UL << 19)

#define MODE_U 0
#define MODE_S 1
#define MODE_M 3

#define IRQ_SSI 1
#define IRQ_MSI 3
#define IRQ_STI 5
#define IRQ_MTI 7
#define IRQ_SEI 9
#define IRQ_MEI 11

#define SATP_SV39 (8UL << 60)
#define PTE_V 0x01
#define PTE_R 0x02
#define PTE_W 0x04
#define PTE_X 0x08
#define PTE_U 0x10
#define PTE_A 0x40
#define PTE_D 0x80
#define PTE_ALL (PTE_V | PTE_R | PTE_W | PTE_X | PTE_A | PTE_D)
#define PTE(address, flags) ((u64)(address) >> 12 << 10 | (flags))
#define PAGE_ALIGNED __attribute__((aligned(4096)))

#define MSIP ((volatile u32 *)BOARD_CLINT_BASE)
#define MTIMECMP ((volatile u64 *)(BOARD_CLINT_BASE + 0x4000))
#define MTIME ((volatile u64 *)(BOARD_CLINT_BASE + 0xbff8))
#define NEVER (-1UL)

/* lib.c */
void *memset(void *to, int byte, u64 size);
void *memcpy(void *to, const void *from, u64 size);
void put(char c);
void print(const char *text);
void print_hex(u64 value);
void report(const char *name, u64 value);
void finish(int code) __attribute__((noreturn));

/*
 * trap.c: handlers that log the trap and go on behind the instruction (or at resume_at, when that is set). An
 * interrupt is taken once: it and all others of the mode are disabled afterwards.
 */
struct trap {
	u64 count, mode, cause, epc, tval, status;
};

extern volatile struct trap last_trap;
extern volatile u64 resume_at;

void trap_init(void);
void report_trap(const char *name);	/* prints the traps since the last call, as one line */
void jump(u64 address);			/* jumps to an address that cannot be fetched, and returns from the trap */
void run_in(u64 mode, void (*function)(void));	/* in U- or S-mode; back in M-mode afterwards */

/* paging.c: an identity map of the lowest 4 GiB, except for 1 GiB at WINDOW, where pages are mapped one by one. */
#define WINDOW 0x40000000UL
#define WINDOW_PAGES 512

void paging_init(void);
void map_page(u64 page, u64 address, u64 flags);	/* number in the window, physical address, PTE_* */
u64 page_entry(u64 page);
void set_root_entry(u64 index, u64 entry);

static inline u64 window(u64 page, u64 offset)
{
	return WINDOW + (page << 12) + offset;
}

static inline u64 load(u64 address)
{
	return *(volatile u64 *)address;
}

static inline void store(u64 address, u64 value)
{
	*(volatile u64 *)address = value;
}

#endif
