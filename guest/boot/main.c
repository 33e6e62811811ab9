/*
 * From the jump into C to the shell's prompt.
 *
 * start_kernel() runs on the boot stack with interrupts off and brings up what everything else needs:
 * memory, page table, time, threads. It then becomes the idle task; the rest of the boot is
 * kernel_init()'s, which is a thread and may sleep: devices, late initcalls (among them the look for a
 * hibernation image), and the shell.
 */
#include "earlycon.h"
#include "init.h"
#include "memblock.h"
#include "mm.h"
#include "of.h"
#include "pgtable.h"
#include "platform_device.h"
#include "ptrace.h"
#include "sbi.h"
#include "sched.h"
#include "setup.h"
#include "shell.h"
#include "vmcore_info.h"
#include "workqueue.h"

static int kernel_init(void *unused)
{
	const initcall_t *fn;

	of_platform_populate();
	for_each_table_entry(fn, initcall) {
		int err = (*fn)();

		if (err)
			pr_warn("initcall failed with %d\n", err);
	}
	if (IS_ERR(user_task_run(shell_main, NULL, "sh")))
		panic("no memory for the shell");
	return 0;
}

void start_kernel(phys_addr_t dtb)
{
	struct task_struct *init;

	trap_init();
	earlycon_init();
	sbi_init();
	if (of_init(__va(dtb)))
		panic("no device tree at 0x%llx", dtb);
	setup_bootargs();
	setup_timebase();
	pr_info("thawvisor toy kernel, device tree at 0x%llx\n", dtb);

	setup_memory(dtb);
	paging_init();
	mem_init();
	crash_save_vmcoreinfo_init();

	sched_init();
	init = kthread_run(kernel_init, NULL, "init");
	if (IS_ERR(init))
		panic("no memory for the init thread");
	kthread_detach(init);
	workqueue_init();
	cpu_idle();
}
