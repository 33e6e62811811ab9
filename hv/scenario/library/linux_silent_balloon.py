"""A host that does not answer when Linux freezes."""

from hv.scenario import SECOND, LinuxGuest, World, scenario

TARGET = 16384
SILENCE = 300 * SECOND


@scenario(guests=("linux",), eras=LinuxGuest.eras, carriers=LinuxGuest.carriers)
def linux_silent_balloon(world: World) -> None:
    """Confirmed: `tell_host` waits for a silent device at freeze, with all tasks frozen, and has no limit.

    Neither an error nor a message comes in five minutes: the watchdog for hung tasks is a frozen thread then.
    """
    run = world.start(touch=1000, target=TARGET)
    asked = run.balloon.counters.deflate_requests
    run.misbehave("balloon:silent")
    run.start_hibernation()
    run.until_line("Freezing remaining freezable tasks completed")
    frozen = run.ns
    run.until_ns(frozen + SILENCE)
    world.figure("seconds_waited", (run.ns - frozen) // SECOND)
    world.check(run.on, "the guest went to sleep although its host is silent")
    world.check(not run.said("Creating image"), "the guest went on although its host is silent")
    world.figure("hung_task_reported", run.said("blocked for more than"))
    world.figure("deflate_requests_answered", run.balloon.counters.deflate_requests - asked, expected=0)
