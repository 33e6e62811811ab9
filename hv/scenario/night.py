"""A small guest that sleeps twice over the same disk, the second time recorded."""

from typing import NamedTuple

from hv import board
from hv.scenario.nextboot import Sleeper
from hv.scenario.recording import Recording
from hv.scenario.run import Run
from hv.scenario.world import World

RAM = 32 * board.MIB
DISK = 2 * board.MIB
TOUCHED = 64, 96
"""Pages that the guest has touched in its first sleep, and in its second."""
TARGET = 256


class Night(NamedTuple):
    """A hibernation and the resume after it, recorded.

    Attributes:
        recording: of the disk, which held an older image of the same guest.
        asleep: the cut point when the machine was off.
        sleeper: who must wake up.
        skip: operations of the disk in the machine that hibernates, before the recording begins.
    """

    recording: Recording
    asleep: int
    sleeper: Sleeper
    skip: int


def second_evening(world: World, cut_at: int | None = None) -> Run:
    """Bring a guest that has slept once before the second time."""
    world.ram, world.disk, world.target = RAM, bytes(DISK), 0
    world.start(touch=TOUCHED[0], target=TARGET).hibernate()
    run = world.next(cut_at)
    run.until_target()
    run.release()
    run.touch(TOUCHED[1])
    return run


def record(world: World) -> Night:
    """Record a guest's second hibernation, and its resume. All machines are off then."""
    run = second_evening(world)
    disk = run.disk
    assert disk is not None
    before, skip = bytes(disk.data), disk.operations
    run.hibernate()
    history = disk.history[skip:]
    woken = world.next()
    assert woken.disk is not None
    woken.cut_power()
    recording = Recording(before, [*history, *woken.disk.history])
    sleeper = Sleeper.of(world, leak=2 * TARGET if world.era.leaks else 0)
    return Night(recording, Recording(before, history).last, sleeper, skip)
