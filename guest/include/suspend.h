/* Sleep with the power on (Linux: linux/suspend.h). */
#ifndef SUSPEND_H
#define SUSPEND_H

/*
 * Suspends to idle until s2idle_wake() or until `timeout` jiffies have passed (MAX_SCHEDULE_TIMEOUT: never).
 * Returns 0 after waking up, or the errno of what did not go to sleep, with everything running as before;
 * -EIO when a device did not come back. Sleeps.
 */
int pm_suspend(long timeout);
/* Something came that the machine must wake up for. From interrupts; nothing when it is awake. */
void s2idle_wake(void);

#endif
