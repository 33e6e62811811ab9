/* Sv39 page tables (RISC-V privileged specification, 4.4). */
#ifndef PGTABLE_H
#define PGTABLE_H

#define PGDIR_SHIFT 30
#define PTRS_PER_TABLE 512

#define _PAGE_PRESENT 0x01
#define _PAGE_READ 0x02
#define _PAGE_WRITE 0x04
#define _PAGE_EXEC 0x08
#define _PAGE_GLOBAL 0x20
#define _PAGE_ACCESSED 0x40
#define _PAGE_DIRTY 0x80
#define _PAGE_LEAF (_PAGE_READ | _PAGE_WRITE | _PAGE_EXEC)
#define _PAGE_PFN_SHIFT 10

/* A and D are set up front: a hart may fault instead of setting them itself. */
#define _PAGE_KERNEL_BASE (_PAGE_PRESENT | _PAGE_READ | _PAGE_GLOBAL | _PAGE_ACCESSED)
#define PAGE_KERNEL (_PAGE_KERNEL_BASE | _PAGE_WRITE | _PAGE_DIRTY)
#define PAGE_KERNEL_READ _PAGE_KERNEL_BASE
#define PAGE_KERNEL_READ_EXEC (_PAGE_KERNEL_BASE | _PAGE_EXEC)
#define PAGE_KERNEL_EXEC (PAGE_KERNEL | _PAGE_EXEC)

#ifndef __ASSEMBLER__

#include "csr.h"
#include "page.h"

typedef u64 pte_t;
typedef u64 pgprot_t;

/* The kernel's page table, live after paging_init(). */
extern pte_t swapper_pg_dir[PTRS_PER_TABLE];

static inline unsigned long make_satp(const pte_t *pgd) { return SATP_MODE_39 | PFN_DOWN(__pa(pgd)); }
static inline void local_flush_tlb_all(void) { __asm__ volatile("sfence.vma" ::: "memory"); }

/*
 * Maps [va, va + size) to [pa, ...) with the largest leaves that fit, 4 KiB to 1 GiB. All three are page
 * aligned. alloc_table() gives zeroed pages by virtual address inside the linear map. -ENOMEM when it
 * has none, -EEXIST when a larger leaf is in the way; what is mapped by then stays. An existing entry is
 * replaced by a leaf of its own level.
 */
int create_pgd_mapping(pte_t *pgd, unsigned long va, phys_addr_t pa, u64 size, pgprot_t prot,
		       void *(*alloc_table)(void));
/* The leaf that translates va, 0 when there is none. */
pte_t lookup_address(const pte_t *pgd, unsigned long va);
void paging_init(void);

#endif
#endif
