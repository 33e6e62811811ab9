"""The log of a balloon: every request of the driver, with its virtual time and the guest functions behind it.

A request is noted when the device takes it, which is at the end of the block that stored to QueueNotify: the
store itself has returned to its caller by then, and the functions that wanted the request are all there.
With the toy kernel's symbols it is also noted who marks a page as offline or as the guest's own again.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from devices.memory import PAGE_SIZE, GuestMemory, Pages
from devices.virtio import kernels
from devices.virtio.balloon import Balloon, BalloonQueue
from devices.virtio.queue import Batch, Virtqueue
from hv.backtrace import Frame, backtrace
from hv.cpu import Hart
from hv.guestpages import BooksError, Vmcoreinfo
from hv.symbols import Symbols

MARKERS = ("__SetPageOffline", "__ClearPageOffline")
"""The toy kernel's functions that take a page into the balloon's books and out of them."""

_PFN_BYTES = 4
_RA, _FP, _A0 = 1, 8, 10
_STACK_BYTES = 512
"""More of the stack than this need not be the same for two call traces to be taken for one."""


def requested_pfns(batch: Batch) -> npt.NDArray[np.int64]:
    """Return the page frame numbers that the device will read from a batch, in order."""
    parts = []
    for row in range(batch.count):
        data = b"".join(batch.readable(row))
        whole = min(len(data) // _PFN_BYTES, kernels.MAX_PFNS) * _PFN_BYTES
        parts.append(np.frombuffer(data[:whole], "<u4"))
    return np.concatenate(parts).astype(np.int64)


def requested_pages(batch: Batch) -> npt.NDArray[np.int64]:
    """Return the numbers of the pages in RAM that a batch names; what is not RAM is left out."""
    memory = batch.memory
    pages = requested_pfns(batch) - memory.base // PAGE_SIZE
    return pages[(pages >= 0) & (pages < memory.size // PAGE_SIZE)]


def spanned_pages(batch: Batch) -> Pages:
    """Return which pages of RAM the buffers of a batch span that the device may write: hints or reports."""
    memory = batch.memory
    spanned = np.zeros(memory.size // PAGE_SIZE, np.bool_)
    for row in range(batch.count):
        for span in batch.writable_spans(row):
            first, end, _ = memory.whole_pages(*span)
            spanned[first:end] = True
    return spanned


class Request(NamedTuple):
    """One batch of requests.

    Attributes:
        inflate: into the balloon, or out of it.
        ns: virtual time.
        pages: numbers of the pages in RAM; others that the driver named are left out.
        frames: the guest's functions, innermost first.
    """

    inflate: bool
    ns: int
    pages: npt.NDArray[np.int64]
    frames: tuple[Frame, ...]


class Blame(NamedTuple):
    """Who was the last to do something with some pages.

    Attributes:
        ns: virtual time, of the first of them.
        frames: the guest's functions, innermost first; none where nobody was seen.
        pages: which pages of RAM.
    """

    ns: int
    frames: tuple[Frame, ...]
    pages: Pages


class BalloonLog:
    """Notes what becomes of the pages of one balloon from now on (a `QueueWatcher`).

    Attributes:
        requests: in order of time.
    """

    def __init__(self, balloon: Balloon, hart: Hart, memory: GuestMemory, symbols: Symbols) -> None:
        self.requests: list[Request] = []
        self._balloon = balloon
        self._hart = hart
        self._memory = memory
        self._symbols = symbols
        self._traces: list[tuple[Frame, ...]] = [()]
        self._known: dict[tuple[int, int, int, bytes], int] = {}
        self._who = np.zeros(memory.size // PAGE_SIZE, np.int32)  # which of the traces
        self._when = np.zeros(memory.size // PAGE_SIZE, np.int64)
        self._info: Vmcoreinfo | None = None
        balloon.watchers.append(self)
        for name in MARKERS:
            address = symbols.virtual_address(name)
            if address is not None:
                hart.add_tracepoint(address, self._marked)

    def taken(self, queue: Virtqueue, batch: Batch) -> None:
        """Note a batch of page frame numbers, or who reports pages."""
        role = self._balloon.role(queue.index)
        if role is BalloonQueue.REPORTING:
            self._enter(np.flatnonzero(spanned_pages(batch)), self._trace())
        if role not in (BalloonQueue.INFLATE, BalloonQueue.DEFLATE):
            return
        pages = requested_pages(batch)
        trace = self._trace()
        self._enter(pages, trace)
        self.requests.append(
            Request(role is BalloonQueue.INFLATE, self._hart.now_ns, pages, self._traces[trace])
        )

    def given_back(self, queue: Virtqueue, batch: Batch) -> None:
        """Nothing: the request was noted when it came."""

    def blame(self, pages: Pages) -> Iterator[Blame]:
        """Divide pages by the functions that were the last to do something with them."""
        for trace in np.unique(self._who[pages]).tolist():
            part = pages & (self._who == trace)
            yield Blame(int(self._when[part].min()), self._traces[trace], part)

    def _enter(self, pages: npt.NDArray[np.int64] | int, trace: int) -> None:
        self._who[pages] = trace
        self._when[pages] = self._hart.now_ns

    def _marked(self) -> None:
        """The guest is about to mark a page as offline, or as no longer so."""
        try:
            self._info = self._info or Vmcoreinfo(self._memory, self._symbols)
            page = self._info.page_of_struct(self._hart.x(_A0))
        except BooksError:
            return  # another kernel with functions of these names
        self._enter(page, self._trace())

    def _trace(self) -> int:
        """Return the number of the guest's call trace at this moment; equal ones are walked once."""
        fp = self._hart.x(_FP)
        key = self._hart.pc, self._hart.x(_RA), fp, self._stack(fp)
        if key not in self._known:
            trace = tuple(backtrace(self._hart, self._memory, self._symbols))
            if trace not in self._traces:
                self._traces.append(trace)
            self._known[key] = self._traces.index(trace)
        return self._known[key]

    def _stack(self, fp: int) -> bytes:
        """Return the stack from a frame pointer upwards, as much as says who called whom."""
        if self._info is None:
            return self._hart.now_ns.to_bytes(8, "little")  # nothing is equal yet
        try:
            return self._info.read(fp - 16, _STACK_BYTES).tobytes()
        except BooksError:
            return b""
