"""The block device: sectors of a backend, read and written by requests of one queue.

A request is a header (type, sector), data, and one status byte, spread over a chain in any way: the
header is the first 16 readable bytes, the status is the last writable byte, and the data are what is
between on the side that the type needs. A request whose header is short is an I/O error; one without
room for a status is given back silently, as there is no place for an answer. The used length counts what
is written without a gap from the first writable byte on, so a failed read with room for data says 0, and
its status byte is there all the same.

A driver that did not take VIRTIO_BLK_F_FLUSH cannot ask for one, so each write is then made durable at
once.

Spec: virtio 1.4, "Block Device"; Linux: drivers/block/virtio_blk.c.
"""

import struct

from devices.memory import GuestMemory
from devices.state import Fields, State
from devices.virtio import kernels
from devices.virtio.backends import SECTOR_SIZE, BlockBackend
from devices.virtio.constants import (
    VIRTIO_BLK_F_BLK_SIZE,
    VIRTIO_BLK_F_FLUSH,
    VIRTIO_BLK_F_RO,
    VIRTIO_BLK_F_SEG_MAX,
    VIRTIO_BLK_ID_BYTES,
    VIRTIO_BLK_S_IOERR,
    VIRTIO_BLK_S_OK,
    VIRTIO_BLK_S_UNSUPP,
    VIRTIO_BLK_T_FLUSH,
    VIRTIO_BLK_T_GET_ID,
    VIRTIO_BLK_T_IN,
    VIRTIO_BLK_T_OUT,
    VIRTIO_ID_BLOCK,
)
from devices.virtio.device import VirtioDevice
from devices.virtio.queue import Virtqueue

_QUEUE_SIZE = 256
_SEG_MAX = _QUEUE_SIZE - 2  # a chain's other two descriptors are header and status
_HEADER = struct.Struct("<IIQ")  # type, reserved, sector
_CONFIG = struct.Struct("<QIIHBBI")  # capacity, size_max, seg_max, geometry (three), blk_size

_Views = list[memoryview]


class Block(VirtioDevice):
    """The device over `backend`; `serial` is what GET_ID answers, cut to 20 bytes of ASCII."""

    device_id = VIRTIO_ID_BLOCK
    queue_sizes = (_QUEUE_SIZE,)

    def __init__(self, backend: BlockBackend, serial: str) -> None:
        super().__init__()
        self.features = (
            1 << VIRTIO_BLK_F_SEG_MAX
            | 1 << VIRTIO_BLK_F_BLK_SIZE
            | 1 << VIRTIO_BLK_F_FLUSH
            | backend.read_only << VIRTIO_BLK_F_RO
        )
        self._backend = backend
        name = serial.encode("ascii", "replace")
        self._serial = name.ljust(VIRTIO_BLK_ID_BYTES, b"\0")[:VIRTIO_BLK_ID_BYTES]
        self.handlers = (self._handle_requests,)
        self._requests = {
            VIRTIO_BLK_T_IN: self._read,
            VIRTIO_BLK_T_OUT: self._write,
            VIRTIO_BLK_T_FLUSH: self._flush,
            VIRTIO_BLK_T_GET_ID: self._get_id,
        }

    def attach(self, memory: GuestMemory) -> None:
        """Nothing to prepare: all memory that a request needs comes with it."""

    def config(self) -> bytes:
        """Return the fields of struct virtio_blk_config that the offered features define."""
        return _CONFIG.pack(self._backend.size // SECTOR_SIZE, 0, _SEG_MAX, 0, 0, 0, SECTOR_SIZE)

    def write_config(self, offset: int, data: bytes) -> None:
        """Nothing can be written."""

    def save(self) -> State:
        """Return the disk's size; its contents are the backend's."""
        return {"size": self._backend.size}

    def restore(self, state: object) -> None:
        """Check that the state is of a disk of this size; raises StateError."""
        Fields(state, "block", ("size",)).integer("size", self._backend.size, self._backend.size)

    def _handle_requests(self, queue: Virtqueue) -> None:
        """Carry out all requests, in order."""
        for batch in queue.batches():
            for row in range(batch.count):
                written = self._request(batch.readable(row), batch.writable(row))
                batch.chains[row, kernels.WRITTEN] = written
            queue.push(batch)

    def _request(self, readable: _Views, writable: _Views) -> int:
        """Carry out one request and return its used length in bytes."""
        if not writable:
            return 0
        room, status = _split(writable, _length(writable) - 1)
        header, data = _split(readable, _HEADER.size)
        done = 0
        code = VIRTIO_BLK_S_IOERR
        if _length(header) == _HEADER.size:
            kind, _, sector = _HEADER.unpack(b"".join(header))
            request = self._requests.get(kind)
            if request is None:
                code = VIRTIO_BLK_S_UNSUPP
            else:
                try:
                    done = request(sector * SECTOR_SIZE, data, room)
                    code = VIRTIO_BLK_S_OK
                except OSError:
                    code = VIRTIO_BLK_S_IOERR
        status[0][0] = code
        return done + 1 if done == _length(room) else done

    # The four requests. Each returns the bytes that it wrote from the start of `room`, and raises OSError.

    def _read(self, offset: int, _data: _Views, room: _Views) -> int:
        self._check_range(offset, _length(room))
        self._backend.read(offset, room)
        return _length(room)

    def _write(self, offset: int, data: _Views, _room: _Views) -> int:
        self._check_range(offset, _length(data))
        if self._backend.read_only:
            raise OSError("the disk is read-only")
        self._backend.write(offset, data)
        if not self._has(VIRTIO_BLK_F_FLUSH):
            self._backend.flush()
        return 0

    def _flush(self, _offset: int, _data: _Views, _room: _Views) -> int:
        self._backend.flush()
        return 0

    def _get_id(self, _offset: int, _data: _Views, room: _Views) -> int:
        target, _ = _split(room, VIRTIO_BLK_ID_BYTES)
        at = 0
        for view in target:
            view[:] = self._serial[at : at + len(view)]
            at += len(view)
        return at

    def _check_range(self, offset: int, length: int) -> None:
        if length % SECTOR_SIZE or offset + length > self._backend.size:
            raise OSError(f"{length} bytes at {offset} are no sectors of the disk")


def _length(views: _Views) -> int:
    return sum(len(view) for view in views)


def _split(views: _Views, at: int) -> tuple[_Views, _Views]:
    """Divide a list of views after `at` bytes, or after all if they are fewer; no view is empty."""
    head: _Views = []
    for index, view in enumerate(views):
        if at < len(view):
            return ([*head, view[:at]] if at else head), [view[at:], *views[index + 1 :]]
        head.append(view)
        at -= len(view)
    return head, []
