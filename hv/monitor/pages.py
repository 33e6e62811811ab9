"""Pages that a driver gives away and takes back, and uses when (spec: balloon, "Device Operation")."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from devices.memory import PAGE_SIZE, GuestMemory, Pages
from devices.virtio.balloon.features import BalloonQueue
from devices.virtio.constants import VIRTIO_BALLOON_F_DEFLATE_ON_OOM, VIRTIO_BALLOON_F_MUST_TELL_HOST
from hv.cpu.watch import AccessKind
from hv.monitor.area import PATIENCE_NS
from hv.monitor.balloonqueues import ACTUAL, NUM_PAGES, BalloonArea
from hv.monitor.conduct import Conduct
from hv.monitor.ring import Chain, Ring
from hv.monitor.verdicts import Book

_OUT, _ON_ITS_WAY_IN, _IN, _ON_ITS_WAY_OUT = range(4)
_PFN_BYTES = 4


def named_pages(chain: Chain, memory: GuestMemory) -> npt.NDArray[np.int64]:
    """Return the pages of RAM that a request to inflate or deflate names."""
    data = chain.output(memory)
    whole = len(data) // _PFN_BYTES * _PFN_BYTES
    pages = np.frombuffer(data[:whole], "<u4").astype(np.int64) - memory.base // PAGE_SIZE
    return pages[(pages >= 0) & (pages < memory.size // PAGE_SIZE)]


class BalloonPages(BalloonArea):
    """Inflating, deflating, and `actual`. A page is used when the guest accesses it, or tells a device to.

    That is judged once, until something becomes of the page or the host wants another number of them: a guest
    that lives on in pages of the host accesses them without end.
    """

    CLAUSES: ClassVar[Mapping[str, str]] = {
        "C230": "a driver that sees a target and has an empty balloon inflates within 120 s",
        "C231": "it deflates while num_pages is below actual",
        "C232": "it inflates while num_pages is at or above actual",
        "C233": "without DEFLATE_ON_OOM it uses no page of the balloon while num_pages is at or below actual",
        "C234": "with DEFLATE_ON_OOM it deflates though num_pages is at or above actual",
        "C235": "it uses no page of the balloon that it has not asked back in deflateq",
        "C236": "with MUST_TELL_HOST it uses no page before its deflation is acknowledged",
        "C237": "without MUST_TELL_HOST it uses a page before its deflation is acknowledged",
        "C238": "it uses no page from the request to inflate until that is acknowledged",
        "C239": "it asks for no page whose inflation is not acknowledged",
        "C240": "within 120 s of a change it writes actual, and that is the number of pages in the balloon",
        "C241": "it writes actual once for several requests",
    }

    def __init__(self, conduct: Conduct, book: Book) -> None:
        super().__init__(conduct, book)
        self._pages: npt.NDArray[np.uint8] = np.zeros(conduct.memory.size // PAGE_SIZE, np.uint8)
        self._judged: npt.NDArray[np.bool_] = np.zeros(len(self._pages), np.bool_)
        self._target: int | None = None
        self._changes = 0

    def adopt(self, ballooned: Pages) -> None:
        """Take over a balloon that pages are in."""
        self._enter(ballooned, _IN)

    @property
    def _size(self) -> int:
        """Pages in the balloon, as far as the device has acknowledged."""
        return int(np.count_nonzero(self._pages >= _IN))

    def read(self, offset: int, size: int, value: int) -> None:
        """Note the target that the driver knows."""
        if not self.is_balloon or offset != NUM_PAGES or size != 4:
            return
        if value != self._target:
            self._judged[:] = False
        self._target = value
        if value and not self._pages.any():
            self.owe("C230", f"did not inflate towards {value} pages", within_ns=PATIENCE_NS)
        elif not value:
            self.forgive("C230")

    def wrote(self, offset: int, size: int, value: int) -> None:
        """Judge the size that the driver reports."""
        if not self.is_balloon or offset != ACTUAL or size != 4:
            return
        self.forgive("C240")
        self.judge("C240", value == self._size, f"reported {value} pages, the balloon has {self._size}")
        if self._changes > 1:
            self.exercised("C241")
        self._changes = 0

    def reset(self) -> None:
        """A request that was not acknowledged never was; pages that are in stay in."""
        super().reset()
        self._enter(self._pages == _ON_ITS_WAY_IN, _OUT)
        self._enter(self._pages == _ON_ITS_WAY_OUT, _IN)
        self._target = None
        self._changes = 0

    def requested(self, role: BalloonQueue, ring: Ring, chain: Chain) -> None:
        """Judge a request to inflate or to deflate."""
        if role is BalloonQueue.INFLATE:
            self.paid("C230")
            self._enter(named_pages(chain, self.conduct.memory), _ON_ITS_WAY_IN)
            if self._target is not None and self._target >= self._size:
                self.exercised("C232")
        elif role is BalloonQueue.DEFLATE:
            pages = named_pages(chain, self.conduct.memory)
            early = int(np.count_nonzero(self._pages[pages] == _ON_ITS_WAY_IN))
            self.judge("C239", not early, f"asked for {early} pages that are still on their way in")
            self._judge_need()
            self._enter(pages, _ON_ITS_WAY_OUT)

    def acknowledged(self, role: BalloonQueue, ring: Ring, chain: Chain) -> None:
        """Note that pages are in the balloon now, or out of it."""
        if role is BalloonQueue.INFLATE:
            self._enter(named_pages(chain, self.conduct.memory), _IN)
            self.exercised("C238")
        elif role is BalloonQueue.DEFLATE:
            self._enter(named_pages(chain, self.conduct.memory), _OUT)
            self.exercised("C235")
            if self.conduct.negotiated(VIRTIO_BALLOON_F_MUST_TELL_HOST):
                self.exercised("C236")
            if not self.conduct.negotiated(VIRTIO_BALLOON_F_DEFLATE_ON_OOM):
                self.exercised("C233")
        else:
            return
        self._changes += 1
        self.owe("C240", "did not report the new size", within_ns=PATIENCE_NS)

    def used(self, page: int, kind: AccessKind) -> None:
        """Judge the first access of the guest to a page that the host has; `kind` is what the guest does."""
        if self._judged[page]:
            return
        self._judged[page] = True
        state = self._pages[page]
        what = f"{kind.name.lower()} of page {page}"
        if state == _ON_ITS_WAY_IN:
            self.judge("C238", False, f"{what}, which is on its way into the balloon")
        elif state == _ON_ITS_WAY_OUT and self.conduct.negotiated(VIRTIO_BALLOON_F_MUST_TELL_HOST):
            self.judge("C236", False, f"{what}, whose deflation is not acknowledged")
        elif state == _ON_ITS_WAY_OUT:
            self.exercised("C237")
        elif state == _IN:
            self.judge("C235", False, f"{what}, which is in the balloon")
            oom = self.conduct.negotiated(VIRTIO_BALLOON_F_DEFLATE_ON_OOM)
            if not oom and (self._target is None or self._target <= self._size):
                self.judge("C233", False, f"{what}, which the host wants to keep")

    def _enter(self, pages: Pages | npt.NDArray[np.int64], state: int) -> None:
        """Note what has become of pages, given as a mask or by number."""
        self._pages[pages] = state
        self._judged[pages] = False

    def _judge_need(self) -> None:
        """Note why the driver wants pages back."""
        if self._target is None:
            return
        if self._target < self._size:
            self.exercised("C231")
        elif self.conduct.negotiated(VIRTIO_BALLOON_F_DEFLATE_ON_OOM):
            self.exercised("C234")
