"""Contests: the same work done by several contestants in turn, and the medians of what each of them took.

Machines are noisy, so contestants alternate, and each round turns their order around: whatever slows the host
down for a while slows all of them down. Only figures of one run are compared.
"""

import shutil
import statistics
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from hv.qemu.process import BINARY

HERE = "here"
QEMU = "QEMU"

QEMU_INSTALLED = shutil.which(BINARY) is not None

Figures = Mapping[str, float]
"""Figures by quantity, in the quantity's unit."""

Contestant = Callable[[], Figures]

Medians = Mapping[str, Figures]
"""Median figures by contestant."""


class Floor(Protocol):
    """What a quantity must reach."""

    def met(self, quantity: "Quantity", medians: Medians) -> bool | None:
        """Return whether it does; None when that cannot be said, as the peer is missing."""

    def __str__(self) -> str: ...


@dataclass(frozen=True)
class Quantity:
    """One line of a contest.

    Attributes:
        name: what is measured.
        unit: its unit.
        more_is_better: true for rates, false for times.
        floor: what must be reached here, or None.
    """

    name: str
    unit: str
    more_is_better: bool = False
    floor: Floor | None = None

    def times_as_good(self, medians: Medians, peer: str) -> float | None:
        """Return how many times as fast we are as a peer; None when one of the figures is missing."""
        ours, theirs = (medians.get(name, {}).get(self.name) for name in (HERE, peer))
        if ours is None or theirs is None:
            return None
        return ours / theirs if self.more_is_better else theirs / ours


@dataclass(frozen=True)
class AtLeast:
    """A floor: at least `times` as fast as `peer`."""

    times: float
    peer: str = QEMU

    def met(self, quantity: Quantity, medians: Medians) -> bool | None:
        """Compare the medians of this run."""
        ratio = quantity.times_as_good(medians, self.peer)
        return None if ratio is None else ratio >= self.times

    def __str__(self) -> str:
        return f"{self.times:.3g} x {self.peer}"


@dataclass(frozen=True)
class Below:
    """A floor: less than `limit`, in the quantity's unit."""

    limit: float

    def met(self, quantity: Quantity, medians: Medians) -> bool | None:
        """Compare our median."""
        return medians[HERE][quantity.name] < self.limit

    def __str__(self) -> str:
        return f"below {self.limit:g}"


@dataclass(frozen=True)
class Above:
    """A floor: more than `limit`, in the quantity's unit."""

    limit: float

    def met(self, quantity: Quantity, medians: Medians) -> bool | None:
        """Compare our median."""
        return medians[HERE][quantity.name] > self.limit

    def __str__(self) -> str:
        return f"above {self.limit:g}"


@dataclass(frozen=True)
class Contest:
    """The same work by several contestants.

    Attributes:
        title: what it is about, with its conditions.
        quantities: its lines.
        contestants: by name, `HERE` first and then the peer that the ratio is about; None: not installed.
        rounds: how often each of them does the work.
    """

    title: str
    quantities: tuple[Quantity, ...]
    contestants: Mapping[str, Contestant | None]
    rounds: int

    def run(self) -> Medians:
        """Let the contestants work in turn; return their medians."""
        taken: dict[str, dict[str, list[float]]] = {}
        order = [(name, work) for name, work in self.contestants.items() if work is not None]
        for _ in range(self.rounds):
            for name, work in order:
                figures = taken.setdefault(name, defaultdict(list))
                for quantity, figure in work().items():
                    figures[quantity].append(figure)
            order.reverse()
        return {
            name: {quantity: statistics.median(row) for quantity, row in figures.items()}
            for name, figures in taken.items()
        }


def with_qemu(work: Contestant) -> Contestant | None:
    """Return a contestant that needs QEMU, or None when it is not installed."""
    return work if QEMU_INSTALLED else None
