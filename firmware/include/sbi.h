/*
 * sbi.h - the Supervisor Binary Interface 2.0, with the specification's names, and the extensions that serve it.
 */
#ifndef SBI_H
#define SBI_H

/* struct resume_point, for reset.S */
#define RESUME_POINT_MAGIC	0
#define RESUME_MAGIC		0x656d757365522d53	/* "S-Resume" */

#ifndef __ASSEMBLER__

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "hart.h"

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

#define HART_ID		0UL	/* reset.S parks the others */

/* What a call returns: a0 and a1. */
struct sbiret {
	long error;
	unsigned long value;
};

/* sbi.c */
void sbi_ecall(struct trap_regs *regs);
bool sbi_probe_extension(unsigned long id);
bool sbi_hart_mask_valid(unsigned long mask, unsigned long base);
bool sbi_address_valid(unsigned long address);

/* One handler an extension: the function id (a6), the arguments (a0 to a5). It has no effect when it fails. */
struct sbiret sbi_base(unsigned long function, const unsigned long *args);
struct sbiret sbi_time(unsigned long function, const unsigned long *args);
struct sbiret sbi_ipi(unsigned long function, const unsigned long *args);
struct sbiret sbi_rfence(unsigned long function, const unsigned long *args);
struct sbiret sbi_hsm(unsigned long function, const unsigned long *args);
struct sbiret sbi_srst(unsigned long function, const unsigned long *args);
struct sbiret sbi_susp(unsigned long function, const unsigned long *args);
struct sbiret sbi_dbcn(unsigned long function, const unsigned long *args);

/* sbi_time.c */
void sbi_time_init(void);
void sbi_time_expired(void);

/* sbi_susp.c */
void sbi_susp_init(uint64_t sleep_register);
_Noreturn void sbi_susp_resume(void);

#endif
#endif
