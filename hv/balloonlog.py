"""The log of a balloon: every request of the driver, with its virtual time and the guest functions behind it.

A request is noted when the device takes it, which is at the end of the block that stored to QueueNotify: the
store itself has returned to its caller by then, and the functions that wanted the request are all there.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from devices.memory import PAGE_SIZE, GuestMemory
from devices.virtio import kernels
from devices.virtio.balloon import Balloon
from devices.virtio.queue import Batch, Virtqueue
from hv.backtrace import Frame, backtrace
from hv.cpu import Hart
from hv.symbols import Symbols

INFLATE = 0
DEFLATE = 1
"""Numbers of the balloon's queues (virtio 1.4, "Traditional Memory Balloon Device", Virtqueues)."""

_PFN_BYTES = 4


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


class BalloonLog:
    """Notes the requests of one balloon from now on (a `QueueWatcher`).

    Attributes:
        requests: in order of time.
    """

    def __init__(self, balloon: Balloon, hart: Hart, memory: GuestMemory, symbols: Symbols) -> None:
        self.requests: list[Request] = []
        self._hart = hart
        self._memory = memory
        self._symbols = symbols
        balloon.watchers.append(self)

    def taken(self, queue: Virtqueue, batch: Batch) -> None:
        """Note a batch."""
        frames = tuple(backtrace(self._hart, self._memory, self._symbols))
        self.requests.append(
            Request(queue.index == INFLATE, self._hart.now_ns, requested_pages(batch), frames)
        )

    def given_back(self, queue: Virtqueue, batch: Batch) -> None:
        """Nothing: the request was noted when it came."""

    def last(self, pages: npt.NDArray[np.bool_]) -> Iterator[tuple[Request, npt.NDArray[np.bool_]]]:
        """Yield the last request about each of some pages, with the pages that it is the last for."""
        left = pages.copy()
        for request in reversed(self.requests):
            here = np.zeros_like(left)
            here[request.pages] = True
            here &= left
            if here.any():
                yield request, here
                left &= ~here
            if not left.any():
                return
