/*
 * Time. ktime counts virtual nanoseconds since boot and never goes back, not even over a hibernation
 * that resumes on a machine whose counter started again. Time-outs count in jiffies, 1/HZ s of it.
 */
#ifndef TIME_H
#define TIME_H

#include "types.h"

#define HZ 100
#define NSEC_PER_SEC 1000000000ULL
#define NSEC_PER_MSEC 1000000ULL
#define NSEC_PER_USEC 1000ULL
#define NSEC_PER_JIFFY (NSEC_PER_SEC / HZ)
#define MAX_SCHEDULE_TIMEOUT ((long)(~0UL >> 1))

u64 ktime_get_ns(void);

/* Rounds up, so that a sleep is never shorter than asked. */
static inline unsigned long msecs_to_jiffies(unsigned int ms)
{
	return (ms * (u64)HZ + 999) / 1000;
}

/* The rate of the `time` CSR in Hz, from the device tree. */
void time_init(u32 timebase_frequency);
/* Freeze ktime before the machine stops; go on from there, whatever the counter says now. */
void timekeeping_suspend(void);
void timekeeping_resume(void);

#endif
