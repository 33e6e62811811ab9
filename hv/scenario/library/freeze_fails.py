"""P6."""

import errno

from hv.scenario import ERAS, GUESTS, Carrier, World, scenario

TARGET = 4000


@scenario(eras=ERAS, promise="P6", carriers=(Carrier.SWAP,), guests=GUESTS)
def freeze_fails(world: World) -> None:
    """After swapoff the hibernation fails, and the balloon is as it was: both sides agree.

    > if the freeze fails for whatever
    > reason, the balloon should continue to remain in the inflated state.
    > This was tested by issuing 'swapoff -a' and trying to go into the S4
    > state.  That fails, and the balloon stays inflated, as expected.  Both
    > the host and the guest are happy.
    """
    run = world.start(touch=2000, target=TARGET)
    given = run.balloon.ballooned.copy()
    run.disable_swap()
    run.hibernate_fails(-errno.ENODEV)
    run.until_target()
    counters = run.balloon.counters
    moved = counters.deflated_pages
    if world.era.deflates_at_freeze:
        world.figure("pages_moved_for_nothing", moved)
    else:
        world.figure("pages_moved_for_nothing", moved, expected=0)
        world.check(bool((run.balloon.ballooned == given).all()), "the balloon holds other pages than before")
    run.verify()
    run.balance("thawed")
