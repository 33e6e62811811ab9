"""A power cut at every write and every flush of a hibernation, and of the resume after it."""

from functools import partial

from hv.scenario import Carrier, Case, World, scenario
from hv.scenario.nextboot import Boot, Verdict, boot_all, tell
from hv.scenario.night import Night, record, second_evening
from hv.scenario.recording import Kept, Survivors

STRIDE = 128

OPTIONS = {"cut": "one cut point only", "kept": "dropped, kept or reordered: one fate of the cache only"}
SWEPT = ("e0", "e4", "discard")
"""Eras of all three kinds: stay inflated, deflate at freeze, discard."""


@scenario(carriers=(Carrier.SWAP,), eras=SWEPT, options=OPTIONS)
def power_cut(world: World) -> None:
    """The power goes at each write and flush, and at many sectors between: resumed or fresh, never wrong."""
    sweep(world, record(world), STRIDE)


@scenario(carriers=(Carrier.SWAP,), eras=SWEPT, options=OPTIONS, campaign=True)
def power_cut_everywhere(world: World) -> None:
    """The power goes before every single sector and flush: resumed or fresh, never wrong."""
    sweep(world, record(world), 1)


@scenario(carriers=(Carrier.SWAP,), eras=SWEPT)
def power_cut_for_real(world: World) -> None:
    """A machine whose power really goes at an operation leaves the disk that the recording predicts."""
    night = record(world)
    recording = night.recording
    cuts = [cut for cut in recording.operations if cut < night.asleep]
    for number, cut in enumerate(cuts, 1):
        run = second_evening(world, cut_at=night.skip + number)
        run.start_hibernation()
        run.until_off()
        assert run.disk is not None
        for kept, lucky in {Kept.DROPPED: (), Kept.KEPT: range(len(run.disk.unflushed))}.items():
            same = run.disk.after_power_cut(lucky) == recording.medium(recording.survivors(cut, kept, 0))
            world.check(same, f"cut point {cut}, {kept.value}: the machine leaves another disk")
    world.figure("machines_cut", len(cuts))


def sweep(world: World, night: Night, every: int) -> None:
    """Cut the power of a recorded night and boot what each cut leaves.

    Args:
        world: where to tell; its options choose among the cut points.
        night: what is cut.
        every: see `Recording.cuts`.
    """
    recording = night.recording
    only = world.number("cut", recording.last)
    cuts = recording.cuts(every) if only is None else [only]
    fates = world.choice("kept", [kept.value for kept in Kept])
    points = [(cut, Kept(kept)) for cut in cuts for kept in fates]
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
