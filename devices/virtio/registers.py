"""The registers of virtio over MMIO as a table, and those parts of them that keep state of their own.

Spec: virtio 1.4, "MMIO Device Register Layout".
"""

from collections.abc import Callable

from devices.irq import IrqLine
from devices.memory import GuestMemory
from devices.register import Register
from devices.state import Fields, State
from devices.virtio.constants import (
    VIRTIO_MMIO_CONFIG_GENERATION,
    VIRTIO_MMIO_DEVICE_FEATURES,
    VIRTIO_MMIO_DEVICE_FEATURES_SEL,
    VIRTIO_MMIO_DEVICE_ID,
    VIRTIO_MMIO_DRIVER_FEATURES,
    VIRTIO_MMIO_DRIVER_FEATURES_SEL,
    VIRTIO_MMIO_INT_CONFIG,
    VIRTIO_MMIO_INT_VRING,
    VIRTIO_MMIO_INTERRUPT_ACK,
    VIRTIO_MMIO_INTERRUPT_STATUS,
    VIRTIO_MMIO_MAGIC_VALUE,
    VIRTIO_MMIO_QUEUE_DESC_LOW,
    VIRTIO_MMIO_QUEUE_NOTIFY,
    VIRTIO_MMIO_QUEUE_NUM,
    VIRTIO_MMIO_QUEUE_NUM_MAX,
    VIRTIO_MMIO_QUEUE_READY,
    VIRTIO_MMIO_QUEUE_RESET,
    VIRTIO_MMIO_QUEUE_SEL,
    VIRTIO_MMIO_SHM_LEN_LOW,
    VIRTIO_MMIO_STATUS,
    VIRTIO_MMIO_VENDOR_ID,
    VIRTIO_MMIO_VERSION,
)
from devices.virtio.queue import BrokenRingError, QueueLayout, Virtqueue

VIRTIO_MMIO_SIZE = 0x1000

VIRTIO_MMIO_REGISTERS = (
    Register(VIRTIO_MMIO_MAGIC_VALUE, "MAGIC_VALUE", "r"),
    Register(VIRTIO_MMIO_VERSION, "VERSION", "r"),
    Register(VIRTIO_MMIO_DEVICE_ID, "DEVICE_ID", "r"),
    Register(VIRTIO_MMIO_VENDOR_ID, "VENDOR_ID", "r"),
    Register(VIRTIO_MMIO_DEVICE_FEATURES, "DEVICE_FEATURES", "r"),
    Register(VIRTIO_MMIO_DEVICE_FEATURES_SEL, "DEVICE_FEATURES_SEL", "w"),
    Register(VIRTIO_MMIO_DRIVER_FEATURES, "DRIVER_FEATURES", "w"),
    Register(VIRTIO_MMIO_DRIVER_FEATURES_SEL, "DRIVER_FEATURES_SEL", "w"),
    Register(VIRTIO_MMIO_QUEUE_SEL, "QUEUE_SEL", "w"),
    Register(VIRTIO_MMIO_QUEUE_NUM_MAX, "QUEUE_NUM_MAX", "r"),
    Register(VIRTIO_MMIO_QUEUE_NUM, "QUEUE_NUM", "w"),
    Register(VIRTIO_MMIO_QUEUE_READY, "QUEUE_READY"),
    Register(VIRTIO_MMIO_QUEUE_NOTIFY, "QUEUE_NOTIFY", "w"),
    Register(VIRTIO_MMIO_INTERRUPT_STATUS, "INTERRUPT_STATUS", "r"),
    Register(VIRTIO_MMIO_INTERRUPT_ACK, "INTERRUPT_ACK", "w"),
    Register(VIRTIO_MMIO_STATUS, "STATUS"),
    # DESC, AVAIL, USED; of each the low and the high half
    Register(VIRTIO_MMIO_QUEUE_DESC_LOW, "QUEUE_ADDRESS", "w", repeat=((3, 0x10), (2, 4))),
    # LEN_LOW, LEN_HIGH, BASE_LOW, BASE_HIGH; SHM_SEL has nothing to select
    Register(VIRTIO_MMIO_SHM_LEN_LOW, "SHM_REGION", "r", repeat=((4, 4),)),
    Register(VIRTIO_MMIO_QUEUE_RESET, "QUEUE_RESET"),
    Register(VIRTIO_MMIO_CONFIG_GENERATION, "CONFIG_GENERATION", "r"),
)

_U32 = 0xFFFF_FFFF
_U64 = 0xFFFF_FFFF_FFFF_FFFF


class InterruptStatus:
    """The InterruptStatus register and the wire that follows it; what a device sees of the transport."""

    def __init__(self, irq: IrqLine) -> None:
        self._irq = irq
        self.value = 0

    def used_buffer(self) -> None:
        """Send a used buffer notification."""
        self.set(self.value | VIRTIO_MMIO_INT_VRING)

    def config_changed(self) -> None:
        """Send a configuration change notification."""
        self.set(self.value | VIRTIO_MMIO_INT_CONFIG)

    def set(self, value: int) -> None:
        """Set the register; the wire is high while a bit is set."""
        self.value = value
        self._irq.set_level(value != 0)


class QueueRegisters:
    """What the driver wrote for one queue, and the queue itself while QueueReady is 1.

    Attributes:
        max_size: QueueNumMax.
        queue: the queue that the device may use, or None.
    """

    def __init__(self, max_size: int) -> None:
        self.max_size = max_size
        self.queue: Virtqueue | None = None
        self._size = max_size
        self._addresses = [0, 0, 0]

    def set_size(self, size: int) -> None:
        """Take QueueNum; it is judged when the queue is enabled, and ignored from then on."""
        if self.queue is None:
            self._size = size

    def set_address(self, part: int, half: int, value: int) -> None:
        """Take the low (0) or high (1) half of the address of DESC, AVAIL or USED; judged like the size."""
        if self.queue is None:
            self._addresses[part] &= ~(_U32 << 32 * half) & _U64
            self._addresses[part] |= value << 32 * half

    def enable(self, memory: GuestMemory, features: int, interrupt: Callable[[], None]) -> Virtqueue:
        """Make the queue, at the ring's start; raises BrokenRingError."""
        layout = QueueLayout(self._size, *self._addresses)
        self.queue = Virtqueue(memory, layout, self.max_size, features, interrupt)
        return self.queue

    def save(self) -> State:
        """Return the registers, and where the queue is in its ring."""
        return {
            "size": self._size,
            "addresses": list(self._addresses),
            "ring": self.queue.save() if self.queue else {},
        }

    def restore(
        self,
        state: object,
        where: str,
        memory: GuestMemory,
        features: int,
        interrupt: Callable[[], None],
    ) -> None:
        """Take over, when fresh, what `save()` returned; raises StateError, naming the state `where`."""
        fields = Fields(state, where, ("size", "addresses", "ring"))
        self._size = fields.integer("size", 0, _U32)
        self._addresses = fields.integers("addresses", 3, 0, _U64)
        ring = fields.value("ring")
        if ring != {}:
            try:
                queue = self.enable(memory, features, interrupt)
            except BrokenRingError as error:
                raise fields.fail("ring", str(error)) from error
            queue.restore(ring, f"{where}.ring")
