"""A balloon so tight that there is no memory for the image."""

import errno

from hv import board
from hv.scenario import RAM, Carrier, World, scenario

TOUCHED = 5000


@scenario(carriers=(Carrier.SWAP,))
def image_memory_short(world: World) -> None:
    """Image memory is allocated before the balloon deflates, so a tight balloon fails the hibernation.

    This is so in Linux too, in every era: preallocation comes before freeze(). The host that lets the
    balloon go gets its hibernation.
    """
    tight = RAM // board.PAGE_SIZE - TOUCHED - 2500
    run = world.start(touch=TOUCHED, target=tight)
    run.hibernate_fails(-errno.ENOMEM)
    world.check(run.said("Not enough free memory"), "the guest does not say what is missing")
    run.until_target()
    world.figure("pages_moved_for_nothing", run.balloon.counters.deflated_pages, expected=0)
    run.verify()
    run.balance("thawed")
    run.set_target(0)
    run.until_target()
    run.hibernate()
    woken = world.next()
    woken.verify()
    woken.balance("resumed")
