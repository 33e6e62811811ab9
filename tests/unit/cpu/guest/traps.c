/*
 * Every kind of trap, in M- and S-mode: what is logged must be what QEMU logs (golden/traps.txt).
 */
#include "guest.h"

#define NOTHING 0x00200000UL	/* no memory there */

static u8 page[4096] PAGE_ALIGNED;
static u32 code[4] __attribute__((aligned(16)));

#define LI_A0(value) (0x00000513U | (value) << 20)
#define RET 0x00008067U

static void exceptions(void)
{
	u64 value;

	asm volatile("ecall");
	report_trap("M ecall");
	asm volatile(".4byte 0");
	report_trap("M illegal 0");
	asm volatile(".4byte 0xffffffff");
	report_trap("M illegal ffffffff");
	asm volatile("csrr %0, 0x5ff" : "=r"(value));
	report_trap("M missing CSR");
	asm volatile(".option push\n\t.option norvc\n\tebreak\n\t.option pop");
	report_trap("M ebreak");
	load(NOTHING);
	report_trap("M load access fault");
	store(NOTHING + 0x128, 1);
	report_trap("M store access fault");
	asm volatile("amoadd.d %0, %1, (%2)" : "=r"(value) : "r"(1UL), "r"(NOTHING + 0x40) : "memory");
	report_trap("M amo access fault");
	jump(NOTHING + 0x400);
	report_trap("M fetch access fault");
	load((u64)page + 3);
	report_trap("misaligned load");
	store((u64)page + 4095, 0);
	report_trap("misaligned store over a page's end");
	asm volatile("lr.d %0, (%1)" : "=r"(value) : "r"(page + 4));
	report_trap("misaligned lr");
}

static void enable(u64 interrupt)
{
	csr_set(mie, 1UL << interrupt);
	csr_set(mstatus, MSTATUS_MIE);
}

static void timer(void)
{
	*MTIMECMP = *MTIME + 1000;
	enable(IRQ_MTI);
	while (!last_trap.count)
		;
	report("timer interrupt is not early", *MTIME >= *MTIMECMP);
	*MTIMECMP = NEVER;
	report_trap("timer interrupt while spinning");
	*MTIMECMP = *MTIME + 100000;
	enable(IRQ_MTI);
	while (!last_trap.count)
		wfi();
	*MTIMECMP = NEVER;
	report_trap("timer interrupt in wfi");
	*MSIP = 1;
	enable(IRQ_MSI);
	while (!last_trap.count)
		;
	*MSIP = 0;
	report_trap("software interrupt");
	report("mip when all is quiet", csr_read(mip));
}

static void reservations(void)
{
	u64 word = 5, failed;

	asm volatile("1:\n\tlr.d t0, (%1)\n\taddi t0, t0, 7\n\tsc.d %0, t0, (%1)\n\tbnez %0, 1b"
		     : "=&r"(failed) : "r"(&word) : "t0", "memory");
	report("word after lr and sc", word);
	asm volatile("sc.d %0, %2, (%1)" : "=&r"(failed) : "r"(&word), "r"(99UL) : "memory");
	report("sc without lr fails", failed);
	report("word after it", word);
}

static void self_modification(void)
{
	u64 (*function)(void) = (u64 (*)(void))code;
	u64 first;

	code[0] = LI_A0(1);
	code[1] = RET;
	fence_i();
	first = function();
	code[0] = LI_A0(2);
	fence_i();
	report("rewritten code", first << 4 | function());
}

/* The compiler knows no FPU; the CPU has one. */
static void floating_point(void)
{
	u64 bits, flags;

	asm volatile(".option push\n\t.option arch, +d\n\tfcvt.d.l fa0, zero\n\t.option pop");
	report_trap("FPU is off at reset");
	csr_set(mstatus, MSTATUS_FS);
	csr_write(fcsr, 0);
	asm volatile(".option push\n\t.option arch, +d\n\t"
		     "fcvt.d.l fa0, %2\n\tfcvt.d.l fa1, %3\n\tfdiv.d fa0, fa0, fa1\n\tfmv.x.d %0, fa0\n\t"
		     "fcvt.d.l fa1, zero\n\tfdiv.d fa0, fa0, fa1\n\tfrflags %1\n\t.option pop"
		     : "=r"(bits), "=r"(flags) : "r"(1L), "r"(3L));
	report("1/3", bits);
	report("fflags after inexact and /0", flags);
	csr_clear(mstatus, MSTATUS_FS);
}

static void supervisor(void)
{
	u64 value, first;

	load(window(1, 0x234));
	report_trap("S load page fault");
	store(window(2, 0x458), 1);
	report_trap("S store page fault");
	asm volatile("amoadd.d %0, %1, (%2)" : "=r"(value) : "r"(1UL), "r"(window(3, 8)) : "memory");
	report_trap("S amo page fault");
	jump(window(5, 0));
	report_trap("S fetch page fault");

	map_page(16, (u64)page, PTE_V | PTE_R | PTE_W);
	load(window(16, 8));
	report("flags after a load", page_entry(16) & 0xff);
	store(window(16, 8), 0x1122334455667788);
	report("flags after a store", page_entry(16) & 0xff);
	report("what was stored", load((u64)page + 8));
	map_page(16, (u64)page, PTE_V | PTE_R);
	store(window(16, 8), 5);
	report_trap("S store to a page to read");

	asm volatile(".4byte 0xffffffff");
	report_trap("S illegal");
	asm volatile(".option push\n\t.option norvc\n\tebreak\n\t.option pop");
	report_trap("S ebreak");
	asm volatile("c.ebreak");
	report_trap("S c.ebreak");
	asm volatile("csrr %0, mstatus" : "=r"(value));
	report_trap("S reads an M CSR");

	first = csr_read(time);
	for (volatile int i = 0; i < 1000; i++)
		;
	report("time goes on", csr_read(time) > first);
	csr_write(sie, 1UL << IRQ_SSI);
	csr_set(sip, 1UL << IRQ_SSI);
	csr_set(sstatus, MSTATUS_SIE);
	asm volatile("nop");
	csr_clear(sstatus, MSTATUS_SIE);
	csr_clear(sip, 1UL << IRQ_SSI);
	report_trap("S software interrupt");
}

void traps(void)
{
	trap_init();
	exceptions();
	timer();
	reservations();
	self_modification();
	floating_point();
	/* QEMU has H too. */
	report("misa", csr_read(misa) & ~(1UL << ('H' - 'A')));

	csr_write(medeleg, 0xb0ff);
	csr_write(mideleg, 1UL << IRQ_SSI | 1UL << IRQ_STI | 1UL << IRQ_SEI);
	csr_write(mcounteren, 7);
	paging_init();
	run_in(MODE_S, supervisor);
	report_trap("back in M-mode");
}
