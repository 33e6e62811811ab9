/*
 * Traps: interrupts go to their handlers, and then to whoever has become more urgent; a fault that
 * the exception table knows continues at its fixup; any other exception is a bug of the kernel.
 */
#include "csr.h"
#include "irq.h"
#include "kernel.h"
#include "ptrace.h"
#include "sched.h"
#include "timer.h"

struct exception_table_entry {
	unsigned long insn, fixup;
};

extern const struct exception_table_entry __start_ex_table[], __stop_ex_table[];
void handle_exception(void);
void do_trap(struct pt_regs *regs);

static const char *const exception_names[] = {
	[EXC_INST_MISALIGNED] = "Instruction address misaligned",
	[EXC_INST_ACCESS] = "Instruction access fault",
	[EXC_INST_ILLEGAL] = "Illegal instruction",
	[EXC_BREAKPOINT] = "Breakpoint",
	[EXC_LOAD_MISALIGNED] = "Load address misaligned",
	[EXC_LOAD_ACCESS] = "Load access fault",
	[EXC_STORE_MISALIGNED] = "Store address misaligned",
	[EXC_STORE_ACCESS] = "Store access fault",
	[EXC_INST_PAGE_FAULT] = "Instruction page fault",
	[EXC_LOAD_PAGE_FAULT] = "Load page fault",
	[EXC_STORE_PAGE_FAULT] = "Store page fault",
};

static bool fixup_exception(struct pt_regs *regs)
{
	for (const struct exception_table_entry *e = __start_ex_table; e < __stop_ex_table; e++) {
		if (e->insn == regs->epc) {
			regs->epc = e->fixup;
			return true;
		}
	}
	return false;
}

static __noreturn void die(const struct pt_regs *regs)
{
	const char *name = regs->cause < ARRAY_SIZE(exception_names) ? exception_names[regs->cause] : NULL;

	name = name ? name : "Unknown exception";
	pr_err("Oops: %s at 0x%016lx\n", name, regs->badaddr);
	show_regs(regs);
	panic("Fatal exception: %s", name);
}

void do_trap(struct pt_regs *regs)
{
	switch (regs->cause) {
	case CAUSE_IRQ_FLAG | IRQ_S_TIMER:
		handle_timer_irq();
		break;
	case CAUSE_IRQ_FLAG | IRQ_S_EXT:
		handle_external_irq();
		break;
	default:
		if (!fixup_exception(regs))
			die(regs);
		return;
	}
	preempt_schedule_irq();
}

void trap_init(void)
{
	csr_write(stvec, handle_exception);
	csr_write(sie, IE_TIE | IE_EIE);
}
