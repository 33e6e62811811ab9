"""A power cut at every write and every flush of a hibernation, and of the resume after it."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from hv import board
from hv.errors import ConfigError
from hv.scenario import Carrier, Case, Run, World, scenario
from hv.scenario.nextboot import Boot, Sleeper, Verdict, boot_all, tell
from hv.scenario.recording import Kept, Recording, Survivors

RAM = 32 * board.MIB
DISK = 8 * board.MIB
TOUCHED = 64, 96
"""Pages that the guest has touched in its first sleep, and in its second."""
TARGET = 256
STRIDE = 128

OPTIONS = {"cut": "one cut point only", "kept": "dropped, kept or reordered: one fate of the cache only"}
SWEPT = ("e0", "e4", "discard")
"""Eras of all three kinds: stay inflated, deflate at freeze, discard."""


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


@scenario(carriers=(Carrier.SWAP,), eras=SWEPT, options=OPTIONS)
def power_cut(world: World) -> None:
    """The power goes at each write and flush, and at many sectors between: resumed or fresh, never wrong."""
    _sweep(world, STRIDE)


@scenario(carriers=(Carrier.SWAP,), eras=SWEPT, options=OPTIONS, campaign=True)
def power_cut_everywhere(world: World) -> None:
    """The power goes before every single sector and flush: resumed or fresh, never wrong."""
    _sweep(world, 1)


@scenario(carriers=(Carrier.SWAP,), eras=SWEPT)
def power_cut_for_real(world: World) -> None:
    """A machine whose power really goes at an operation leaves the disk that the recording predicts."""
    night = _record(world)
    world.runs[-1].cut_power()
    recording = night.recording
    cuts = [cut for cut in recording.operations if cut < night.asleep]
    for number, cut in enumerate(cuts, 1):
        run = _second_evening(world, cut_at=night.skip + number)
        run.start_hibernation()
        run.until_off()
        assert run.disk is not None
        for kept, lucky in {Kept.DROPPED: (), Kept.KEPT: range(len(run.disk.unflushed))}.items():
            same = run.disk.after_power_cut(lucky) == recording.medium(recording.survivors(cut, kept, 0))
            world.check(same, f"cut point {cut}, {kept.value}: the machine leaves another disk")
    world.figure("machines_cut", len(cuts))


def _second_evening(world: World, cut_at: int | None = None) -> Run:
    """Bring a guest that has slept once before the second time."""
    world.ram, world.disk, world.target = RAM, bytes(DISK), 0
    world.start(touch=TOUCHED[0], target=TARGET).hibernate()
    run = world.next(cut_at)
    run.until_target()
    run.release()
    run.touch(TOUCHED[1])
    return run


def _record(world: World) -> Night:
    """Record a guest's second hibernation, and its resume."""
    run = _second_evening(world)
    disk = run.disk
    assert disk is not None
    before, skip = bytes(disk.data), disk.operations
    run.hibernate()
    history = disk.history[skip:]
    woken = world.next()
    assert woken.disk is not None
    recording = Recording(before, [*history, *woken.disk.history])
    sleeper = Sleeper.of(world, leak=2 * TARGET if world.era.leaks else 0)
    return Night(recording, Recording(before, history).last, sleeper, skip)


def _sweep(world: World, every: int) -> None:
    night = _record(world)
    world.runs[-1].cut_power()
    recording = night.recording
    cuts = _chosen(world, recording, every)
    points = [(cut, kept) for cut in cuts for kept in _fates(world)]
    left = [recording.survivors(cut, kept, world.seed) for cut, kept in points]
    disks = list(dict.fromkeys(left))
    boots = dict(zip(disks, boot_all(partial(_boot, night), disks, world.jobs), strict=True))
    world.figure("disk_operations", len(recording.operations))
    tell(world, "cut_points", [boots[survivors] for survivors in left])
    world.figure("different_disks", len(disks))
    for (cut, kept), survivors in zip(points, left, strict=True):
        wrong = _wrong(night, cut, boots[survivors])
        if wrong:
            world.find(f"power cut {recording.describe(cut)}: {wrong}; replay: {_command(world, cut, kept)}")


def _chosen(world: World, recording: Recording, every: int) -> Sequence[int]:
    if "cut" not in world.settings:
        return recording.cuts(every)
    cut = world.number("cut", 1)
    if cut > recording.last:
        raise ConfigError(f"--set cut={cut}: the last cut point is {recording.last}")
    return [cut]


def _fates(world: World) -> Sequence[Kept]:
    wanted = world.settings.get("kept")
    fates = [kept for kept in Kept if wanted in (None, kept.value)]
    if not fates:
        raise ConfigError(f"--set kept={wanted}: give one of {', '.join(kept.value for kept in Kept)}")
    return fates


def _boot(night: Night, survivors: Survivors) -> Boot:
    return night.sleeper.boot(night.recording.medium(survivors))


def _wrong(night: Night, cut: int, boot: Boot) -> str:
    """Say what is wrong with a boot; empty when nothing is.

    Before the first write there is no image; a machine that is off has one for certain; and one that
    runs again is in none.
    """
    certain = {1: Verdict.FRESH, night.asleep: Verdict.RESUMED, night.recording.last: Verdict.FRESH}
    if boot.verdict in (certain.get(cut, boot.verdict), Verdict.WRONG):
        return boot.text
    return f"{boot.verdict.value} instead of {certain[cut].value}"


def _command(world: World, cut: int, kept: Kept) -> str:
    settings = (("cut", str(cut)), ("kept", kept.value))
    return Case(__name__, "power-cut", world.era.name, world.carrier, world.seed, settings).command
