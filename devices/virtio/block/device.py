"""The device: its features, its cache, and how a chain is a request.

A request is a header (type, sector), data, and one status byte, spread over a chain in any way: the
header is the first 16 readable bytes, the status is the last writable byte, and the data are what is
between on the side that the type needs. A request whose header is short is an I/O error; one without
room for a status is given back silently, as there is no place for an answer. The used length counts what
is written without a gap from the first writable byte on, so a failed read with room for data says 0, and
its status byte is there all the same.

Whether a change may stay in the cache is the driver's to say: by `writeback`, if it took
VIRTIO_BLK_F_CONFIG_WCE. Otherwise by VIRTIO_BLK_F_FLUSH: a driver without it cannot ask for a flush, so each
change is made durable before it is reported done.

Spec: virtio 1.4, "Block Device", "Device Initialization" and "Device Operation".
"""

import errno
import struct

from devices.memory import GuestMemory
from devices.state import Fields, State
from devices.virtio import kernels
from devices.virtio.backends import BlockBackend
from devices.virtio.block.config import QUEUE_SIZE, WRITEBACK, describe
from devices.virtio.block.requests import Requests, Views, length_of, split
from devices.virtio.constants import (
    VIRTIO_BLK_F_BLK_SIZE,
    VIRTIO_BLK_F_CONFIG_WCE,
    VIRTIO_BLK_F_DISCARD,
    VIRTIO_BLK_F_FLUSH,
    VIRTIO_BLK_F_GEOMETRY,
    VIRTIO_BLK_F_RO,
    VIRTIO_BLK_F_SEG_MAX,
    VIRTIO_BLK_F_TOPOLOGY,
    VIRTIO_BLK_F_WRITE_ZEROES,
    VIRTIO_BLK_S_IOERR,
    VIRTIO_BLK_S_OK,
    VIRTIO_BLK_S_UNSUPP,
    VIRTIO_F_VERSION_1,
    VIRTIO_ID_BLOCK,
)
from devices.virtio.device import VirtioDevice
from devices.virtio.queue import Virtqueue

_HEADER = struct.Struct("<IIQ")  # type, reserved, sector


class Block(VirtioDevice):
    """The device over `backend`; `serial` is what GET_ID answers, cut to 20 bytes of ASCII."""

    device_id = VIRTIO_ID_BLOCK
    queue_sizes = (QUEUE_SIZE,)

    def __init__(self, backend: BlockBackend, serial: str) -> None:
        super().__init__()
        self.features = (
            1 << VIRTIO_BLK_F_SEG_MAX
            | 1 << VIRTIO_BLK_F_GEOMETRY
            | 1 << VIRTIO_BLK_F_BLK_SIZE
            | 1 << VIRTIO_BLK_F_FLUSH
            | 1 << VIRTIO_BLK_F_TOPOLOGY
            | 1 << VIRTIO_BLK_F_CONFIG_WCE
            | 1 << VIRTIO_BLK_F_DISCARD
            | 1 << VIRTIO_BLK_F_WRITE_ZEROES
            | backend.read_only << VIRTIO_BLK_F_RO
        )
        self._backend = backend
        self._requests = Requests(backend, serial)
        self._writeback = True
        self.handlers = (self._handle_requests,)

    def attach(self, memory: GuestMemory) -> None:
        """Nothing to prepare: all memory that a request needs comes with it."""

    def config(self) -> bytes:
        """Return struct virtio_blk_config, as far as the offered features define it."""
        return describe(self._backend.size, self._writeback)

    def write_config(self, offset: int, data: bytes) -> None:
        """Take `writeback`, the one field that a driver may write; legacy drivers do it when they like."""
        at = WRITEBACK - offset
        if 0 <= at < len(data):
            self._writeback = data[at] != 0

    def agree(self, features: int) -> None:
        """Write through for a driver that can choose the cache's mode, but not flush it.

        On the legacy interface the mode stays what it was.
        """
        chooses = features >> VIRTIO_BLK_F_CONFIG_WCE & features >> VIRTIO_F_VERSION_1 & 1
        if chooses and not features >> VIRTIO_BLK_F_FLUSH & 1:
            self._writeback = False

    def reset(self) -> None:
        """Forget the driver, and the mode that it chose."""
        super().reset()
        self._writeback = True

    def save(self) -> State:
        """Return the disk's size and the cache's mode; the contents are the backend's."""
        return {"size": self._backend.size, "writeback": int(self._writeback)}

    def restore(self, state: object) -> None:
        """Take over the mode, if the state is of a disk of this size; raises StateError."""
        fields = Fields(state, "block", ("size", "writeback"))
        fields.integer("size", self._backend.size, self._backend.size)
        self._writeback = fields.integer("writeback", 0, 1) != 0

    @property
    def _cached(self) -> bool:
        """Whether a change may be reported done while it is in the cache."""
        return self._writeback if self._has(VIRTIO_BLK_F_CONFIG_WCE) else self._has(VIRTIO_BLK_F_FLUSH)

    def _handle_requests(self, queue: Virtqueue) -> None:
        """Carry out all requests, in order."""
        for batch in queue.batches():
            for row in range(batch.count):
                written = self._request(batch.readable(row), batch.writable(row))
                batch.chains[row, kernels.WRITTEN] = written
            queue.push(batch)

    def _request(self, readable: Views, writable: Views) -> int:
        """Carry out one request and return its used length in bytes."""
        if not writable:
            return 0
        room, status = split(writable, length_of(writable) - 1)
        header, data = split(readable, _HEADER.size)
        done = 0
        code = VIRTIO_BLK_S_IOERR
        if length_of(header) == _HEADER.size:
            kind, _, sector = _HEADER.unpack(b"".join(header))
            try:
                done = self._requests.carry_out(kind, sector, data, room, self._cached)
                code = VIRTIO_BLK_S_OK
            except OSError as error:
                code = VIRTIO_BLK_S_UNSUPP if error.errno == errno.EOPNOTSUPP else VIRTIO_BLK_S_IOERR
        status[0][0] = code
        return done + 1 if done == length_of(room) else done
