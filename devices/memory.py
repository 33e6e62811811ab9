"""Guest RAM: one private anonymous mapping that the CPU, the devices and the kernels all look at.

A page can be given back to the host and reads zero afterwards (MADV_DONTNEED), without splitting the mapping;
from a memfd (MADV_REMOVE) that takes twice as long. Which pages take host memory is in /proc/self/pagemap. A
page that was only read takes none: it shows the host's one page of zeros.

Every write by a device must end in `written()`, because the CPU keeps translated code and has to drop
what came from those bytes. `write()` and `discard()` do so themselves; users of `ram` and `view()` call
it once a batch.
"""

import hashlib
import mmap
import os
from collections.abc import Callable, Iterator
from contextlib import suppress

import numpy as np
import numpy.typing as npt

from devices.errors import DeviceError
from devices.writelog import WriteLog

PAGE_SIZE = 4096
"""Bytes in a page of RAM, on the guest's side and on ours."""

Pages = npt.NDArray[np.bool_]
"""One flag a page."""

_MAP_NORESERVE = 0x4000
"""RAM may be more than the host has left (mmap(2)); Python names this flag from 3.13 on."""

_PAGEMAP_ENTRY = np.dtype("<u8")
_SWAPPED_OR_OURS = np.uint64(1 << 62 | 1 << 56)  # in swap, or mapped by us alone: not the page of zeros
_OF_A_FILE = np.uint64(1 << 61)


class GuestMemoryError(DeviceError):
    """An address or length that is not inside guest RAM, or RAM that the host cannot give."""


def _ignore(_addr: int, _length: int) -> None:
    """Stand for a listener when nobody listens to writes."""


