"""What a driver fills its pages with (spec: balloon, "Page Poison").

When the guest first writes to a page that it has got back, that write is seen before it happens. Whether it
was the poison shows at the next look: a driver fills the page before it does anything else.
"""

from collections.abc import Mapping
from typing import ClassVar

from devices.memory import PAGE_SIZE
from devices.virtio.balloon.features import BalloonQueue
from devices.virtio.constants import (
    VIRTIO_BALLOON_F_PAGE_POISON,
    VIRTIO_CONFIG_S_DRIVER_OK,
    VIRTIO_MMIO_STATUS,
)
from hv.cpu.watch import AccessKind
from hv.monitor.balloonqueues import ACTUAL, POISON_VAL, BalloonArea
from hv.monitor.conduct import Conduct
from hv.monitor.pages import named_pages
from hv.monitor.ring import Chain, Ring
from hv.monitor.verdicts import Book


class Poison(BalloonArea):
    """poison_val, and the pages that it is for."""

    CLAUSES: ClassVar[Mapping[str, str]] = {
        "C223": "a driver that accepts PAGE_POISON writes poison_val to deflated pages before anything else",
        "C278": "the first that is written to a deflated page is poison_val",
        "C279": "poison_val is written to the configuration before DRIVER_OK",
        "C280": "poison_val is not written while DRIVER_OK is set",
    }

    def __init__(self, conduct: Conduct, book: Book) -> None:
        super().__init__(conduct, book)
        self._value: int | None = None
        self._deflated: set[int] = set()
        self._filling: set[int] = set()

    def read(self, offset: int, size: int, value: int) -> None:
        """Look at what has been filled."""
        self._look()

    def wrote(self, offset: int, size: int, value: int) -> None:
        """Judge when poison_val is written."""
        self._look()
        if not self.is_balloon or not self.conduct.negotiated(VIRTIO_BALLOON_F_PAGE_POISON):
            return
        if offset == POISON_VAL:
            self._value = value
            if self.conduct.status & VIRTIO_CONFIG_S_DRIVER_OK:
                self.judge("C280", False, f"changed poison_val to {value:#x} while DRIVER_OK is set")
        elif offset == ACTUAL:
            self.exercised("C280")
        elif offset == VIRTIO_MMIO_STATUS and value & ~self.conduct.status & VIRTIO_CONFIG_S_DRIVER_OK:
            known = self._value is not None or self.conduct.suspending
            self.judge("C279", known, "set DRIVER_OK without poison_val")

    def reset(self) -> None:
        """All begins anew."""
        super().reset()
        self._value = None
        self._deflated.clear()
        self._filling.clear()

    def acknowledged(self, role: BalloonQueue, ring: Ring, chain: Chain) -> None:
        """Deflated pages are the driver's to fill, unless the poison is what they hold anyhow."""
        if role is BalloonQueue.DEFLATE and self._value:
            self._deflated.update(named_pages(chain, self.conduct.memory).tolist())

    def used(self, page: int, kind: AccessKind) -> None:
        """Note the first access of the guest to a page that was in the balloon."""
        if page in self._deflated and kind is AccessKind.STORE:
            self._deflated.discard(page)
            self._filling.add(page)

    def _look(self) -> None:
        """Judge the pages whose first write came since the last look."""
        if not self._filling:
            return
        memory = self.conduct.memory
        poison = (self._value or 0).to_bytes(4, "little")
        for page in sorted(self._filling):
            first = memory.read(memory.base + page * PAGE_SIZE, len(poison))
            for clause in ("C223", "C278"):
                self.judge(clause, first == poison, f"wrote {first.hex()} to deflated page {page}")
        self._filling.clear()
