"""A disk's recording: what it says a power cut leaves is what a disk whose power goes there has."""

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from devices.virtio.backends import SECTOR_SIZE, PowerCutBackend
from hv.scenario.recording import Kept, Recording

SECTORS = 12
BEFORE = b"".join(bytes([200 + sector]) * SECTOR_SIZE for sector in range(SECTORS))

Operation = tuple[int, int] | None
"""First sector and number of sectors of a write; None for a flush."""

writes = st.integers(0, SECTORS - 1).flatmap(
    lambda first: st.tuples(st.just(first), st.integers(1, SECTORS - first))
)
histories = st.lists(writes | st.none(), max_size=8)


def contents(number: int, sectors: int) -> bytes:
    """What operation `number` writes."""
    return bytes([number]) * (sectors * SECTOR_SIZE)


def play(disk: PowerCutBackend, history: Sequence[Operation]) -> None:
    """Carry out operations."""
    for number, operation in enumerate(history):
        if operation is None:
            disk.flush()
        else:
            disk.write(operation[0] * SECTOR_SIZE, [memoryview(contents(number, operation[1]))])


def recorded(history: Sequence[Operation]) -> Recording:
    """Record operations on a disk without power cuts."""
    disk = PowerCutBackend(BEFORE)
    play(disk, history)
    return Recording(BEFORE, disk.history)


@given(histories)
def test_a_recording_says_what_a_power_cut_at_an_operation_leaves(history: Sequence[Operation]) -> None:
    """At every operation, and after all, with the cache dropped or kept, the disks are equal."""
    recording = recorded(history)
    for done, cut in enumerate([*recording.operations, recording.last]):
        disk = PowerCutBackend(BEFORE)
        play(disk, history[:done])
        for kept, lucky in {Kept.DROPPED: (), Kept.KEPT: range(len(disk.unflushed))}.items():
            left = recording.medium(recording.survivors(cut, kept, seed=0))
            assert left == disk.after_power_cut(lucky)


@given(histories, st.integers(0, 3))
def test_a_sector_is_written_whole_or_not_at_all(history: Sequence[Operation], seed: int) -> None:
    """Wherever the cut, a sector has what was there at the last flush or what was written since."""
    recording = recorded(history)
    for cut in range(1, recording.last + 1):
        flushed = recording.medium(recording.survivors(cut, Kept.DROPPED, seed))
        left = recording.medium(recording.survivors(cut, Kept.REORDERED, seed))
        for at in range(0, len(BEFORE), SECTOR_SIZE):
            since = recording.steps[recording.survivors(cut, Kept.DROPPED, seed).flushed : cut - 1]
            possible = {flushed[at : at + SECTOR_SIZE]} | {
                step[1] for step in since if step is not None and step[0] == at
            }
            assert left[at : at + SECTOR_SIZE] in possible


@given(histories, st.integers(1, 20))
def test_a_stride_leaves_no_operation_out(history: Sequence[Operation], every: int) -> None:
    """Cut points come before every operation and at the end, with at most a stride between two."""
    recording = recorded(history)
    cuts = recording.cuts(every)
    assert {*recording.operations, recording.last} <= set(cuts)
    assert all(later - earlier <= every for earlier, later in pairwise(cuts))
