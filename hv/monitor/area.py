"""What the rules of one area have in common.

An area judges one driver at one slot. It is told of each access before `Conduct` has taken it in, so the
conduct is still what it was when the driver decided; the device has already seen the access. What is in the
rings is told before the access that let the monitor look.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from devices.virtio.constants import VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INTERRUPT_STATUS
from hv.monitor.conduct import Conduct
from hv.monitor.ring import Chain, Ring
from hv.monitor.verdicts import Book

LATE_NS = 100_000_000
"""Virtual time after which something that a driver owes is missing: a guest has long been idle by then."""

PATIENCE_NS = 120_000_000_000
"""Virtual time for what a driver owes once its threads run; in a hibernation they may be frozen for long."""

AT_ANY_TIME = frozenset({VIRTIO_MMIO_INTERRUPT_STATUS, VIRTIO_MMIO_INTERRUPT_ACK})
"""Registers that an interrupt handler accesses in the middle of anything."""


@dataclass(frozen=True)
class _Debt:
    since_ns: int
    within_ns: int
    detail: str


class Area:
    """Rules of one area for one driver.

    Attributes:
        CLAUSES: the clauses that it judges, and how each is seen.
    """

    CLAUSES: ClassVar[Mapping[str, str]] = {}

    def __init__(self, conduct: Conduct, book: Book) -> None:
        self.conduct = conduct
        self._book = book
        self._debts: dict[tuple[str, int], _Debt] = {}

    def judge(self, clause: str, kept: bool, detail: str) -> None:
        """Enter a verdict on a clause of this area."""
        assert clause in self.CLAUSES, clause
        self._book.judge(clause, self.conduct.name, kept, detail)

    def exercised(self, clause: str) -> None:
        """Enter that the driver made use of what a clause allows."""
        self.judge(clause, True, "")

    @property
    def now(self) -> int:
        """Virtual time, ns."""
        return self._book.now()

    # What a driver owes.

    def owe(self, clause: str, detail: str, key: int = 0, within_ns: int = LATE_NS) -> None:
        """Note that a clause wants something of the driver from now on; `detail` says what it is missing."""
        self._debts.setdefault((clause, key), _Debt(self.now, within_ns, detail))

    def paid(self, clause: str, key: int = 0) -> None:
        """Note that the driver has done it; nothing when it owed nothing."""
        debt = self._debts.pop((clause, key), None)
        if debt is not None:
            self._judge_delay(clause, debt)

    def forgive(self, clause: str, key: int = 0) -> None:
        """Note that it is not owed any more."""
        self._debts.pop((clause, key), None)

    def settle(self) -> None:
        """Judge what is overdue."""
        for (clause, key), debt in list(self._debts.items()):
            if self.now - debt.since_ns > debt.within_ns:
                del self._debts[clause, key]
                self._judge_delay(clause, debt)

    def _judge_delay(self, clause: str, debt: _Debt) -> None:
        waited = self.now - debt.since_ns
        self.judge(clause, waited <= debt.within_ns, f"{debt.detail}, for {waited / 1e6:.0f} ms")

    # What an area is told.

    def read(self, offset: int, size: int, value: int) -> None:
        """The driver has read a register, or of the configuration space."""

    def wrote(self, offset: int, size: int, value: int) -> None:
        """The driver has written to a register, or to the configuration space."""

    def reset(self) -> None:
        """The device was reset: the driver begins anew, and owes nothing."""
        self._debts.clear()

    def began(self, ring: Ring) -> None:
        """The device may use a ring from now on."""

    def ended(self, ring: Ring, how: str) -> None:
        """It may not any more: `how` is "reset", "queue reset" or "not ready"."""

    def fell(self, ring: Ring) -> None:
        """The available index moved in a way that no new chains explain."""

    def appeared(self, ring: Ring, chain: Chain) -> None:
        """The driver has made a chain available."""

    def taken(self, ring: Ring) -> None:
        """The device is about to handle what is in a ring."""

    def returned(self, ring: Ring, chain: Chain) -> None:
        """The device has given a chain back."""

    def looked(self, ring: Ring) -> None:
        """A ring was looked at, and all that was new was told."""
