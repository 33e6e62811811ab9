/* Between timekeeping and the timers. */
#ifndef TIMEKEEPING_H
#define TIMEKEEPING_H

#include "time.h"

/* The first value of the `time` CSR at which ktime has reached `ns`. */
u64 ktime_to_cycles(u64 ns);
/* The hardware timer has forgotten what it was set to. */
void timer_resume(void);

#endif
