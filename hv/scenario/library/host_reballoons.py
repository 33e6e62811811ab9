"""P3."""

from hv.scenario import GUESTS, World, scenario

TARGET = 4000


@scenario(promise="P3", guests=GUESTS)
def host_reballoons(world: World) -> None:
    """The host keeps its target, and the resumed guest inflates to it again.

    > the host will have to
    > re-balloon to the previous value to get in the pre-hibernate state.
    """
    world.start(touch=2000, target=TARGET).hibernate()
    woken = world.next()
    woken.until_target()
    world.figure("ballooned_again", int(woken.balloon.ballooned.sum()), expected=TARGET)
    world.figure("inflate_requests", woken.balloon.counters.inflate_requests)
    woken.verify()
    woken.balance("resumed", leak=TARGET if world.era.leaks else 0)
