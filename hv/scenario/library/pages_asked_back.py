"""P4."""

from hv.scenario import ERAS, GUESTS, Carrier, World, scenario

TARGET = 4000


@scenario(eras=ERAS, promise="P4", guests=GUESTS)
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
    # To write its own image the guest thaws its devices, and freezes them again for the power-off.
    between = world.era.fills_in_thaw if world.carrier is Carrier.SWAP else 0
    asked_back = TARGET + between if world.era.deflates_at_freeze else 0
    world.figure("pages_asked_back_at_freeze", counters.deflated_pages, expected=asked_back)
    world.figure("pages_given_in_hibernation", counters.inflated_pages - moved, expected=between)
    held = TARGET + between - asked_back
    world.figure("ballooned_at_power_off", int(run.balloon.ballooned.sum()), expected=held)
