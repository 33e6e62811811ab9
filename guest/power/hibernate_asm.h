/* Between hibernate_asm.S and hibernate_cpu.c. */
#ifndef HIBERNATE_ASM_H
#define HIBERNATE_ASM_H

#define CONTEXT_RA 0
#define CONTEXT_SP 8
#define CONTEXT_GP 16
#define CONTEXT_TP 24
#define CONTEXT_S 32 /* s0 to s11 */
#define CONTEXT_SATP 128
#define CONTEXT_STVEC 136
#define CONTEXT_SSCRATCH 144
#define CONTEXT_SIE 152

#define PBE_COPY 0
#define PBE_ORIG 8
#define PBE_NEXT 16

#ifndef __ASSEMBLER__

#include "page.h"
#include "pgtable.h"

/* What a hart that has just been reset must be given to go on. */
struct hibernate_context {
	unsigned long ra, sp, gp, tp, s[12];
	unsigned long satp, stvec, sscratch, sie;
};

_Static_assert(offsetof(struct hibernate_context, satp) == CONTEXT_SATP, "CONTEXT_SATP");
_Static_assert(offsetof(struct hibernate_context, sie) == CONTEXT_SIE, "CONTEXT_SIE");

extern struct hibernate_context hibernate_cpu_context;
/* head.S: 1 GiB leaves, the linear map and the kernel's own gigabyte at its physical address. */
extern const pte_t early_pg_dir[];

/* 1 now; 0 when hibernate_resume_entry returns through the same context. */
__attribute__((__returns_twice__)) int hibernate_save_context(struct hibernate_context *context);
void hibernate_resume_entry(void);
__noreturn void hibernate_restore_image(unsigned long satp, phys_addr_t code, phys_addr_t list,
					phys_addr_t entry);
extern const char hibernate_core_restore_code[], hibernate_core_restore_code_end[];

#endif
#endif
