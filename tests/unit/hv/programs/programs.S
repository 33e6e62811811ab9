/*
 * programs.S - one small program for each way in which a run can end. A test sets pc to the one that it wants; all
 * start in M-mode with every register zero but a0 to a2.
 */
#include "board.h"

#define NOWHERE		0x40000000	/* no RAM, no device */
#define EXIT_CODE	42
#define ALARM_NS	50000000

#define CLINT_MTIMECMP	0x4000
#define RTC_TIME_LOW	0x00
#define RTC_TIME_HIGH	0x04
#define RTC_ALARM_LOW	0x08
#define RTC_ALARM_HIGH	0x0c
#define RTC_IRQ_ENABLED	0x10
#define PLIC_ENABLE	0x2000		/* of context 0, which is M-mode */
#define MIE_MEIE	(1 << 11)
#define MPP_S		(1 << 11)
#define PMP_ALL		0x1f		/* NAPOT, readable, writable, executable */

	.text

	.macro finish command
	li	t0, BOARD_TEST_BASE
	li	t1, \command
	sw	t1, 0(t0)
	j	.
	.endm

	.global _start, poweroff, reset, fail, hibernate
_start:
poweroff:
	finish	BOARD_FINISHER_PASS
reset:
	finish	BOARD_FINISHER_RESET
fail:
	finish	BOARD_FINISHER_FAIL | EXIT_CODE << 16
hibernate:
	li	t0, BOARD_TEST_BASE + BOARD_SLEEP_OFFSET
	li	t1, BOARD_FINISHER_HIBERNATE
	sw	t1, 0(t0)
	j	.

	/* Waits for an interrupt, having enabled none. */
	.global deadlock
deadlock:
	csrw	mie, zero
1:	wfi
	j	1b

	.global busy
busy:
	j	.

	/* Says "ok" and then nothing any more. */
	.global say_ok
say_ok:
	li	t0, BOARD_UART_BASE
	li	t1, 'o'
	sb	t1, 0(t0)
	li	t1, 'k'
	sb	t1, 0(t0)
	j	busy

	/* The RTC wakes it from wfi after ALARM_NS, and it powers off. */
	.global alarm
alarm:
	li	t0, BOARD_RTC_BASE
	lwu	t1, RTC_TIME_LOW(t0)
	lwu	t2, RTC_TIME_HIGH(t0)
	slli	t2, t2, 32
	add	t1, t1, t2
	li	t2, ALARM_NS
	add	t1, t1, t2
	srli	t2, t1, 32
	sw	t2, RTC_ALARM_HIGH(t0)
	sw	t1, RTC_ALARM_LOW(t0)
	li	t1, 1
	sw	t1, RTC_IRQ_ENABLED(t0)
	li	t0, BOARD_PLIC_BASE
	sw	t1, 4 * BOARD_RTC_IRQ(t0)	/* priority */
	li	t1, 1 << BOARD_RTC_IRQ
	li	t2, PLIC_ENABLE
	add	t0, t0, t2
	sw	t1, 0(t0)
	li	t1, MIE_MEIE
	csrw	mie, t1
	wfi
	j	poweroff

	/* A jump to where nothing is, with a trap handler that is not there either. */
	.global jump_to_nowhere
jump_to_nowhere:
	li	t0, NOWHERE
	csrw	mtvec, t0
	addi	t0, t0, 0x100
	jr	t0

	/* A trap whose handler dies of the same. */
	.global trap_in_the_handler
trap_in_the_handler:
	la	t0, 1f
	csrw	mtvec, t0
	.balign 4
1:	unimp

	/* S-mode with stvec pointing nowhere, all exceptions its own. */
	.global supervisor_without_a_handler
supervisor_without_a_handler:
	li	t0, -1
	csrw	pmpaddr0, t0
	csrw	medeleg, t0
	li	t0, PMP_ALL
	csrw	pmpcfg0, t0
	li	t0, NOWHERE
	csrw	stvec, t0
	li	t0, MPP_S
	csrw	mstatus, t0
	la	t0, supervisor
	csrw	mepc, t0
	mret
	.global supervisor
supervisor:
	unimp
