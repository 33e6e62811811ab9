/*
 * Timekeeping over the `time` CSR: ktime = base_ns + (cycles since base_cycles) in ns. One fixed-point
 * multiplication with a 128-bit product converts; it is exact for rates that divide 2^32 * 10^9.
 */
#include "csr.h"
#include "kernel.h"
#include "timekeeping.h"

static u64 base_ns, base_cycles;
static u64 mult, frequency;
static bool suspended; /* between timekeeping_suspend() and _resume(): time stands still */

static u64 cycles_to_ns(u64 cycles)
{
	return (unsigned __int128)cycles * mult >> 32;
}

u64 ktime_get_ns(void)
{
	return suspended ? base_ns : base_ns + cycles_to_ns(csr_read(time) - base_cycles);
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
	base_ns = ktime_get_ns();
	suspended = true;
}

void timekeeping_resume(void)
{
	base_cycles = csr_read(time);
	suspended = false;
	timer_resume();
}
