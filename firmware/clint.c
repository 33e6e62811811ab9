/*
 * clint.c - the core-local interruptor (SiFive FU540 manual, chapter 9): the machine timer of hart 0.
 *
 * Its software interrupts are for other harts, and there are none.
 */
#include "board.h"
#include "platform.h"

#define CLINT_MTIMECMP	(BOARD_CLINT_BASE + 0x4000)

/* MTIP is pending from mtime >= ticks on (BOARD_MTIME_HZ), and goes away when a later time is written. */
void clint_set_mtimecmp(uint64_t ticks)
{
	writeq(CLINT_MTIMECMP, ticks);
}
