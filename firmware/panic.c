/*
 * panic.c - the firmware cannot go on: say why on the UART, then fail the machine.
 */
#include "csr.h"
#include "hart.h"
#include "platform.h"

static const char *const exception_names[] = {
	"instruction address misaligned", "instruction access fault", "illegal instruction", "breakpoint",
	"load address misaligned", "load access fault", "store address misaligned", "store access fault",
	"ecall from U", "ecall from S", "ecall from VS", "ecall from M",
	"instruction page fault", "load page fault", "reserved", "store page fault",
};

static const char *const register_names[] = {
	"zero", "ra  ", "sp  ", "gp  ", "tp  ", "t0  ", "t1  ", "t2  ",
	"s0  ", "s1  ", "a0  ", "a1  ", "a2  ", "a3  ", "a4  ", "a5  ",
	"a6  ", "a7  ", "s2  ", "s3  ", "s4  ", "s5  ", "s6  ", "s7  ",
	"s8  ", "s9  ", "s10 ", "s11 ", "t3  ", "t4  ", "t5  ", "t6  ",
};

static void show(const char *name, unsigned long value)
{
	console_puts(name);
	console_puts(" ");
	console_hex(value);
}

/* A trap while panicking (the UART itself may fault) ends the machine without another word. */
static void panic_once(void)
{
	static bool panicking;

	if (panicking)
		finisher_fail();
	panicking = true;
	console_puts("\nfirmware: panic: ");
}

_Noreturn void panic(const char *why)
{
	panic_once();
	console_puts(why);
	console_puts("\n");
	finisher_fail();
}

_Noreturn void panic_trap(const struct trap_regs *regs)
{
	unsigned long cause = csr_read(mcause);

	panic_once();
	if (cause & CAUSE_INTERRUPT)
		console_puts("unexpected interrupt\n");
	else if (cause < sizeof(exception_names) / sizeof(exception_names[0])) {
		console_puts(exception_names[cause]);
		console_puts("\n");
	} else {
		console_puts("unknown exception\n");
	}
	show("mcause ", cause);
	show("  mepc ", regs->mepc);
	show("  mtval ", csr_read(mtval));
	show("  mstatus ", regs->mstatus);
	for (int n = 1; n < 32; n++) {
		console_puts(n % 4 == 1 ? "\n" : "  ");
		show(register_names[n], regs->x[n]);
	}
	console_puts("\n");
	finisher_fail();
}
