/*
 * A small system that uses everything in which time and order matter: a timer interrupt that is sometimes waited for in
 * wfi and sometimes hits a computation, page faults, system calls, an echoing console, floating point state. However the
 * host cuts the run into slices, the memory and the clock at the end must be the same.
 */
#include "guest.h"

#define UART ((volatile u8 *)BOARD_UART_BASE)
#define UART_IER 1
#define UART_LSR 5
#define PLIC_PRIORITY(irq) ((volatile u32 *)(BOARD_PLIC_BASE + 4 * (irq)))
#define PLIC_ENABLE_M ((volatile u32 *)(BOARD_PLIC_BASE + 0x2000))
#define PLIC_CLAIM_M ((volatile u32 *)(BOARD_PLIC_BASE + 0x200004))
#define CAUSE_INTERRUPT (1UL << 63)
#define CAUSE_U_ECALL 8
#define PERIOD 300

static u64 log[4096];
static u64 logged, ticks, calls, received;
static u64 heap[16384];

static void note(u64 value)
{
	log[logged++ % ARRAY_SIZE(log)] = value;
}

static void __attribute__((interrupt("machine"), aligned(4))) handler(void)
{
	u64 cause = csr_read(mcause);

	note(cause);
	note(csr_read(mepc));
	note(csr_read(cycle));
	if (cause == (CAUSE_INTERRUPT | IRQ_MTI)) {
		ticks++;
		*MTIMECMP = *MTIMECMP + PERIOD + ticks % 7;
	} else if (cause == (CAUSE_INTERRUPT | IRQ_MEI)) {
		u32 irq = *PLIC_CLAIM_M;

		while (UART[UART_LSR] & 1) {
			received++;
			put(UART[0]);
		}
		*PLIC_CLAIM_M = irq;
	} else if (cause == (CAUSE_INTERRUPT | IRQ_MSI)) {
		*MSIP = 0;
	} else {
		calls++;
		if (!(calls % 5))
			*MSIP = 1;
		csr_write(mepc, csr_read(mepc) + 4);
	}
}

static u64 compute(u64 seed)
{
	for (u64 i = 0; i < ARRAY_SIZE(heap) / 16; i++) {
		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		heap[seed % ARRAY_SIZE(heap)] += seed;
		if (seed & 64)
			asm volatile("amoxor.d zero, %0, (%1)" : : "r"(seed), "r"(heap + i) : "memory");
	}
	return seed;
}

static void work(void)
{
	u64 seed = 88172645463325252;

	for (u64 round = 0; round < 60; round++) {
		seed = compute(seed);
		note(csr_read(time));
		asm volatile(".option push\n\t.option norvc\n\tecall\n\t.option pop" : : : "memory");
		asm volatile(".option push\n\t.option arch, +d\n\tfcvt.d.l ft0, %0\n\tfsqrt.d ft1, ft0\n\t"
			     "fadd.d ft2, ft2, ft1\n\t.option pop" : : "r"(seed >> 1));
		if (round % 8 == 3)
			put('.');
	}
}

void busy(void)
{
	trap_init();
	csr_write(mtvec, handler);
	csr_write(mcounteren, 7);
	csr_write(scounteren, 7);
	csr_set(mstatus, MSTATUS_FS);
	*PLIC_PRIORITY(BOARD_UART_IRQ) = 1;
	*PLIC_ENABLE_M = 1U << BOARD_UART_IRQ;
	UART[UART_IER] = 1;
	*MTIMECMP = PERIOD;
	csr_write(mie, 1UL << IRQ_MTI | 1UL << IRQ_MSI | 1UL << IRQ_MEI);
	csr_set(mstatus, MSTATUS_MIE);
	for (u64 i = 0; i < 20; i++) {
		u64 until = ticks + i % 3;

		work();
		while (ticks < until)
			wfi();
	}
	csr_clear(mstatus, MSTATUS_MIE);
	put('\n');
	report("ticks", ticks);
	report("calls", calls);
	report("received", received);
	report("fflags", csr_read(fflags));
	report("time", csr_read(time));
}

/* Sleeps for ever, but echoes what it receives. */
void echo(void)
{
	trap_init();
	csr_write(mtvec, handler);
	*PLIC_PRIORITY(BOARD_UART_IRQ) = 1;
	*PLIC_ENABLE_M = 1U << BOARD_UART_IRQ;
	UART[UART_IER] = 1;
	csr_write(mie, 1UL << IRQ_MEI);
	csr_set(mstatus, MSTATUS_MIE);
	for (;;)
		wfi();
}
