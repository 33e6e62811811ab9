"""Linux's free page reporting, whose work nothing stops at freeze."""

from hv.scenario import MS, SECOND, World, scenario

FREED, TARGET = 16384, 8192
DELAY = 2 * SECOND
"""Linux reports two seconds after pages were freed (`PAGE_REPORTING_DELAY`)."""


@scenario(guests=("linux",))
def linux_reporting_in_flight(world: World) -> None:
    """A report that the host has not answered when the guest freezes, and whose queue is deleted then."""
    world.features |= {"free-page-reporting"}
    run = world.start(touch=1000, target=TARGET)
    run.shell(f"head -c {FREED * 4096} /dev/zero >/tmp/more; rm /tmp/more")
    reported = run.balloon.counters.reported_pages
    run.misbehave("balloon:late=3s@1")
    run.until_ns(run.ns + DELAY + 500 * MS)
    world.figure("reports_answered_before_freeze", run.balloon.counters.reported_pages - reported)
    run.hibernate()
    woken = world.next()
    woken.until_target()
    for target in (TARGET + 512, TARGET):
        woken.set_target(target)
        woken.until_target()
    for trouble in ("Oops", "Unable to handle", "WARNING:", "BUG:"):
        world.figure(trouble.strip(":").lower().replace(" ", "_"), woken.said(trouble))
    woken.verify()
    woken.balance("resumed")
