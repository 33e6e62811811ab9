"""Guest RAM: one memfd, mapped shared, that the CPU, the devices and the kernels all look at.

Why a memfd: a page can be given back to the host and reads zero afterwards (MADV_REMOVE), without splitting
the mapping, and `st_blocks` says how much host memory the guest really holds.

Every write by a device must end in `written()`, because the CPU keeps translated code and has to drop
what came from those bytes. `write()` and `discard()` do so themselves; users of `ram` and `view()` call
it once a batch.
"""

import mmap
import os
import weakref
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from devices.errors import DeviceError

PAGE_SIZE = 4096
"""Bytes in a page of RAM, on the guest's side and on ours."""

Pages = npt.NDArray[np.bool_]
"""One flag a page."""

_BLOCK = 512
"""Unit of st_blocks (stat(2))."""


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
        fd: the memfd; it lives as long as this object.
        address: where the host process has the RAM mapped.
        on_write: called with (address, length) after a device wrote there.
    """

    def __init__(self, base: int, size: int, fd: int, mapping: mmap.mmap) -> None:
        self.base = base
        self.size = size
        self.fd = fd
        self.ram: npt.NDArray[np.uint8] = np.frombuffer(mapping, dtype=np.uint8)
        self.address: int = self.ram.ctypes.data
        self.on_write: Callable[[int, int], None] = _ignore
        self._mapping = mapping
        weakref.finalize(self, os.close, fd)

    @classmethod
    def allocate(cls, base: int, size: int) -> "GuestMemory":
        """Make zeroed RAM; the host gives a page only when it is first touched.

        Raises GuestMemoryError when base and size are no whole pages, or the host has no such address
        space.
        """
        if base < 0 or size <= 0 or base % PAGE_SIZE or size % PAGE_SIZE or base + size > 1 << 56:
            raise GuestMemoryError(f"RAM of {size:#x} bytes at {base:#x} is not whole pages below 2^56")
        try:
            fd = os.memfd_create("guest-ram", os.MFD_CLOEXEC)
            try:
                os.ftruncate(fd, size)
                mapping = mmap.mmap(fd, size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
            except BaseException:
                os.close(fd)
                raise
        except (OSError, OverflowError) as error:
            raise GuestMemoryError(f"the host cannot map {size:#x} bytes of guest RAM: {error}") from error
        return cls(base, size, fd, mapping)

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
        self.on_write(addr, length)

    def _drop(self, offset: int, length: int) -> None:
        """Make whole pages read zero, and give the host's memory for them back."""
        self._mapping.madvise(mmap.MADV_REMOVE, offset, length)

    def written(self, addr: int, length: int) -> None:
        """Say that a device changed addr..addr+length-1."""
        self.on_write(addr, length)

    def held(self) -> Pages:
        """For each page, whether the host holds memory for it; the others are zero, and stay free unseen."""
        held = np.zeros(self.size // PAGE_SIZE, np.bool_)
        end = 0
        while end < self.size:
            try:
                start = os.lseek(self.fd, end, os.SEEK_DATA)
            except OSError:  # ENXIO: only holes are left
                break
            end = os.lseek(self.fd, start, os.SEEK_HOLE)
            held[start // PAGE_SIZE : end // PAGE_SIZE] = True
        return held

    def resident_bytes(self) -> int:
        """Return the host memory that the RAM takes now, in bytes."""
        return os.fstat(self.fd).st_blocks * _BLOCK
