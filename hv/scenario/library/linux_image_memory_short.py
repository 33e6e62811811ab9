"""A balloon so tight that Linux has no memory for its image."""

import errno

from hv import board
from hv.scenario import LinuxGuest, World, scenario

RAM = 256 * board.MIB
TARGET = RAM // board.PAGE_SIZE // 2


@scenario(guests=("linux",), eras=LinuxGuest.eras, carriers=LinuxGuest.carriers)
def linux_image_memory_short(world: World) -> None:
    """Image memory is allocated before the balloon deflates: half of 256 MiB ballooned is too tight.

    The hibernation fails before any device is frozen, so the balloon keeps every page. Once the host lets
    the balloon go, the same guest hibernates.
    """
    world.ram, world.disk = RAM, bytes(RAM // 2 + board.MIB)
    run = world.start(touch=1000, target=TARGET)
    run.hibernate_fails(-errno.ENOMEM)
    world.check(run.said("Image allocation is"), "the guest does not say how many pages are missing")
    world.figure("pages_moved_for_nothing", run.balloon.counters.deflated_pages, expected=0)
    world.figure("ballooned", int(run.balloon.ballooned.sum()), expected=TARGET)
    run.verify()
    run.balance("failed")
    run.set_target(0)
    run.until_target()
    run.hibernate()
    woken = world.next()
    woken.verify()
    woken.balance("resumed")
