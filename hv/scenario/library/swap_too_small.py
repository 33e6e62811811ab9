"""A swap area that cannot hold the image."""

import errno

from hv import board
from hv.scenario import Carrier, World, scenario

TARGET = 4000


@scenario(carriers=(Carrier.SWAP,))
def swap_too_small(world: World) -> None:
    """The image does not fit: the hibernation fails, nothing is lost, and a smaller image fits afterwards."""
    world.disk = bytes(8 * board.MIB)
    run = world.start(touch=3000, target=TARGET)
    run.hibernate_fails(-errno.ENOSPC)
    world.check(run.said("Not enough free swap"), "the guest does not say what is missing")
    run.until_target()
    run.verify()
    run.balance("thawed")
    run.release()
    run.hibernate()
    world.next().verify()
