"""What a block device keeps its sectors on: a file, memory, or memory that fails when a test says so.

A backend is numbered in bytes, but only whole sectors of 512 are read or written. An OSError from one is
the guest's I/O error; every other mistake is the host's, found when the backend is made.
"""

import errno
import fcntl
import itertools
import os
import stat
import weakref
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from devices.errors import DeviceError
from devices.holes import punch_hole

SECTOR_SIZE = 512
"""Bytes in a sector (spec: "Block Device", always 512)."""


_ZEROS = memoryview(bytes(1 << 20))


class BackendError(DeviceError):
    """A disk file that cannot be used; the message names the file and what to do."""


class PowerCutError(DeviceError):
    """The power went while the disk was working; only a test's disk raises it, and no device catches it."""


class BlockBackend(Protocol):
    """Where a block device's sectors are. The device checks ranges before it calls."""

    @property
    def size(self) -> int:
        """Bytes, a multiple of SECTOR_SIZE."""

    @property
    def read_only(self) -> bool:
        """Whether `write` must not be called."""

    def read(self, offset: int, buffers: Sequence[memoryview]) -> None:
        """Fill the buffers in order from `offset` on; raises OSError."""

    def write(self, offset: int, buffers: Sequence[memoryview]) -> None:
        """Store the buffers in order from `offset` on, maybe in a cache; raises OSError."""

    def write_zeroes(self, offset: int, length: int, unmap: bool) -> None:
        """Make `length` bytes zero, maybe in a cache; raises OSError.

        With `unmap` the range need not keep its room on the host; it is a hole where the host has such.
        """

    def flush(self) -> None:
        """Return when all that was written survives a power cut; raises OSError."""


def zeros(length: int) -> list[memoryview]:
    """Return buffers of `length` zero bytes in all, for `write`."""
    return [_ZEROS[: length - at] for at in range(0, length, len(_ZEROS))]


