"""P2."""

import numpy as np

from hv import board
from hv.scenario import Carrier, Run, World, scenario

TARGET = 4000


@scenario(promise="P2", carriers=(Carrier.HOST,))
def given_pages_are_gone(world: World) -> None:
    """What was in a page when the guest gave it away is in no image, and in no machine that resumes.

    > Any pages that were passed on to the
    > host earlier would most likely be invalid
    """
    run = world.boot()
    run.touch(TARGET + 4000)  # the balloon takes pages that held something
    run.release()
    run.touch(2000)
    run.set_target(TARGET)
    run.until_target()
    run.balance("inflated")
    given = run.balloon.ballooned.copy()
    world.figure("given_pages", int(given.sum()), expected=TARGET)
    world.figure("given_pages_that_hold_something", _with_contents(run, given), expected=0)
    run.hibernate()

    woken = world.power_on()
    if not world.era.deflates_at_freeze:
        world.figure("given_pages_in_the_image", _with_contents(woken, given), expected=0)
    woken.until_resumed()
    woken.until_target()
    woken.verify()
    woken.balance("resumed", leak=TARGET if world.era.leaks else 0)


def _with_contents(run: Run, pages: np.ndarray) -> int:
    """Count the pages of a set that are not all zero."""
    ram = run.machine.memory.ram.reshape(-1, board.PAGE_SIZE)
    return int(np.count_nonzero(ram[pages].any(axis=1)))
