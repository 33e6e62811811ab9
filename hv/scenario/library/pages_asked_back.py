"""P4."""

from hv.scenario import World, scenario

TARGET = 4000


@scenario(promise="P4")
def pages_asked_back(world: World) -> None:
    """How many pages the host has to give back at freeze, only for the guest to discard them.

    > One solution is to deflate the balloon just before writing the image to
    > the disk (in the freeze() PM callback).  However, asking for pages from
    > the host just to discard them immediately after seems wasteful of
    > resources.
    """
    run = world.start(touch=2000, target=TARGET)
    moved = run.balloon.counters.inflated_pages
    run.hibernate()
    counters = run.balloon.counters
    # The era that deflates finds the whole balloon at freeze; a carrier that thaws in between may refill it.
    asked_back = TARGET if world.era.deflates_at_freeze else 0
    world.figure("pages_asked_back_at_freeze", counters.deflated_pages, expected=asked_back)
    world.figure("pages_given_in_hibernation", counters.inflated_pages - moved, expected=0)
    world.figure("ballooned_at_power_off", int(run.balloon.ballooned.sum()), expected=TARGET - asked_back)
