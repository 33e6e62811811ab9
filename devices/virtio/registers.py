"""Those parts of virtio-mmio's registers that keep state of their own: the interrupt, and each queue's place.

Spec: virtio 1.4, "MMIO Device Register Layout".
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

from devices.irq import IrqLine
from devices.memory import GuestMemory
from devices.state import Fields, State
from devices.virtio.queue import BrokenRingError, QueueLayout, Virtqueue

_U32 = 0xFFFF_FFFF


class InterruptStatus:
    """The InterruptStatus register and the wire that follows it."""

    def __init__(self, irq: IrqLine) -> None:
        self._irq = irq
        self.value = 0

    def add(self, bit: int) -> None:
        """Say that a VIRTIO_MMIO_INT_* event took place."""
        self.set(self.value | bit)

    def set(self, value: int) -> None:
        """Set the register; the wire is high while a bit is set."""
        self.value = value
        self._irq.set_level(value != 0)


class QueueRegisters(ABC):
    """What the driver wrote for one queue, and the queue itself while the device may use it.

    Attributes:
        max_size: QueueNumMax.
        queue: the queue that the device may use, or None.
    """

    def __init__(self, max_size: int) -> None:
        self.max_size = max_size
        self.queue: Virtqueue | None = None
        self._size = max_size

    def set_size(self, size: int) -> None:
        """Take QueueNum; it is judged when the queue is enabled, and ignored from then on."""
        if self.queue is None:
            self._size = size

    @abstractmethod
    def layout(self) -> QueueLayout:
        """Return where the registers say that the queue is; raises BrokenRingError if they say nothing."""

    def enable(self, memory: GuestMemory, features: int, interrupt: Callable[[], None]) -> Virtqueue:
        """Make the queue, at the ring's start; raises BrokenRingError."""
        self.queue = Virtqueue(memory, self.layout(), self.max_size, features, interrupt)
        return self.queue

    def save(self) -> State:
        """Return the registers, and where the queue is in its ring."""
        return {"size": self._size, "ring": self.queue.save() if self.queue else {}, **self._save_place()}

    def restore(
        self,
        state: object,
        where: str,
        memory: GuestMemory,
        features: int,
        interrupt: Callable[[], None],
    ) -> None:
        """Take over, when fresh, what `save()` returned; raises StateError, naming the state `where`."""
        fields = Fields(state, where, tuple(self.save()))
        self._size = fields.integer("size", 0, _U32)
        self._restore_place(fields)
        ring = fields.value("ring")
        if ring != {}:
            try:
                queue = self.enable(memory, features, interrupt)
            except BrokenRingError as error:
                raise fields.fail("ring", str(error)) from error
            queue.restore(ring, f"{where}.ring")

    @abstractmethod
    def _save_place(self) -> State:
        """Return the registers that `layout` is made of, but for the size."""

    @abstractmethod
    def _restore_place(self, fields: Fields) -> None:
        """Take them over; raises StateError."""
