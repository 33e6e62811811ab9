"""Hibernate, fail, hibernate again."""

import errno

from hv.scenario import GUESTS, Carrier, World, scenario

TARGET = 2000


@scenario(carriers=(Carrier.SWAP,), guests=GUESTS)
def after_a_failure(world: World) -> None:
    """A hibernation between two that fail works as if they had not been."""
    leak = TARGET if world.era.leaks else 0
    run = world.start(touch=2000, target=TARGET)
    run.disable_swap()
    run.hibernate_fails(-errno.ENODEV)
    run.until_target()
    run.balance("failed once")
    run.enable_swap()
    run.hibernate()
    run = world.next()
    run.until_target()
    run.verify()
    run.balance("resumed", leak)
    run.disable_swap()
    run.hibernate_fails(-errno.ENODEV)
    run.until_target()
    run.verify()
    run.balance("failed again", leak)
