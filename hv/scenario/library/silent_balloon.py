"""A balloon that does not answer when the guest freezes."""

import errno

from hv.scenario import World, scenario

TARGET = 4000


@scenario()
def silent_balloon(world: World) -> None:
    """No used buffer at freeze: who needs one reports a timeout, thaws with nothing lost, sleeps later."""
    run = world.start(touch=2000, target=TARGET)
    run.misbehave("balloon:silent")
    if world.era.deflates_at_freeze:
        run.hibernate_fails(-errno.ETIMEDOUT)
        world.check(run.said("no answer to deflate"), "the guest does not say who is silent")
        run.verify()
        run.balance("silent")
        run.behave()
        for target in (TARGET + 500, TARGET):
            run.set_target(target)
            run.until_target()
        run.verify()
        run.balance("answering")
    run.hibernate()
    woken = world.next()
    woken.until_target()
    woken.verify()
    woken.balance("resumed", leak=TARGET if world.era.leaks else 0)
