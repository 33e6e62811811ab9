/*
 * Timekeeping over the `time` CSR: ktime = base_ns + (cycles since base_cycles) in ns. One fixed-point
 * multiplication with a 128-bit product converts; it is exact for rates that divide 2^32 * 10^9.
 */
#include "csr.h"
#include "kernel.h"
#include "timekeeping.h"

static u64 base_ns, base_cycles;
static u64 mult, frequency;

static u64 cycles_to_ns(u64 cycles)
{
	return (unsigned __int128)cycles * mult >> 32;
}

u64 ktime_get_ns(void)
{
	return base_ns + cycles_to_ns(csr_read(time) - base_cycles);
}

u64 get_jiffies_64(void)
{
	return ktime_get_ns() / NSEC_PER_JIFFY;
}

u64 ktime_to_cycles(u64 ns)
{
	u64 delta = ns > base_ns ? ns - base_ns : 0;

	/* Whole seconds apart, so that the product cannot overflow; up, so that no timer fires early. */
	return base_cycles + delta / NSEC_PER_SEC * frequency +
	       DIV_ROUND_UP(delta % NSEC_PER_SEC * frequency, NSEC_PER_SEC);
}

void time_init(u32 timebase_frequency)
{
	frequency = timebase_frequency;
	mult = (NSEC_PER_SEC << 32) / frequency;
	base_cycles = csr_read(time);
}

void timekeeping_suspend(void)
{
	u64 now = csr_read(time);

	base_ns += cycles_to_ns(now - base_cycles);
	base_cycles = now;
}

void timekeeping_resume(void)
{
	base_cycles = csr_read(time);
	timer_resume();
}
