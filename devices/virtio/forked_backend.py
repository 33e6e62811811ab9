"""The disk of a forked machine: what it was when it was frozen, and over it the fork's writes, in memory."""

import mmap
from collections.abc import Iterator, Sequence

from devices.errors import DeviceError
from devices.frozen import Frozen
from devices.virtio.backends import BlockBackend, zeros

_CHUNK = 1 << 20
"""Bytes of a disk that are read together when it is frozen; whole pages."""


def freeze(disk: BlockBackend) -> Frozen:
    """Copy a disk, without its zeros.

    Raises:
        DeviceError: it cannot be read, or the host has no memory for it.
    """

    def pieces() -> Iterator[tuple[int, memoryview]]:
        chunk = memoryview(bytearray(min(_CHUNK, disk.size)))
        for offset in range(0, disk.size, _CHUNK):
            piece = chunk[: disk.size - offset]
            try:
                disk.read(offset, [piece])
            except OSError as error:
                raise DeviceError(f"a disk cannot be copied: {error}") from error
            yield offset, piece

    return Frozen(disk.size, pieces())


class ForkedBackend:
    """A disk over `frozen`, which stays as it is; what is written is gone with this object."""

    read_only = False

    def __init__(self, frozen: Frozen) -> None:
        self._data = frozen.map()

    @property
    def size(self) -> int:
        """Bytes of the disk."""
        return len(self._data)

    def read(self, offset: int, buffers: Sequence[memoryview]) -> None:
        """Copy out."""
        for buffer in buffers:
            buffer[:] = self._data[offset : offset + len(buffer)]
            offset += len(buffer)

    def write(self, offset: int, buffers: Sequence[memoryview]) -> None:
        """Copy in."""
        for buffer in buffers:
            self._data[offset : offset + len(buffer)] = buffer
            offset += len(buffer)

    def write_zeroes(self, offset: int, length: int, unmap: bool) -> None:
        """Write zeros: what was frozen keeps its room."""
        self.write(offset, zeros(length))

    def flush(self) -> None:
        """Nothing is cached."""

    def rewind(self) -> None:
        """Go back to the frozen contents, in time for what was written."""
        self._data.madvise(mmap.MADV_DONTNEED)
