"""Bytes as they were at one moment, to be shared by any number of machines that go on from there.

They are in a sealed memfd: nobody can change them any more. Who starts from them maps them privately, so that
a page costs memory only when it is written to, and dropping those pages again (MADV_DONTNEED) is a way back
that takes time for what was written and not for all there is.

The two catches of such a mapping are its users' business: to drop a page brings the frozen contents back,
not zeros; and to look at a hole makes the host give the memfd a page of zeros, once for all who share it.
"""

import fcntl
import mmap
import os
import weakref
from collections.abc import Iterable

import numpy as np

from devices.errors import DeviceError
from devices.memory import PAGE_SIZE, Pages, runs


class Frozen:
    """Bytes that do not change.

    Args:
        size: bytes, at least one.
        pieces: (offset, contents) of what is not zero, in any order, none over another; offsets are of whole
            pages.

    Attributes:
        size: bytes.
        held: for each page, whether anything but zeros is in it; the others are holes.

    Raises:
        DeviceError: the host has no memory for them.
    """

    def __init__(self, size: int, pieces: Iterable[tuple[int, memoryview]]) -> None:
        self.size = size
        self.held: Pages = np.zeros(-(-size // PAGE_SIZE), np.bool_)
        try:
            self.fd = os.memfd_create("frozen", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        except OSError as error:
            raise DeviceError(f"the host cannot keep {size:#x} bytes: {error.strerror}") from error
        weakref.finalize(self, os.close, self.fd)
        try:
            os.ftruncate(self.fd, size)
            for offset, contents in pieces:
                self._keep(offset, contents)
            seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
            fcntl.fcntl(self.fd, fcntl.F_ADD_SEALS, seals)
        except OSError as error:
            raise DeviceError(f"the host cannot keep {size:#x} bytes: {error.strerror}") from error

    def _keep(self, offset: int, contents: memoryview) -> None:
        """Copy those pages of a piece that are not all zero."""
        first = offset // PAGE_SIZE
        whole = len(contents) // PAGE_SIZE
        words = np.frombuffer(contents[: whole * PAGE_SIZE], np.uint64).reshape(whole, PAGE_SIZE // 8)
        self.held[first : first + whole] = words.any(axis=1)
        self.held[first + whole : first + -(-len(contents) // PAGE_SIZE)] = True
        for start, end in runs(self.held[first : first + -(-len(contents) // PAGE_SIZE)]):
            data = contents[start * PAGE_SIZE : end * PAGE_SIZE]
            done = 0
            while done < len(data):
                done += os.pwrite(self.fd, data[done:], offset + start * PAGE_SIZE + done)

    def map(self) -> mmap.mmap:
        """Return a private, writable mapping of all of it.

        Raises:
            DeviceError: the host has no such address space.
        """
        try:
            return mmap.mmap(self.fd, self.size, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE)
        except OSError as error:
            raise DeviceError(f"the host cannot map {self.size:#x} bytes: {error.strerror}") from error
