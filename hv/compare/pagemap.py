"""Who has each page of RAM at one moment, as both sides' books have it."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from devices.memory import Pages
from hv.guestpages import GuestPages, Vmcoreinfo, reachable_pages, snapshot_pages
from hv.machine import Machine
from hv.symbols import Symbols


class Owner(IntEnum):
    """Who has a page; where several hold, the last."""

    FIRMWARE = 0  # not the kernel's to manage
    FREE = 1
    KERNEL = 2  # its image, its tables, what it has allocated
    TOUCHED = 3  # filled by the workload
    BALLOON = 4  # offline in the guest, ballooned on the host
    STALE = 5  # offline in the guest, and no host has it
    LEAKED = 6  # in use, and no pointer leads to it
    DOUBLE = 7  # ballooned on the host, and the guest takes it for its own


class Run(NamedTuple):
    """Pages next to each other that are alike.

    Attributes:
        pages: how many.
        owner: whose, as a number of `Owner`.
        backed: whether the host holds memory for them.
    """

    pages: int
    owner: int
    backed: bool


@dataclass(frozen=True)
class PageMap:
    """All of RAM at one moment.

    Attributes:
        phase: of the workload.
        ns: virtual time of the machine.
        runs: RAM in order of addresses.
    """

    phase: str
    ns: int
    runs: tuple[Run, ...]

    def count(self, *owners: Owner) -> int:
        """How many pages some owners have."""
        return sum(run.pages for run in self.runs if run.owner in owners)

    @classmethod
    def take(cls, phase: str, machine: Machine, symbols: Symbols) -> "PageMap":
        """Look at a machine that stands still.

        Args:
            phase: what to call the moment.
            machine: one with a balloon.
            symbols: of its kernel.

        Raises:
            BooksError: the guest's books make no sense.
        """
        info = Vmcoreinfo(machine.memory, symbols)
        books = GuestPages.read(info)
        ballooned = _ballooned(machine)
        owner = np.full(len(ballooned), Owner.FIRMWARE, np.uint8)
        owner[books.ram] = Owner.KERNEL
        owner[books.free] = Owner.FREE
        owner[books.touched] = Owner.TOUCHED
        owner[books.offline] = np.where(ballooned[books.offline], Owner.BALLOON, Owner.STALE)
        owner[books.used & ~_known(machine, symbols, info, books)] = Owner.LEAKED
        owner[ballooned & ~books.offline] = Owner.DOUBLE
        return cls(phase, machine.now_ns, tuple(_runs(owner, machine.memory.held())))


def double_owned(machine: Machine, symbols: Symbols, ballooned: Pages | None = None) -> int:
    """Count the pages that the guest takes for its own and the host has.

    Args:
        machine: one with a balloon.
        symbols: of its kernel.
        ballooned: what the host has; None for what its device knows.

    Raises:
        BooksError: the guest's books make no sense.
    """
    host = _ballooned(machine) if ballooned is None else ballooned
    offline = GuestPages.read(Vmcoreinfo(machine.memory, symbols)).offline
    return int(np.count_nonzero(host & ~offline))


def _known(machine: Machine, symbols: Symbols, info: Vmcoreinfo, books: GuestPages) -> Pages:
    """The pages that a pointer leads to, or that the kernel's snapshot consists of."""
    registers = np.array([machine.hart.x(i) for i in range(32)], np.uint64).view(np.int64)
    known = reachable_pages(info, books, registers)
    _, copies = snapshot_pages(info, symbols)
    return known if copies is None else known | copies


def _ballooned(machine: Machine) -> Pages:
    assert machine.balloon is not None, "the comparison is of balloons"
    return machine.balloon.ballooned


def _runs(owner: np.ndarray[tuple[int], np.dtype[np.uint8]], backed: Pages) -> Iterator[Run]:
    kind = owner.astype(np.int64) * 2 + backed
    starts = np.flatnonzero(np.diff(kind, prepend=-1))
    lengths = np.diff(starts, append=len(kind))
    for value, length in zip(kind[starts].tolist(), lengths.tolist(), strict=True):
        yield Run(length, value // 2, bool(value % 2))
