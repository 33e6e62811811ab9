"""Guest RAM of a forked machine: what was frozen, and over it the pages that this machine wrote to.

Such RAM differs from other RAM in how it gives memory back. A discarded page must read zero, but dropping it
from a private mapping would bring its frozen contents back. Where those are zeros (a hole), dropping is right
and frees the page; elsewhere the page is filled with zeros, and this fork keeps it. A discard therefore costs
a fork up to a page where it gains one elsewhere; `resident_bytes` and `held` say so.
"""

import mmap
import os

import numpy as np

from devices.frozen import Frozen, runs
from devices.memory import PAGE_SIZE, GuestMemory, Pages

_PAGEMAP_ENTRY = np.dtype("<u8")
_SHARED = np.uint64(1 << 61)  # a page of the file, not of ours
_HERE = np.uint64(1 << 63 | 1 << 62)  # in memory, or swapped out


class ForkedMemory(GuestMemory):
    """RAM at `base` with the contents of `frozen`, which stays as it is.

    Raises DeviceError when the host has no such address space.
    """

    def __init__(self, base: int, frozen: Frozen) -> None:
        super().__init__(base, frozen.size, os.dup(frozen.fd), frozen.map())
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

    def resident_bytes(self) -> int:
        """Return the host memory that this fork takes for itself, besides the frozen contents, in bytes."""
        return int(np.count_nonzero(self._own())) * PAGE_SIZE

    def _drop(self, offset: int, length: int) -> None:
        first, end = offset // PAGE_SIZE, (offset + length) // PAGE_SIZE
        self._mapping.madvise(mmap.MADV_DONTNEED, offset, length)
        for start, stop in runs(self._frozen.held[first:end]):
            self.ram[(first + start) * PAGE_SIZE : (first + stop) * PAGE_SIZE] = 0

    def _own(self) -> Pages:
        """For each page, whether this mapping has its own copy (proc(5), "/proc/pid/pagemap")."""
        entries = self.size // PAGE_SIZE
        with open("/proc/self/pagemap", "rb", buffering=0) as pagemap:  # noqa: PTH123
            raw = os.pread(
                pagemap.fileno(),
                entries * _PAGEMAP_ENTRY.itemsize,
                self.address // PAGE_SIZE * _PAGEMAP_ENTRY.itemsize,
            )
        entry = np.frombuffer(raw, _PAGEMAP_ENTRY)
        own: Pages = (entry & _HERE != 0) & (entry & _SHARED == 0)
        return own
