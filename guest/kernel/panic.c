/* The end of a kernel: what it says before the machine goes down. */
#include "init.h"
#include "irqflags.h"
#include "kernel.h"
#include "page.h"
#include "ptrace.h"
#include "sbi.h"
#include "sched.h"

#define MAX_FRAMES 32

static bool frame_is_sane(unsigned long fp, unsigned long low, unsigned long high)
{
	return IS_ALIGNED(fp, 8) && fp >= low + 16 && fp <= high;
}

/*
 * Below each frame pointer lie the return address (fp - 8) and the caller's frame pointer (fp - 16).
 * Callers lie higher on the same stack; anything else ends the walk.
 */
void dump_backtrace(unsigned long fp)
{
	unsigned long low = (unsigned long)current->stack;
	unsigned long high = low + THREAD_SIZE;

	printk(KERN_ERR, "Call Trace:\n");
	for (int i = 0; i < MAX_FRAMES && frame_is_sane(fp, low, high); i++) {
		const unsigned long *record = (unsigned long *)fp;

		printk(KERN_ERR, "[<%016lx>]\n", record[-1]);
		low = fp;
		fp = record[-2];
	}
}

void show_regs(const struct pt_regs *regs)
{
	static const char names[32][4] = {
		"epc", "ra", "sp", "gp", "tp",	"t0",  "t1", "t2", "s0", "s1", "a0",
		"a1",  "a2", "a3", "a4", "a5",	"a6",  "a7", "s2", "s3", "s4", "s5",
		"s6",  "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6",
	};

	for (int i = 0; i < 32; i += 4)
		pr_err("%4s: %016lx %4s: %016lx %4s: %016lx %4s: %016lx\n", names[i], regs->gpr[i],
		       names[i + 1], regs->gpr[i + 1], names[i + 2], regs->gpr[i + 2], names[i + 3],
		       regs->gpr[i + 3]);
	pr_err("status: %016lx badaddr: %016lx cause: %016lx\n", regs->status, regs->badaddr, regs->cause);
}

void warn_slowpath(const char *file, int line)
{
	printk(KERN_WARNING, "WARNING: at %s:%d in %s\n", file, line, current->comm);
	dump_backtrace((unsigned long)__builtin_frame_address(0));
}

void panic(const char *fmt, ...)
{
	static bool panicking;
	char message[128];
	va_list args;

	local_irq_disable();
	if (!panicking) {
		panicking = true;
		va_start(args, fmt);
		vsnprintf(message, sizeof(message), fmt, args);
		va_end(args);
		pr_err("Kernel panic: %s\n", message);
		pr_err("Task: %s (pid %d)\n", current->comm, current->pid);
		dump_backtrace((unsigned long)__builtin_frame_address(0));
	}
	sbi_system_reset(SBI_SRST_SHUTDOWN, SBI_SRST_SYSTEM_FAILURE);
}
