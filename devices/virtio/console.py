"""The console: a line of bytes between host and driver, without a UART's registers in between.

One port, always open, without size and without control queues. What the host sends waits here until the
driver has buffers for it, over a reset too; what the driver sends goes to the host at once.

Spec: virtio 1.4, "Console Device"; Linux: drivers/char/virtio_console.c.
"""

from collections.abc import Callable

from devices.memory import GuestMemory
from devices.state import Fields, State
from devices.virtio import kernels
from devices.virtio.constants import VIRTIO_ID_CONSOLE
from devices.virtio.device import Carrier, VirtioDevice
from devices.virtio.queue import Virtqueue

_QUEUE_SIZE = 128  # as QEMU's
_RECEIVEQ = 0

INPUT_MAX = 1 << 20
"""Bytes that wait for the driver; what comes on top of them is lost, as on any line without flow control."""


class VirtioConsole(VirtioDevice):
    """The device; `transmit` is given each byte that the driver sends."""

    device_id = VIRTIO_ID_CONSOLE
    features = 0
    queue_sizes = (_QUEUE_SIZE, _QUEUE_SIZE)

    def __init__(self, transmit: Callable[[int], None]) -> None:
        super().__init__()
        self._transmit = transmit
        self._input = bytearray()
        self.handlers = (self._handle_receiveq, self._handle_transmitq)

    def receive(self, data: bytes) -> None:
        """Send bytes to the driver: now, or when there is one with room for them."""
        self._input += data[: INPUT_MAX - len(self._input)]
        if self._carrier is not None:
            self._carrier.attend(_RECEIVEQ)

    def activate(self, carrier: Carrier, features: int) -> None:
        """Start working, with what came before there was a driver."""
        super().activate(carrier, features)
        if self._input:
            carrier.attend(_RECEIVEQ)

    def attach(self, memory: GuestMemory) -> None:
        """Nothing to prepare: all memory that is needed comes in buffers."""

    def config(self) -> bytes:
        """Return struct virtio_console_config: none of its fields is there without its feature."""
        return b""

    def write_config(self, offset: int, data: bytes) -> None:
        """Nothing can be written."""

    def save(self) -> State:
        """Return what waits for the driver."""
        return {"input": bytes(self._input)}

    def restore(self, state: object) -> None:
        """Take over what waits; raises StateError."""
        self._input[:] = Fields(state, "console", ("input",)).data("input", 0, INPUT_MAX)

    def _handle_receiveq(self, queue: Virtqueue) -> None:
        """Put what waits into the driver's buffers; those that stay empty stay in the ring."""
        for _ in range(queue.layout.size):
            if not self._input:
                return
            for batch in queue.batches(most=1):
                written = 0
                for piece in batch.writable(0):
                    count = min(len(piece), len(self._input))
                    piece[:count] = self._input[:count]
                    del self._input[:count]
                    written += count
                batch.chains[0, kernels.WRITTEN] = written
                queue.push(batch)

    def _handle_transmitq(self, queue: Virtqueue) -> None:
        """Give the host what the driver sends."""
        for batch in queue.batches():
            for row in range(batch.count):
                for piece in batch.readable(row):
                    for byte in piece:
                        self._transmit(byte)
            queue.push(batch)
