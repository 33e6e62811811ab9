/* The C side of saving, leaving and waking a CPU; the other side is hibernate_asm.S. */
#include "hibernate_asm.h"
#include "pgtable.h"
#include "power.h"
#include "string.h"

struct hibernate_context hibernate_cpu_context;

int swsusp_arch_suspend(int (*capture)(void))
{
	/* Returns twice: here and now, and in the machine that wakes up. */
	if (hibernate_save_context(&hibernate_cpu_context))
		return capture();
	return SWSUSP_RESUMED;
}

phys_addr_t swsusp_resume_address(void)
{
	return __pa(hibernate_resume_entry);
}

/*
 * The boot's page table maps RAM with 1 GiB leaves at its high address; the copy gets the same for the
 * low half, so that code can go on at its physical address when translation is switched off.
 */
void swsusp_arch_resume(phys_addr_t list, void *code_page, void *pgd_page)
{
	const size_t half = PAGE_SIZE / 2;

	memcpy(pgd_page + half, (void *)early_pg_dir + half, half);
	memcpy(pgd_page, pgd_page + half, half);
	memcpy(code_page, hibernate_core_restore_code,
	       hibernate_core_restore_code_end - hibernate_core_restore_code);
	__asm__ volatile("fence.i" ::: "memory");
	hibernate_restore_image(make_satp(pgd_page), __pa(code_page), list, swsusp_resume_address());
}
