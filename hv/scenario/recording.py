"""What a disk went through, and every disk that a power cut on the way could have left.

A power cut comes between two sectors: a disk writes a sector whole or not at all, but a request of many may
be cut anywhere. What was written since the last flush may survive, or not, each sector for itself: a disk
with a volatile cache promises no more (spec: virtio 1.4, "Block Device", VIRTIO_BLK_T_FLUSH).

A machine's instructions do not depend on a power cut that has not come yet, so one recording of a run without
any stands for all runs with one.
"""

import random
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import NamedTuple

from devices.virtio.backends import SECTOR_SIZE


class Kept(Enum):
    """What a disk's cache had brought to the medium when the power went."""

    DROPPED = "dropped"  # nothing since the last flush
    KEPT = "kept"  # everything so far
    REORDERED = "reordered"  # any of the sectors, by lot


class Survivors(NamedTuple):
    """The sectors that outlived a power cut; equal ones make equal disks.

    Attributes:
        flushed: steps that are on the medium for certain.
        lucky: of the steps after those, which are too: bit n for the n-th.
    """

    flushed: int
    lucky: int


class Recording:
    """A disk and what was done to it, sector by sector.

    Args:
        before: its contents at first, all flushed.
        history: writes (offset, data), and flushes (None), in order.

    Attributes:
        before: as given.
        operations: for each write and flush, the cut point before it.
        steps: one for each sector written, (offset, contents), and None for each flush. Cut point n, from 1,
            is the moment before step n; the last one is after all of them.
    """

    def __init__(self, before: bytes, history: Iterable[tuple[int, bytes] | None]) -> None:
        self.before = before
        self.steps: list[tuple[int, bytes] | None] = []
        self.operations: list[int] = []
        for operation in history:
            self.operations.append(len(self.steps) + 1)
            self.steps += [None] if operation is None else _sectors(*operation)

    @property
    def last(self) -> int:
        """The last cut point."""
        return len(self.steps) + 1

    def cuts(self, every: int) -> Sequence[int]:
        """Choose cut points: those before an operation, the last, and in long writes some between.

        Args:
            every: sectors from one to the next; 1 for all there are.
        """
        return sorted({*self.operations, *range(1, self.last, every), self.last})

    def survivors(self, cut: int, kept: Kept, seed: int) -> Survivors:
        """Say what a power cut leaves.

        Args:
            cut: the cut point.
            kept: what becomes of the cache.
            seed: of the lots that REORDERED draws, together with the cut point.
        """
        done = cut - 1
        flushed = next((step + 1 for step in reversed(range(done)) if self.steps[step] is None), 0)
        unflushed = done - flushed
        lucky = {
            Kept.DROPPED: 0,
            Kept.KEPT: (1 << unflushed) - 1,
            Kept.REORDERED: random.Random(f"{seed} {cut}").getrandbits(unflushed),
        }
        return Survivors(flushed, lucky[kept])

    def medium(self, survivors: Survivors) -> bytes:
        """Return the contents of the disk that a power cut left."""
        disk = bytearray(self.before)
        for number, step in enumerate(self.steps):
            late = number - survivors.flushed
            if step is not None and (late < 0 or survivors.lucky >> late & 1):
                offset, data = step
                disk[offset : offset + SECTOR_SIZE] = data
        return bytes(disk)

    def describe(self, cut: int) -> str:
        """Say where a cut point is."""
        if cut == self.last:
            return "after everything"
        step = self.steps[cut - 1]
        return "before a flush" if step is None else f"before sector {step[0] // SECTOR_SIZE} is written"


def _sectors(offset: int, data: bytes) -> list[tuple[int, bytes] | None]:
    return [(offset + at, data[at : at + SECTOR_SIZE]) for at in range(0, len(data), SECTOR_SIZE)]
