"""The entropy device: random bytes for the driver, the same ones in every run with the same seed.

Spec: virtio 1.4, "Entropy Device"; Linux: drivers/char/hw_random/virtio-rng.c.
"""

from hashlib import shake_256

from devices.memory import GuestMemory
from devices.state import Fields, State
from devices.virtio import kernels
from devices.virtio.constants import VIRTIO_ID_RNG
from devices.virtio.device import VirtioDevice
from devices.virtio.queue import Virtqueue

_QUEUE_SIZE = 8  # as QEMU's

SEED_MAX = (1 << 63) - 1

ANSWER_MAX = 4096
"""Bytes that one request gets at most; a device may answer with fewer than there is room for."""


class Rng(VirtioDevice):
    """The device; `seed` (0 to SEED_MAX) decides all that it will ever answer."""

    device_id = VIRTIO_ID_RNG
    features = 0
    queue_sizes = (_QUEUE_SIZE,)

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._seed = seed
        self._answers = 0
        self.handlers = (self._handle_requests,)

    def attach(self, memory: GuestMemory) -> None:
        """Nothing to prepare: all memory that is needed comes in buffers."""

    def config(self) -> bytes:
        """There is no configuration space."""
        return b""

    def write_config(self, offset: int, data: bytes) -> None:
        """Nothing can be written."""

    def save(self) -> State:
        """Return the seed and how far the device has come."""
        return {"seed": self._seed, "answers": self._answers}

    def restore(self, state: object) -> None:
        """Go on as the saved device would have; raises StateError."""
        fields = Fields(state, "rng", ("seed", "answers"))
        seed = fields.integer("seed", 0, SEED_MAX)
        self._answers = fields.integer("answers", 0, (1 << 63) - 1)
        self._seed = seed

    def _handle_requests(self, queue: Virtqueue) -> None:
        for batch in queue.batches():
            for row in range(batch.count):
                room = batch.writable(row)
                length = min(sum(map(len, room)), ANSWER_MAX)
                entropy = self._answer(length)
                at = 0
                for piece in room:
                    part = entropy[at : at + len(piece)]
                    piece[: len(part)] = part
                    at += len(part)
                batch.chains[row, kernels.WRITTEN] = length
            queue.push(batch)

    def _answer(self, length: int) -> bytes:
        number = self._answers.to_bytes(8, "little")
        self._answers += 1
        return shake_256(self._seed.to_bytes(8, "little") + number).digest(length)
