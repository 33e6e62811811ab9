"""What a driver says of its free pages by itself (spec: balloon, "Free Page Reporting")."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from devices.memory import PAGE_SIZE
from devices.virtio.balloon.features import BalloonQueue
from devices.virtio.constants import (
    VIRTIO_BALLOON_F_PAGE_POISON,
    VIRTIO_BALLOON_F_REPORTING,
    VIRTIO_CONFIG_S_DRIVER_OK,
)
from hv.cpu.watch import AccessKind
from hv.monitor.balloonqueues import POISON_VAL, BalloonArea
from hv.monitor.conduct import Conduct
from hv.monitor.ring import Chain, Descriptor, Ring
from hv.monitor.verdicts import Book


class Reporting(BalloonArea):
    """Reports, and the pages in them."""

    CLAUSES: ClassVar[Mapping[str, str]] = {
        "C224": "with PAGE_REPORTING and without PAGE_POISON no page is read that may have lost its contents",
        "C282": "without PAGE_POISON no reported page is read before it was written to",
        "C283": "with PAGE_POISON reported pages are filled with poison_val",
        "C284": "no page is used from the report until that is acknowledged",
        "C285": "pages are reported after DRIVER_OK",
        "C286": "pages are not reported one by one",
    }

    def __init__(self, conduct: Conduct, book: Book) -> None:
        super().__init__(conduct, book)
        self._poison = 0
        self._reported: set[int] = set()
        self._lost: set[int] = set()

    def wrote(self, offset: int, size: int, value: int) -> None:
        """Note the poison."""
        if self.is_balloon and offset == POISON_VAL and not self.conduct.live:
            self._poison = value

    def reset(self) -> None:
        """Reports end with the driver; what pages have lost they have lost."""
        super().reset()
        self._lost |= self._reported
        self._reported.clear()

    def requested(self, role: BalloonQueue, ring: Ring, chain: Chain) -> None:
        """Judge a report."""
        if role is not BalloonQueue.REPORTING:
            return
        if self.conduct.status & VIRTIO_CONFIG_S_DRIVER_OK:
            self.exercised("C285")
        for descriptor in chain.buffers:
            pages = self._pages(descriptor)
            self.judge("C286", len(pages) > 1, f"reported {len(pages)} page at {descriptor.addr:#x}")
            if self._poisons:
                self._judge_poison(descriptor)
            self._reported.update(pages)

    def acknowledged(self, role: BalloonQueue, ring: Ring, chain: Chain) -> None:
        """The pages are the driver's again, without their contents."""
        if role is not BalloonQueue.REPORTING:
            return
        self.exercised("C284")
        for descriptor in chain.buffers:
            self._reported.difference_update(self._pages(descriptor))
            if not self._poisons:
                self._lost.update(self._pages(descriptor))

    def used(self, page: int, kind: AccessKind) -> None:
        """Judge an access of the guest to a page that was reported; `kind` is what the guest does."""
        what = f"{kind.name.lower()} of page {page}, which was reported"
        if page in self._reported:
            self.judge("C284", False, f"{what} and not acknowledged")
        if page not in self._lost:
            return
        self._lost.discard(page)
        written = kind is AccessKind.STORE
        self.judge("C282", written, what)
        if self.conduct.negotiated(VIRTIO_BALLOON_F_REPORTING):
            self.judge("C224", written, what)

    @property
    def _poisons(self) -> bool:
        return self.conduct.negotiated(VIRTIO_BALLOON_F_PAGE_POISON)

    def _pages(self, descriptor: Descriptor) -> range:
        first = (descriptor.addr - self.conduct.memory.base) // PAGE_SIZE
        return range(first, first + descriptor.length // PAGE_SIZE)

    def _judge_poison(self, descriptor: Descriptor) -> None:
        memory = self.conduct.memory
        if not memory.contains(descriptor.addr, descriptor.length) or descriptor.length % 4:
            return
        words = memory.view(descriptor.addr, descriptor.length).view(np.uint32)
        other = np.flatnonzero(words != self._poison)
        where = descriptor.addr + 4 * int(other[0]) if len(other) else 0
        self.judge("C283", not len(other), f"reported {where:#x}, which is not {self._poison:#x}")
