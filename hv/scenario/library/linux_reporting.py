"""Linux's free page reporting, and a host that is slow to answer."""

import errno

from hv.scenario import MS, SECOND, LinuxGuest, World, scenario

FREED, TARGET = 16384, 8192
DELAY = 2 * SECOND
"""Linux reports two seconds after pages were freed (`PAGE_REPORTING_DELAY`)."""
SLOW = 25 * SECOND
"""Longer than Linux waits for what is to be frozen, which is 20 s (`freeze_timeout_msecs`)."""


@scenario(guests=("linux",), eras=LinuxGuest.eras, carriers=LinuxGuest.carriers)
def linux_reporting_in_flight(world: World) -> None:
    """Refuted: no report goes to a queue that freeze has deleted, since reporting's work is freezable.

    Work in flight holds the freeze up instead: a host that takes 25 s for one report fails the hibernation,
    before any device is frozen. Once it has answered, the guest hibernates.
    """
    world.features |= {"free-page-reporting"}
    run = world.start(touch=1000, target=TARGET)
    run.shell(f"head -c {FREED * 4096} /dev/zero >/tmp/more; rm /tmp/more")
    run.misbehave(f"balloon:late={SLOW // SECOND}s@1")
    run.until_ns(run.ns + DELAY + 500 * MS)
    run.hibernate_fails(-errno.EBUSY)
    world.check(run.said("in-flight: ") and run.said("page_reporting_process"), "no report was in flight")
    world.figure("pages_asked_back", run.balloon.counters.deflated_pages, expected=0)
    run.until_ns(run.ns + SLOW)
    run.verify()
    run.hibernate()

    woken = world.next()
    woken.until_target()
    woken.verify()
    before = woken.balloon.counters.reported_pages
    woken.shell(f"head -c {FREED * 4096} /dev/zero >/tmp/more; rm /tmp/more")
    woken.until_ns(woken.ns + 5 * DELAY)
    world.figure("reported_after_resume", woken.balloon.counters.reported_pages - before)
    world.check(woken.balloon.counters.reported_pages > before, "nothing is reported after the resume")
    for trouble in ("Oops", "WARNING:", "BUG:"):
        world.check(not woken.said(trouble), f"the guest says {trouble}")
