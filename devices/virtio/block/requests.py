"""What a driver can ask of a disk, each as a function of a sector, data to read and room to write.

A discarded range reads zero afterwards, as one does that was zeroed: a driver may not rely on it, but what a
guest reads must not depend on the host's file system.

Spec: virtio 1.4, "Block Device", "Device Operation".
"""

import errno
import struct
from collections.abc import Callable, Mapping
from typing import ClassVar, NamedTuple

from devices.virtio.backends import SECTOR_SIZE, BlockBackend
from devices.virtio.block.config import MAX_RANGES, MAX_SECTORS
from devices.virtio.constants import (
    VIRTIO_BLK_ID_BYTES,
    VIRTIO_BLK_T_DISCARD,
    VIRTIO_BLK_T_FLUSH,
    VIRTIO_BLK_T_GET_ID,
    VIRTIO_BLK_T_IN,
    VIRTIO_BLK_T_OUT,
    VIRTIO_BLK_T_WRITE_ZEROES,
    VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP,
)

Views = list[memoryview]

_RANGE = struct.Struct("<QII")  # sector, num_sectors, flags


class Requests:
    """The requests to one disk; `serial` is what GET_ID answers, cut to 20 bytes of ASCII."""

    def __init__(self, backend: BlockBackend, serial: str) -> None:
        self._backend = backend
        name = serial.encode("ascii", "replace")
        self._serial = name.ljust(VIRTIO_BLK_ID_BYTES, b"\0")[:VIRTIO_BLK_ID_BYTES]

    def carry_out(self, kind: int, sector: int, data: Views, room: Views, cached: bool) -> int:
        """Do a request; return how many bytes were written from the start of `room`.

        Args:
            kind: VIRTIO_BLK_T_*.
            sector: where on the disk, for reads and writes.
            data: what the driver wants read.
            room: what it wants written.
            cached: whether changes may stay in a cache until a flush.

        Raises:
            OSError: it failed; EOPNOTSUPP for what no such disk can do.
        """
        request = self._TYPES.get(kind)
        if request is None:
            raise OSError(errno.EOPNOTSUPP, f"there is no request {kind}")
        if request.changes and self._backend.read_only:
            raise OSError(errno.EROFS, "the disk is read-only")
        done = request.carry_out(self, sector, data, room)
        if request.changes and not cached:
            self._backend.flush()
        return done

    def _read(self, sector: int, _data: Views, room: Views) -> int:
        length = length_of(room)
        self._backend.read(self._offset(sector, length), room)
        return length

    def _write(self, sector: int, data: Views, _room: Views) -> int:
        self._backend.write(self._offset(sector, length_of(data)), data)
        return 0

    def _flush(self, _sector: int, _data: Views, _room: Views) -> int:
        self._backend.flush()
        return 0

    def _get_id(self, _sector: int, _data: Views, room: Views) -> int:
        target, _ = split(room, VIRTIO_BLK_ID_BYTES)
        at = 0
        for view in target:
            view[:] = self._serial[at : at + len(view)]
            at += len(view)
        return at

    def _discard(self, _sector: int, data: Views, _room: Views) -> int:
        offset, length, _ = self._range(data, known=0)
        self._backend.write_zeroes(offset, length, unmap=True)
        return 0

    def _write_zeroes(self, _sector: int, data: Views, _room: Views) -> int:
        offset, length, flags = self._range(data, known=VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP)
        self._backend.write_zeroes(offset, length, unmap=flags != 0)
        return 0

    def _range(self, data: Views, known: int) -> tuple[int, int, int]:
        """Return offset and length in bytes, and flags, of the one range that a request may name."""
        if length_of(data) != MAX_RANGES * _RANGE.size:
            raise OSError(errno.EINVAL, "the request does not name one range")
        sector, sectors, flags = _RANGE.unpack(b"".join(data))
        if flags & ~known:
            raise OSError(errno.EOPNOTSUPP, f"flags {flags:#x} are not known")
        if sectors > MAX_SECTORS:
            raise OSError(errno.EINVAL, f"{sectors} sectors are more than {MAX_SECTORS}")
        length = sectors * SECTOR_SIZE
        return self._offset(sector, length), length, flags

    def _offset(self, sector: int, length: int) -> int:
        """Return where `length` bytes from a sector on begin, if they are whole sectors of the disk."""
        offset = sector * SECTOR_SIZE
        if length % SECTOR_SIZE or offset + length > self._backend.size:
            raise OSError(errno.EINVAL, f"{length} bytes at {offset} are no sectors of the disk")
        return offset

    class _Type(NamedTuple):
        """What does a type of request, returning the bytes that it wrote, and whether it changes the disk."""

        carry_out: "Callable[[Requests, int, Views, Views], int]"
        changes: bool

    _TYPES: ClassVar[Mapping[int, _Type]] = {
        VIRTIO_BLK_T_IN: _Type(_read, changes=False),
        VIRTIO_BLK_T_OUT: _Type(_write, changes=True),
        VIRTIO_BLK_T_FLUSH: _Type(_flush, changes=False),
        VIRTIO_BLK_T_GET_ID: _Type(_get_id, changes=False),
        VIRTIO_BLK_T_DISCARD: _Type(_discard, changes=True),
        VIRTIO_BLK_T_WRITE_ZEROES: _Type(_write_zeroes, changes=True),
    }


def length_of(views: Views) -> int:
    """Return the bytes of all views together."""
    return sum(len(view) for view in views)


def split(views: Views, at: int) -> tuple[Views, Views]:
    """Divide a list of views after `at` bytes, or after all if they are fewer; no view is empty."""
    head: Views = []
    for index, view in enumerate(views):
        if at < len(view):
            return ([*head, view[:at]] if at else head), [view[at:], *views[index + 1 :]]
        head.append(view)
        at -= len(view)
    return head, []