class GuestMemory:
    """RAM at guest physical addresses base..base+size-1; all addresses of its methods are guest physical.

    Attributes:
        base: first guest physical address.
        size: bytes of RAM.
        ram: the RAM as a flat uint8 array, index 0 at `base`.
        address: where the host process has the RAM mapped.
        on_write: called with (address, length) after a device wrote there.
        writes: which pages were written to, when somebody wants to know.
    """

    def __init__(self, base: int, size: int, mapping: mmap.mmap) -> None:
        self.base = base
        self.size = size
        self.ram: npt.NDArray[np.uint8] = np.frombuffer(mapping, dtype=np.uint8)
        self.address: int = self.ram.ctypes.data
        self.on_write: Callable[[int, int], None] = _ignore
        self.writes = WriteLog(size // PAGE_SIZE)
        self._mapping = mapping

    @classmethod
    def allocate(cls, base: int, size: int) -> "GuestMemory":
        """Make zeroed RAM; the host gives a page only when it is first touched.

        Raises GuestMemoryError when base and size are no whole pages, or the host has no such address
        space.
        """
        if base < 0 or size <= 0 or base % PAGE_SIZE or size % PAGE_SIZE or base + size > 1 << 56:
            raise GuestMemoryError(f"RAM of {size:#x} bytes at {base:#x} is not whole pages below 2^56")
        try:
            mapping = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_NORESERVE)
        except (OSError, OverflowError) as error:
            raise GuestMemoryError(f"the host cannot map {size:#x} bytes of guest RAM: {error}") from error
        with suppress(OSError):  # a kernel without huge pages refuses, and needs not be told
            mapping.madvise(mmap.MADV_NOHUGEPAGE)
        return cls(base, size, mapping)

    def contains(self, addr: int, length: int) -> bool:
        """Whether all of addr..addr+length-1 is RAM; an empty range counts if its address does."""
        return length >= 0 and self.base <= addr and addr + length <= self.base + self.size

    def view(self, addr: int, length: int) -> npt.NDArray[np.uint8]:
        """Return the RAM itself, not a copy; call `written()` after changing it.

        Raises GuestMemoryError when the range is not all RAM.
        """
        if not self.contains(addr, length):
            last = self.base + self.size - 1
            raise GuestMemoryError(f"{length:#x} bytes at {addr:#x} are not in RAM {self.base:#x}..{last:#x}")
        offset = addr - self.base
        return self.ram[offset : offset + length]

    def whole_pages(self, addr: int, length: int) -> tuple[int, int, bool]:
        """Return the first page that lies wholly in a range of RAM, the end, and whether it has more."""
        start = addr - self.base
        first, end = -(-start // PAGE_SIZE), (start + length) // PAGE_SIZE
        odd = bool(start % PAGE_SIZE or length % PAGE_SIZE)
        return first, max(first, end), odd

    def read(self, addr: int, length: int) -> bytes:
        """Copy bytes out; raises GuestMemoryError when the range is not all RAM."""
        return self.view(addr, length).tobytes()

    def write(self, addr: int, data: bytes) -> None:
        """Copy bytes in; raises GuestMemoryError when the range is not all RAM."""
        self.view(addr, len(data))[:] = np.frombuffer(data, dtype=np.uint8)
        self.written(addr, len(data))

    def discard(self, addr: int, length: int) -> None:
        """Give whole pages back to the host; they read zero, and take memory again when they are touched.

        Raises GuestMemoryError when the range is not all RAM or not whole pages.
        """
        if addr % PAGE_SIZE or length % PAGE_SIZE or not self.contains(addr, length):
            raise GuestMemoryError(f"cannot discard {length:#x} bytes at {addr:#x}: no whole pages of RAM")
        if length == 0:
            return
        self._drop(addr - self.base, length)
        self.written(addr, length)

    def _drop(self, offset: int, length: int) -> None:
        """Make whole pages read zero, and give the host's memory for them back."""
        self._mapping.madvise(mmap.MADV_DONTNEED, offset, length)

    def close(self) -> None:
        """Give all of it back to the host, for good: nobody uses this RAM any more."""
        self._mapping.madvise(mmap.MADV_DONTNEED)

    def written(self, addr: int, length: int) -> None:
        """Say that a device changed addr..addr+length-1."""
        if self.writes.on:
            first, end = addr - self.base, addr - self.base + length
            self.writes.pages[first // PAGE_SIZE : -(-end // PAGE_SIZE)] = True
        self.on_write(addr, length)

    def held(self) -> Pages:
        """For each page, whether the host holds memory for it; the others are zero, and stay free unseen.

        Raises GuestMemoryError when the host does not tell.
        """
        return self._own()

    def _own(self) -> Pages:
        """For each page, whether this mapping has memory of its own for it."""
        return own_pages("self", self.address, self.size)

    def nonzero(self) -> Pages:
        """For each page, whether anything but zeros is in it."""
        found = self.held()
        pages = self.ram.view(np.uint64).reshape(-1, PAGE_SIZE // 8)
        for first, end in runs(found):
            found[first:end] = pages[first:end].any(axis=1)
        return found

    def sha256(self) -> str:
        """Hash all of RAM, in hex, without a look at its holes (it would fill them)."""
        digest = hashlib.sha256()
        zeros = bytes(1 << 20)
        at = 0
        pages = self.size // PAGE_SIZE
        for first, end in (*runs(self.held()), (pages, pages)):
            start = first * PAGE_SIZE
            for hole in range(at, start, len(zeros)):
                digest.update(zeros[: start - hole])
            at = end * PAGE_SIZE
            digest.update(self.ram[start:at].data)
        return digest.hexdigest()

    def resident_bytes(self) -> int:
        """Return the host memory that this RAM takes now, in bytes; raises GuestMemoryError as `held`."""
        return int(np.count_nonzero(self._own())) * PAGE_SIZE


def own_pages(process: int | str, address: int, size: int) -> Pages:
    """For each page of a mapping, whether it has memory of its own for it (proc(5), "/proc/pid/pagemap").

    Args:
        process: whose mapping it is, a number or "self".
        address: where it begins.
        size: bytes.

    Raises:
        GuestMemoryError: the host does not tell.
    """
    path = f"/proc/{process}/pagemap"
    entries = size // PAGE_SIZE
    try:
        with open(path, "rb", buffering=0) as pagemap:  # noqa: PTH123
            raw = os.pread(
                pagemap.fileno(),
                entries * _PAGEMAP_ENTRY.itemsize,
                address // PAGE_SIZE * _PAGEMAP_ENTRY.itemsize,
            )
    except OSError as error:
        raise GuestMemoryError(f"{path}: {error.strerror}; is /proc mounted?") from error
    entry = np.frombuffer(raw, _PAGEMAP_ENTRY)
    own: Pages = (entry & _SWAPPED_OR_OURS != 0) & (entry & _OF_A_FILE == 0)
    return own


def runs(pages: Pages) -> Iterator[tuple[int, int]]:
    """Yield (first, end) of each run of pages whose flag is set, in order."""
    bounded = np.zeros(len(pages) + 2, np.bool_)
    bounded[1:-1] = pages
    edges = np.flatnonzero(bounded[1:] != bounded[:-1]).tolist()
    yield from zip(edges[::2], edges[1::2], strict=True)
