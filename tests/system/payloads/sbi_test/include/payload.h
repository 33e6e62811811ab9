/*
 * payload.h - what the checks of SBI firmware are written with.
 *
 * A check prints one line, `name ok` or `name FAIL`. A firmware without an extension gets `name skip`.
 */
#ifndef PAYLOAD_H
#define PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SBI_SUCCESS			0
#define SBI_ERR_FAILED			(-1)
#define SBI_ERR_NOT_SUPPORTED		(-2)
#define SBI_ERR_INVALID_PARAM		(-3)
#define SBI_ERR_INVALID_ADDRESS		(-5)
#define SBI_ERR_ALREADY_AVAILABLE	(-6)

#define SBI_EXT_BASE	0x10
#define SBI_EXT_TIME	0x54494d45
#define SBI_EXT_IPI	0x735049
#define SBI_EXT_RFENCE	0x52464e43
#define SBI_EXT_HSM	0x48534d
#define SBI_EXT_SRST	0x53525354
#define SBI_EXT_SUSP	0x53555350
#define SBI_EXT_DBCN	0x4442434e

#define SSTATUS_SIE	(1UL << 1)
#define SSTATUS_SPIE	(1UL << 5)
#define SSTATUS_SPP	(1UL << 8)
#define SIE_SSIE	(1UL << 1)
#define SIE_STIE	(1UL << 5)

#define SCAUSE_FETCH_ACCESS	1
#define SCAUSE_ILLEGAL		2
#define SCAUSE_BREAKPOINT	3
#define SCAUSE_LOAD_ACCESS	5
#define SCAUSE_STORE_ACCESS	7
#define SCAUSE_USER_ECALL	8
#define SCAUSE_LOAD_PAGE_FAULT	13
#define SCAUSE_SOFTWARE		(1UL << 63 | 1)
#define SCAUSE_TIMER		(1UL << 63 | 5)

#define csr_read(csr)		({ unsigned long __v; __asm__ volatile ("csrr %0, " #csr : "=r" (__v) : : "memory"); __v; })
#define csr_write(csr, value)	__asm__ volatile ("csrw " #csr ", %0" : : "r" (value) : "memory")
#define csr_set(csr, bits)	__asm__ volatile ("csrs " #csr ", %0" : : "r" (bits) : "memory")
#define csr_clear(csr, bits)	__asm__ volatile ("csrc " #csr ", %0" : : "r" (bits) : "memory")

struct sbiret {
	long error;
	long value;
};

/* The last trap that S-mode took, and the last start at resume_entry. */
struct trapped {
	unsigned long scause, sepc, stval, sstatus;
};

struct resumed {
	unsigned long hartid, opaque, satp, sstatus;
};

/* entry.S */
extern struct trapped trapped;
extern struct resumed resumed;
extern char resume_entry[], user_ecall[], user_load[], load_instruction[], store_instruction[];
bool catch(void (*function)(unsigned long), unsigned long argument);
bool registers_survive_ecall(void);
unsigned long load_from(unsigned long address);
void store_to(unsigned long address);

/* lib.c */
struct sbiret sbi(unsigned long extension, unsigned long function, unsigned long a0, unsigned long a1,
		  unsigned long a2, unsigned long a3, unsigned long a4);
#define sbi_call(extension, function, ...)	_sbi_call(extension, function, ##__VA_ARGS__, 0, 0, 0, 0, 0)
#define _sbi_call(extension, function, a0, a1, a2, a3, a4, ...)	sbi(extension, function, a0, a1, a2, a3, a4)
void print(const char *s);
void print_hex(unsigned long value, int digits);
void check(const char *name, bool held);
bool have(const char *name, unsigned long extension);
unsigned long mtime(void);
void set_timer_in(unsigned long ticks);
void interrupt_comes(unsigned long enabled);
extern unsigned int failed;

/* checks of the extensions, and of the way into S-mode */
void check_traps(void);
void check_own_region(void);
void check_own_hsm(void);
void check_base(void);
void check_time(void);
void check_ipi(void);
void check_rfence(void);
void check_hsm(void);
void check_srst(void);
void check_susp(void);
void check_dbcn(void);
void check_no_hibernation(void);
void check_hibernation(void);

#endif
