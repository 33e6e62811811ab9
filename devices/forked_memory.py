"""Guest RAM of a forked machine: what was frozen, and over it the pages that this machine wrote to.

Such RAM differs from other RAM in how it gives memory back. A discarded page must read zero, but dropping it
from a private mapping would bring its frozen contents back. Where those are zeros (a hole), dropping is right
and frees the page; elsewhere the page is filled with zeros, and this fork keeps it. A discard therefore costs
a fork up to a page where it gains one elsewhere; `resident_bytes` and `held` say so.
"""

import mmap

from devices.frozen import Frozen
from devices.memory import PAGE_SIZE, GuestMemory, Pages, runs


class ForkedMemory(GuestMemory):
    """RAM at `base` with the contents of `frozen`, which stays as it is.

    Raises DeviceError when the host has no such address space.
    """

    def __init__(self, base: int, frozen: Frozen) -> None:
        super().__init__(base, frozen.size, frozen.map())
        self._frozen = frozen

    def rewind(self) -> None:
        """Go back to the frozen contents, in time for the pages that were written to."""
        changed = self._own()
        self._mapping.madvise(mmap.MADV_DONTNEED)
        for first, end in runs(changed):
            self.written(self.base + first * PAGE_SIZE, (end - first) * PAGE_SIZE)

    def held(self) -> Pages:
        """For each page, whether it may hold something: frozen contents, or written to since."""
        return self._frozen.held | self._own()

    def _drop(self, offset: int, length: int) -> None:
        first, end = offset // PAGE_SIZE, (offset + length) // PAGE_SIZE
        self._mapping.madvise(mmap.MADV_DONTNEED, offset, length)
        for start, stop in runs(self._frozen.held[first:end]):
            self.ram[(first + start) * PAGE_SIZE : (first + stop) * PAGE_SIZE] = 0
