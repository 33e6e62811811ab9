"""One look of a device at a queue, with the used ring in the open.

The device does its work and writes its answers; the guest stands still meanwhile, so what is changed in the
used ring before it goes on is what the guest finds there.

Spec: virtio 1.4, "The Virtqueue Used Ring".
"""

from collections.abc import Callable
from typing import NamedTuple

from devices.memory import GuestMemory
from devices.virtio import kernels
from devices.virtio.queue import Batch, QueueWatcher, Virtqueue

_U16 = 0xFFFF
_IDX = 2  # bytes into the available and the used ring
_RING = 4
_ELEMENT = 8


class Answer(NamedTuple):
    """A used element: the chain's head, and the bytes that the device wrote."""

    head: int
    length: int


class Visit:
    """A device at one of its queues.

    Args:
        queue: the queue.
        memory: where it lies.
        work: what a good device would do now.

    Attributes:
        answers: what the device gave back on this visit, in order.
    """

    def __init__(self, queue: Virtqueue, memory: GuestMemory, work: Callable[[Virtqueue], None]) -> None:
        self.queue = queue
        self.answers: list[Answer] = []
        self._memory = memory
        self._work = work

    @property
    def waiting(self) -> int:
        """Requests that the driver has made available, and the device has not taken."""
        available = self._u16(self.queue.layout.avail + _IDX)
        return (available - self.queue.next_avail) & _U16

    @property
    def used_idx(self) -> int:
        """How many answers the driver can see, counted over 16 bits."""
        return self._u16(self.queue.layout.used + _IDX)

    @used_idx.setter
    def used_idx(self, value: int) -> None:
        self._memory.write(self.queue.layout.used + _IDX, (value & _U16).to_bytes(2, "little"))

    def shown(self, idx: int) -> Answer:
        """Return the used element that the driver finds at a used index."""
        data = self._memory.read(self._element(idx), _ELEMENT)
        return Answer(int.from_bytes(data[:4], "little"), int.from_bytes(data[4:], "little"))

    def show(self, idx: int, answer: Answer) -> None:
        """Replace the used element that the driver finds at a used index."""
        data = b"".join(field.to_bytes(4, "little") for field in answer)
        self._memory.write(self._element(idx), data)

    def serve(self, *, answered: bool = True) -> None:
        """Have the device do all that waits, and take note of its answers.

        Args:
            answered: whether the driver will be able to read them; if not, whoever looks on does not hear
                that it has its buffers back.
        """
        watchers = self.queue.watchers
        self.queue.watchers = (*(watchers if answered else map(_Unanswered, watchers)), self)
        try:
            self._work(self.queue)
        finally:
            self.queue.watchers = watchers

    def taken(self, queue: Virtqueue, batch: Batch) -> None:
        """See `devices.virtio.queue.QueueWatcher`."""

    def given_back(self, _queue: Virtqueue, batch: Batch) -> None:
        """See `devices.virtio.queue.QueueWatcher`."""
        rows = batch.chains[: batch.count, [kernels.HEAD, kernels.WRITTEN]].tolist()
        self.answers += [Answer(head, written) for head, written in rows]

    def _element(self, idx: int) -> int:
        return self.queue.layout.used + _RING + _ELEMENT * (idx % self.queue.layout.size)

    def _u16(self, address: int) -> int:
        return int.from_bytes(self._memory.read(address, 2), "little")


class _Unanswered:
    """Tells a watcher of what the device takes, and not of what it gives back."""

    def __init__(self, watcher: QueueWatcher) -> None:
        self.taken = watcher.taken

    def given_back(self, queue: Virtqueue, batch: Batch) -> None:
        """See `devices.virtio.queue.QueueWatcher`."""
