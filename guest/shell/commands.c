/* The shell's commands about the kernel itself. */
#include "freezer.h"
#include "irq.h"
#include "irqflags.h"
#include "mm.h"
#include "reboot.h"
#include "sched.h"
#include "shell.h"
#include "string.h"

static int cmd_help(int argc, char **argv)
{
	const struct shell_command *command;

	for_each_table_entry(command, shell_command)
		console_printf("%-10s %s\n", command->name, command->help);
	return 0;
}
SHELL_COMMAND(help, "this list; a command with & at its end runs as a job", cmd_help);

static int cmd_ps(int argc, char **argv)
{
	static const char states[] = "RSFZ"; /* by TASK_* */
	struct task_struct *p;

	console_printf("pid state flags nvcsw nivcsw name\n");
	preempt_disable();
	for_each_process(p)
		console_printf("%d %c %x %lu %lu %s\n", p->pid, states[p->state], p->flags, p->nvcsw, p->nivcsw,
			       p->comm);
	preempt_enable();
	return 0;
}
SHELL_COMMAND(ps, "tasks: Running, Sleeping, Frozen", cmd_ps);

static int cmd_uptime(int argc, char **argv)
{
	u64 now = ktime_get_ns();

	shell_answer("uptime", "%llu.%06llu", now / NSEC_PER_SEC, now % NSEC_PER_SEC / NSEC_PER_USEC);
	shell_answer("idle_switches", "%lu", init_task.nivcsw + init_task.nvcsw);
	return 0;
}
SHELL_COMMAND(uptime, "seconds since boot, not counting hibernation", cmd_uptime);

static int cmd_dmesg(int argc, char **argv)
{
	printk_dump();
	return 0;
}
SHELL_COMMAND(dmesg, "the kernel log", cmd_dmesg);

static int cmd_interrupts(int argc, char **argv)
{
	show_interrupts();
	return 0;
}
SHELL_COMMAND(interrupts, "how often each came", cmd_interrupts);

static int cmd_sleep(int argc, char **argv)
{
	u64 ms;

	if (argc != 2 || kstrtou64(argv[1], &ms) || ms > 1000 * 1000)
		return -EINVAL;
	for (long left = msecs_to_jiffies(ms); left; try_to_freeze()) {
		set_current_state(TASK_UNINTERRUPTIBLE);
		left = schedule_timeout(left);
	}
	return 0;
}
SHELL_COMMAND(sleep, "MS: milliseconds, at most 1000000", cmd_sleep);

static int cmd_poweroff(int argc, char **argv)
{
	kernel_power_off();
}
SHELL_COMMAND(poweroff, "switch the machine off", cmd_poweroff);

static int cmd_reboot(int argc, char **argv)
{
	kernel_restart();
}
SHELL_COMMAND(reboot, "start the machine again", cmd_reboot);

static int cmd_panic(int argc, char **argv)
{
	panic("asked for by the shell");
}
SHELL_COMMAND(panic, "die of a panic", cmd_panic);

/* A store to the first page, where nothing is mapped. */
static int cmd_crash(int argc, char **argv)
{
	*(volatile int *)NULL = 0;
	return 0;
}
SHELL_COMMAND(crash, "die of a wild store", cmd_crash);
