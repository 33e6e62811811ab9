"""P9."""

from hv.scenario import GUESTS, Carrier, World, scenario

TARGET = 4000


@scenario(promise="P9", carriers=(Carrier.SWAP,), guests=GUESTS)
def frozen_driver_is_still(world: World) -> None:
    """From the freeze of the kernel's threads to the power-off the driver answers no target of the host's.

    What the callbacks themselves move is another matter: `pages_asked_back` has it.

    > The kthread doesn't race with any operations here, since it's frozen
    > before the freeze() call and is thawed after the thaw() and restore()
    > callbacks, so we're safe with that.
    """
    run = world.start(touch=2000, target=TARGET)
    run.start_hibernation()
    run.until_line("Freezing remaining freezable tasks completed")
    inflated, deflated = run.balloon.counters.inflated_pages, run.balloon.counters.deflated_pages
    frozen = run.ns
    targets = [TARGET + 500, 0, TARGET + 1500]
    for step, target in enumerate(targets):
        run.set_target(target, at_ns=frozen + step * 300_000)
    run.until_off()
    between = world.era.fills_in_thaw
    asked_back = TARGET + between if world.era.deflates_at_freeze else 0
    counters = run.balloon.counters
    world.figure("target_changes_while_frozen", len(targets) if run.ns > frozen + 900_000 else 0, expected=3)
    world.figure("pages_given_while_frozen", counters.inflated_pages - inflated, expected=between)
    world.figure("pages_asked_back_while_frozen", counters.deflated_pages - deflated, expected=asked_back)

    woken = world.next()
    woken.until_target()
    world.figure("ballooned_after_resume", int(woken.balloon.ballooned.sum()), expected=targets[-1])
    woken.verify()
    woken.balance("resumed", leak=TARGET if world.era.leaks else 0)
