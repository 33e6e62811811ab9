"""An I/O error at each write and flush of a hibernation."""

import errno

from hv import board
from hv.scenario import Carrier, Run, World, scenario
from hv.scenario.nextboot import Sleeper, Verdict

RAM = 32 * board.MIB
DISK = 8 * board.MIB
TOUCHED = 200
TARGET = 1000


@scenario(carriers=(Carrier.SWAP,))
def block_error(world: World) -> None:
    """Each write and flush fails in turn: the guest thaws, can sleep later, and what failed never resumes."""
    run = _evening(world)
    assert run.disk is not None
    before = run.disk.operations
    run.hibernate()
    operations = run.disk.operations - before
    for number in range(1, operations + 1):
        run = _evening(world, before + number)
        run.hibernate_fails(-errno.EIO)
        run.until_target()
        run.verify()
        run.balance(f"operation {number} failed")
        _power_cut_in_a_later_life(world, run, number)
        run.hibernate()
        woken = world.next()
        woken.until_target()
        woken.verify()
        woken.balance(f"resumed after operation {number} had failed", TARGET if world.era.leaks else 0)
        woken.cut_power()
    world.figure("operations_failed", operations)


def _evening(world: World, fail_at: int | None = None) -> Run:
    world.ram, world.disk, world.target = RAM, bytes(DISK), 0
    return world.start(TOUCHED, TARGET, () if fail_at is None else (fail_at,))


def _power_cut_in_a_later_life(world: World, run: Run, number: int) -> None:
    """What failed must not be resumed: the guest has lived on since."""
    assert run.disk is not None
    run.touch(TOUCHED)
    sleeper = Sleeper.of(world, leak=0)
    for lucky in ((), range(len(run.disk.unflushed))):
        boot = sleeper.boot(run.disk.after_power_cut(lucky))
        fresh = boot.verdict is Verdict.FRESH
        world.check(fresh, f"operation {number} failed, then a power cut: {boot.verdict.value} {boot.text}")
