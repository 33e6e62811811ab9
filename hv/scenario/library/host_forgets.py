"""P1."""

from hv.scenario import GUESTS, World, scenario

TARGET = 4000


@scenario(promise="P1", guests=GUESTS)
def host_forgets(world: World) -> None:
    """The machine that resumes has a fresh device: no page of the old balloon is in it.

    > If the balloon was inflated before going into the hibernation state, upon resume, the host
    > will not have any memory of that.
    """
    asleep = world.start(touch=2000, target=TARGET)
    world.figure("ballooned_before", int(asleep.balloon.ballooned.sum()), expected=TARGET)
    asleep.hibernate()

    world.target = 0
    woken = world.power_on()
    world.figure("ballooned_at_power_on", int(woken.balloon.ballooned.sum()), expected=0)
    world.figure("actual_at_power_on", woken.balloon.actual_pages, expected=0)
    woken.until_resumed()
    world.figure("ballooned_after_resume", int(woken.balloon.ballooned.sum()), expected=0)
    world.figure("inflate_requests_after_resume", woken.balloon.counters.inflate_requests, expected=0)
    woken.verify()
    woken.balance("resumed", leak=TARGET if world.era.leaks else 0)