class FileBackend:
    """A raw disk image in a regular file.

    The file is locked for as long as the backend lives: one writer, or any number of readers.
    Raises BackendError when the file is missing, in use, no regular file, empty, or no whole sectors.
    """

    def __init__(self, path: Path, read_only: bool = False) -> None:
        self._path = path
        self._read_only = read_only
        try:
            self._fd = os.open(path, (os.O_RDONLY if read_only else os.O_RDWR) | os.O_CLOEXEC)
        except OSError as error:
            reason = f"cannot open it: {error.strerror}; check the path and its mode"
            raise BackendError(f"disk {path}: {reason}") from error
        try:
            self._size = self._check()
        except BackendError:
            os.close(self._fd)
            raise
        self._close = weakref.finalize(self, os.close, self._fd)

    def _check(self) -> int:
        status = os.fstat(self._fd)
        if not stat.S_ISREG(status.st_mode):
            raise BackendError(f"disk {self._path}: not a regular file; give a raw disk image")
        if status.st_size == 0 or status.st_size % SECTOR_SIZE:
            raise BackendError(
                f"disk {self._path}: {status.st_size} bytes are no whole sectors; "
                f"make it a multiple of {SECTOR_SIZE}, for example with truncate -s"
            )
        try:
            fcntl.flock(self._fd, (fcntl.LOCK_SH if self._read_only else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError as error:
            reason = "another machine, or another disk of this one, has it open; give each its own"
            raise BackendError(f"disk {self._path}: {reason}") from error
        except OSError as error:
            raise BackendError(f"disk {self._path}: cannot lock it: {error.strerror}") from error
        return status.st_size

    @property
    def size(self) -> int:
        """Bytes in the file when it was opened."""
        return self._size

    @property
    def read_only(self) -> bool:
        """Whether it was opened for reading only."""
        return self._read_only

    def read(self, offset: int, buffers: Sequence[memoryview]) -> None:
        """Read from the file; a file that was truncated meanwhile is an OSError."""
        self._complete(os.preadv(self._fd, buffers, offset), buffers)

    def write(self, offset: int, buffers: Sequence[memoryview]) -> None:
        """Write to the file, that is to the host's page cache."""
        self._complete(os.pwritev(self._fd, buffers, offset), buffers)

    def write_zeroes(self, offset: int, length: int, unmap: bool) -> None:
        """Make a hole, or else write zeros."""
        if unmap and punch_hole(self._fd, offset, length):
            return
        for piece in zeros(length):
            self.write(offset, [piece])
            offset += len(piece)

    def flush(self) -> None:
        """Bring the file to the medium (fdatasync)."""
        os.fdatasync(self._fd)

    def close(self) -> None:
        """Give up the file and its lock; the backend is unusable from then on."""
        self._close()

    def _complete(self, done: int, buffers: Sequence[memoryview]) -> None:
        if done != sum(len(buffer) for buffer in buffers):
            raise OSError(errno.EIO, f"disk {self._path}: transferred {done} bytes only")


class MemoryBackend:
    """A disk in memory, for machines that need not outlive the process.

    Attributes:
        data: the contents.

    Raises BackendError when `data` is no whole sectors.
    """

    read_only = False

    def __init__(self, data: bytes) -> None:
        if not data or len(data) % SECTOR_SIZE:
            raise BackendError(f"disk in memory: {len(data)} bytes are no whole sectors")
        self.data = bytearray(data)

    @property
    def size(self) -> int:
        """Bytes of the disk."""
        return len(self.data)

    def read(self, offset: int, buffers: Sequence[memoryview]) -> None:
        """Copy out."""
        for buffer in buffers:
            buffer[:] = self.data[offset : offset + len(buffer)]
            offset += len(buffer)

    def write(self, offset: int, buffers: Sequence[memoryview]) -> None:
        """Copy in."""
        for buffer in buffers:
            self.data[offset : offset + len(buffer)] = buffer
            offset += len(buffer)

    def write_zeroes(self, offset: int, length: int, unmap: bool) -> None:
        """Write zeros: memory keeps its room."""
        self.write(offset, zeros(length))

    def flush(self) -> None:
        """Nothing is cached."""

    def close(self) -> None:
        """Give up the contents; the backend is unusable from then on."""
        self.data = bytearray()


class PowerCutBackend(MemoryBackend):
    """A disk with a volatile cache and bad luck, for tests.

    Writes and flushes are counted together from 1. Operation `cut_at` does not happen: the power goes,
    it and all later operations raise PowerCutError. Operations in `fail_at` do not happen and raise
    OSError.

    Attributes:
        operations: writes and flushes so far.
        history: those that happened, in order: (offset, data) of a write, None for a flush.
    """

    def __init__(self, data: bytes, cut_at: int | None = None, fail_at: Iterable[int] = ()) -> None:
        super().__init__(data)
        self.operations = 0
        self.history: list[tuple[int, bytes] | None] = []
        self._before = bytes(data)
        self._cut_at = cut_at
        self._fail_at = frozenset(fail_at)

    def read(self, offset: int, buffers: Sequence[memoryview]) -> None:
        """Copy out what was written, flushed or not."""
        self._check_power()
        super().read(offset, buffers)

    def write(self, offset: int, buffers: Sequence[memoryview]) -> None:
        """Copy into the cache."""
        self._count()
        super().write(offset, buffers)
        self.history.append((offset, b"".join(buffers)))

    def flush(self) -> None:
        """Make all writes so far durable."""
        self._count()
        self.history.append(None)

    def close(self) -> None:
        """Give up contents and history; the backend is unusable from then on."""
        super().close()
        self._before = b""
        self.history = []

    @property
    def unflushed(self) -> list[tuple[int, bytes]]:
        """(offset, data) of each write since the last flush, in order."""
        since = itertools.takewhile(lambda operation: operation is not None, reversed(self.history))
        return [write for write in since if write is not None][::-1]

    def after_power_cut(self, kept: Iterable[int] = ()) -> bytes:
        """Return what the medium holds when the power goes now.

        `kept` are the indices in `unflushed` of the writes that the disk happened to have brought out; they
        land in the order given, as a real cache may reorder them.
        """
        unflushed = self.unflushed
        flushed = self.history[: len(self.history) - len(unflushed)]
        survivor = bytearray(self._before)
        for operation in (*flushed, *(unflushed[index] for index in kept)):
            if operation is not None:
                offset, data = operation
                survivor[offset : offset + len(data)] = data
        return bytes(survivor)

    def _check_power(self) -> None:
        if self._cut_at is not None and self.operations >= self._cut_at:
            raise PowerCutError(f"power cut at disk operation {self._cut_at}")

    def _count(self) -> None:
        self.operations += 1
        self._check_power()
        if self.operations in self._fail_at:
            raise OSError(errno.EIO, f"disk operation {self.operations} fails")
