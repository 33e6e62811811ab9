"""P8."""

import errno

from hv.scenario import GUESTS, Carrier, World, scenario

TARGET = 4000


@scenario(promise="P8", carriers=(Carrier.SWAP,), guests=GUESTS)
def queues_come_and_go(world: World) -> None:
    """The device has no queue while the image is made, and works after thaw and after restore.

    > As a last step, delete the vqs on the freeze callback to prepare for
    > hibernation, and re-create them in the restore and thaw callbacks to
    > resume normal operation.
    """
    run = world.start(touch=2000, target=TARGET)
    at_work = run.balloon_queues()
    world.figure("queues_at_work", at_work)
    world.check(at_work >= 2, "there is no queue to inflate or to deflate")
    run.disable_swap()
    run.start_hibernation()
    run.until_line("Creating image")
    world.figure("queues_while_frozen", run.balloon_queues(), expected=0)
    run.finish(-errno.ENODEV)
    world.figure("queues_after_thaw", run.balloon_queues(), expected=at_work)
    run.set_target(TARGET + 1000)
    run.until_target()
    run.set_target(TARGET)
    run.until_target()
    run.balance("thawed")
    run.enable_swap()
    run.hibernate()
    # The guest's own business: the toy kernel freezes again before it is off, Linux's `shutdown` does not.
    world.figure("queues_at_power_off", run.balloon_queues())

    woken = world.next()
    world.figure("queues_after_restore", woken.balloon_queues(), expected=at_work)
    woken.until_target()
    woken.verify()
    woken.balance("resumed", leak=TARGET if world.era.leaks else 0)
