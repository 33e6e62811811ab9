"""A guest without a disk."""

import errno

from hv.scenario import GUESTS, Carrier, World, scenario

TARGET = 4000


@scenario(carriers=(Carrier.SWAP,), guests=GUESTS)
def no_swap(world: World) -> None:
    """A machine without a disk refuses to hibernate to swap; nothing is lost, and it can try for ever."""
    world.disk = None
    run = world.start(touch=2000, target=TARGET)
    for attempt in (1, 2, 3):
        run.hibernate_fails(-errno.ENODEV)
        run.until_target()
        run.verify()
        run.balance(f"attempt {attempt}")
