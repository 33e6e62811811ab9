/*
 * finisher.c - SiFive's test finisher: one register that ends the machine's run (QEMU's hw/misc/sifive_test.c).
 */
#include "board.h"
#include "platform.h"

#define EXIT_CODE_SHIFT	16
#define EXIT_FAILURE	1	/* of the emulator's process; zero would read as success */

static _Noreturn void finish(uint32_t command)
{
	writel(BOARD_TEST_BASE, command);
	for (;;)	/* the platform stops the hart at a moment of its own */
		__asm__ volatile ("wfi");
}

_Noreturn void finisher_poweroff(void)
{
	finish(BOARD_FINISHER_PASS);
}

_Noreturn void finisher_reset(void)
{
	finish(BOARD_FINISHER_RESET);
}

_Noreturn void finisher_fail(void)
{
	finish(BOARD_FINISHER_FAIL | EXIT_FAILURE << EXIT_CODE_SHIFT);
}
