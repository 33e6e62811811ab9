"""A disk that does not answer, when the image is written and when it is looked for."""

import errno

from hv.scenario import Carrier, World, scenario

TARGET = 4000


@scenario(carriers=(Carrier.SWAP,))
def silent_disk(world: World) -> None:
    """A disk that is silent when the image is written, or looked for, costs a timeout and nothing else."""
    run = world.start(touch=2000, target=TARGET)
    run.misbehave("disk:silent")
    run.hibernate_fails(-errno.ETIMEDOUT)
    world.check(run.said("vda: no answer for"), "the guest does not say who is silent")
    run.until_target()
    run.verify()
    run.balance("thawed")
    run.behave()
    run.hibernate()

    blind = world.power_on()
    blind.misbehave("disk:silent")
    blind.until_fresh()
    world.check(blind.said("vda: no answer for"), "the guest does not say why it did not resume")
    blind.cut_power()

    woken = world.next()
    woken.until_target()
    woken.verify()
    woken.balance("resumed", leak=TARGET if world.era.leaks else 0)
