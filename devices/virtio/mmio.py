"""Virtio over MMIO, version 2: the registers between one driver and one device.

The guest's stores change registers and nothing else. QueueNotify only records the queue and calls
`kick`; the machine then stops the CPU and calls `service()`, which is where the device touches memory. A
reset (a write of 0 to Status) is the exception: it takes everything back at once, so that the driver may
free its rings right after.

What a driver must not do gets the mildest answer that keeps the device sound: a register that is not
there reads 0, a write out of its turn is ignored, features that were not offered leave FEATURES_OK
clear. A ring that cannot be used, when it is enabled or later, puts the device into DEVICE_NEEDS_RESET,
where it stays until the reset.

Spec: virtio 1.4, "Virtio Over MMIO"; Linux: drivers/virtio/virtio_mmio.c.
"""

from collections.abc import Callable

from devices.irq import IrqLine
from devices.memory import GuestMemory
from devices.state import Fields, State
from devices.virtio.constants import (
    VIRTIO_CONFIG_S_DRIVER_OK,
    VIRTIO_CONFIG_S_FEATURES_OK,
    VIRTIO_CONFIG_S_NEEDS_RESET,
    VIRTIO_F_RING_RESET,
    VIRTIO_F_VERSION_1,
    VIRTIO_MMIO_CONFIG,
    VIRTIO_MMIO_INT_CONFIG,
    VIRTIO_MMIO_INT_VRING,
    VIRTIO_RING_F_EVENT_IDX,
    VIRTIO_RING_F_INDIRECT_DESC,
)
from devices.virtio.device import VirtioDevice
from devices.virtio.queue import BrokenRingError
from devices.virtio.registers import (
    VIRTIO_MMIO_REGISTERS,
    VIRTIO_MMIO_SIZE,
    InterruptStatus,
    QueueRegisters,
)
from devices.virtio.slot import Slot
from devices.virtio.status import STATUS_MASK, next_status, reachable

MAGIC = int.from_bytes(b"virt", "little")
VENDOR = int.from_bytes(b"thaw", "little")

TRANSPORT_FEATURES = (
    1 << VIRTIO_RING_F_INDIRECT_DESC
    | 1 << VIRTIO_RING_F_EVENT_IDX
    | 1 << VIRTIO_F_VERSION_1
    | 1 << VIRTIO_F_RING_RESET
)
"""Feature bits that every device gets from the ring and this transport."""

_FEATURE_WORDS = 4
"""Words of 32 feature bits that a driver can write: virtio 1.4 defines bits 0..127."""

_FAULT_CHARACTERS = 200
_RUNNING = VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_NEEDS_RESET

_U32 = 0xFFFF_FFFF


class VirtioMmio(Slot):
    """One slot of the bus with a device in it (a `devices.mmio.MmioDevice`).

    `kick` is called when the guest did something that the host should look at: a notification, a new
    status, a write to the configuration space.

    Attributes:
        device: the device in the slot.
        fault: why the device needs a reset, or "".
    """

    _status: int
    _driver_features: int

    def __init__(
        self, device: VirtioDevice, memory: GuestMemory, irq: IrqLine, kick: Callable[[], None]
    ) -> None:
        super().__init__(VIRTIO_MMIO_SIZE, VIRTIO_MMIO_REGISTERS)
        device.attach(memory)
        self.device = device
        self._memory = memory
        self._kick = kick
        self._interrupt = InterruptStatus(irq)
        self._clear()

    @property
    def _offered(self) -> int:
        return self.device.features | TRANSPORT_FEATURES

    @property
    def pending(self) -> bool:
        """Whether `service()` has something to do."""
        return self._running and self._notified != 0

    def service(self) -> None:
        """Run the queues that were notified; the CPU must not be running."""
        while self.pending:
            index = (self._notified & -self._notified).bit_length() - 1
            self._notified &= ~(1 << index)
            queue = self._queues[index].queue
            if queue is not None:
                queue.index, queue.watchers = index, self.device.watchers
                try:
                    self.device.handlers[index](queue)
                except BrokenRingError as error:
                    self._break(f"queue {index}: {error}")

    def reset(self) -> None:
        """Reset device and transport as a write of 0 to Status does."""
        self.device.reset()
        self._clear()
        self._interrupt.set(0)

    def _load(self, offset: int, size: int) -> int:
        """Answer a load from a register or from the configuration space, which has zeros behind it."""
        if offset < VIRTIO_MMIO_CONFIG:
            return super()._load(offset, size)
        at = offset - VIRTIO_MMIO_CONFIG
        return int.from_bytes(self.device.config()[at : at + size], "little")

    def _store(self, offset: int, size: int, value: int) -> None:
        """Take a store to a register or to the configuration space."""
        if offset < VIRTIO_MMIO_CONFIG:
            super()._store(offset, size, value)
            return
        data = (value & (1 << 8 * size) - 1).to_bytes(size, "little")
        self.device.write_config(offset - VIRTIO_MMIO_CONFIG, data)
        self._kick()

    def read_magic_value(self) -> int:
        """The bytes "virt"."""
        return MAGIC

    def read_version(self) -> int:
        """Not the legacy interface."""
        return 2

    def read_device_id(self) -> int:
        """VIRTIO_ID_*."""
        return self.device.device_id

    def read_vendor_id(self) -> int:
        """Ours."""
        return VENDOR

    def read_device_features(self) -> int:
        """The selected word of the offered features."""
        sel = self._device_features_sel
        return self._offered >> 32 * sel & _U32 if sel < _FEATURE_WORDS else 0

    def write_device_features_sel(self, value: int) -> None:
        """Select a word for DeviceFeatures."""
        self._device_features_sel = value

    def write_driver_features(self, value: int) -> None:
        """Take the selected word of accepted features; final once FEATURES_OK is set."""
        sel = self._driver_features_sel
        if self._status & VIRTIO_CONFIG_S_FEATURES_OK or sel >= _FEATURE_WORDS:
            return
        self._driver_features &= ~(_U32 << 32 * sel)
        self._driver_features |= value << 32 * sel

    def write_driver_features_sel(self, value: int) -> None:
        """Select a word for DriverFeatures."""
        self._driver_features_sel = value

    def write_queue_sel(self, value: int) -> None:
        """Select the queue that the other queue registers speak of."""
        self._queue_sel = value

    def read_queue_num_max(self) -> int:
        """Largest size of the queue; 0 says that there is none."""
        queue = self._selected()
        return queue.max_size if queue else 0

    def write_queue_num(self, value: int) -> None:
        """Take the queue's size; it is judged when the queue is enabled."""
        queue = self._selected()
        if queue:
            queue.set_size(value)

    def write_queue_address(self, part: int, half: int, value: int) -> None:
        """Take one half of the address of one part; judged when the queue is enabled."""
        queue = self._selected()
        if queue:
            queue.set_address(part, half, value)

    def read_queue_ready(self) -> int:
        """Whether the device may use the queue."""
        queue = self._selected()
        return int(queue is not None and queue.queue is not None)

    def write_queue_ready(self, value: int) -> None:
        """Enable the queue from the ring's start (1), or take it away from the device (0).

        Features decide how the ring is read, so a queue can be enabled only when they are settled.
        """
        queue = self._selected()
        if not queue:
            return
        if value == 0:
            queue.queue = None
        elif value == 1 and queue.queue is None and self._status & VIRTIO_CONFIG_S_FEATURES_OK:
            try:
                queue.enable(self._memory, self._driver_features, self._interrupt.used_buffer)
            except BrokenRingError as error:
                self._break(f"queue {self._queue_sel}: {error}")

    def read_queue_reset(self) -> int:
        """A queue's reset is over before the driver can look."""
        return 0

    def write_queue_reset(self, value: int) -> None:
        """Bring the queue back to its state after a reset (1), if VIRTIO_F_RING_RESET was negotiated."""
        queue = self._selected()
        negotiated = self._status & VIRTIO_CONFIG_S_FEATURES_OK and self._has(VIRTIO_F_RING_RESET)
        if queue and value == 1 and negotiated:
            self._queues[self._queue_sel] = QueueRegisters(queue.max_size)

    def write_queue_notify(self, value: int) -> None:
        """Record that the driver made chains available; spurious ones are fine."""
        if value < len(self._queues):
            self._notified |= 1 << value
            self._kick()

    def read_interrupt_status(self) -> int:
        """VIRTIO_MMIO_INT_* since the last acknowledgement."""
        return self._interrupt.value

    def write_interrupt_ack(self, value: int) -> None:
        """Clear bits of InterruptStatus."""
        self._interrupt.set(self._interrupt.value & ~value)

    def read_status(self) -> int:
        """The device status."""
        return self._status

    def write_status(self, value: int) -> None:
        """Reset (0), or set status bits as far as their turn has come."""
        if value == 0:
            self.reset()
        else:
            before = self._status
            self._status = next_status(before, value, self._acceptable(self._driver_features))
            if self._status & ~before & VIRTIO_CONFIG_S_DRIVER_OK:
                self.device.activate(self._interrupt, self._driver_features)
        self._kick()

    def read_shm_region(self, _word: int) -> int:
        """Length and base of a region that does not exist: all ones."""
        return _U32

    def read_config_generation(self) -> int:
        """Changes when the device changed its configuration space."""
        return self.device.config_generation

    def save(self) -> State:
        """Return the whole state of transport, queues and device."""
        return {
            "device_id": self.device.device_id,
            "status": self._status,
            "fault": self.fault,
            "device_features_sel": self._device_features_sel,
            "driver_features_sel": self._driver_features_sel,
            "driver_features": self._driver_features,
            "queue_sel": self._queue_sel,
            "interrupt_status": self._interrupt.value,
            "notified": self._notified,
            "queues": [queue.save() for queue in self._queues],
            "device": self.device.save(),
        }

    def restore(self, state: State) -> None:
        """Become what `save()` described; raises StateError and then has changed nothing."""
        fields = Fields(state, "virtio", tuple(self.save()))
        fields.integer("device_id", self.device.device_id, self.device.device_id)
        status = fields.integer("status", 0, STATUS_MASK)
        if not reachable(status):
            raise fields.fail("status", f"{status:#x} skips a step of the initialization")
        fault = fields.text("fault", _FAULT_CHARACTERS)
        device_features_sel = fields.integer("device_features_sel", 0, _U32)
        driver_features_sel = fields.integer("driver_features_sel", 0, _U32)
        driver_features = fields.integer("driver_features", 0, (1 << 32 * _FEATURE_WORDS) - 1)
        if status & VIRTIO_CONFIG_S_FEATURES_OK and not self._acceptable(driver_features):
            raise fields.fail("driver_features", f"the device does not offer {driver_features:#x}")
        queue_sel = fields.integer("queue_sel", 0, _U32)
        interrupts = fields.integer("interrupt_status", 0, VIRTIO_MMIO_INT_VRING | VIRTIO_MMIO_INT_CONFIG)
        sizes = self.device.queue_sizes
        notified = fields.integer("notified", 0, (1 << len(sizes)) - 1)
        queues = [QueueRegisters(size) for size in sizes]
        for index, item in enumerate(fields.items("queues", len(sizes), len(sizes))):
            where = f"virtio.queues[{index}]"
            queues[index].restore(item, where, self._memory, driver_features, self._interrupt.used_buffer)
        self.device.restore(fields.value("device"))
        self.device.reset()
        self._status = status
        self.fault = fault
        self._device_features_sel = device_features_sel
        self._driver_features_sel = driver_features_sel
        self._driver_features = driver_features
        self._queue_sel = queue_sel
        self._notified = notified
        self._queues = queues
        if status & VIRTIO_CONFIG_S_DRIVER_OK:
            self.device.activate(self._interrupt, driver_features)
        self._interrupt.set(interrupts)

    @property
    def _running(self) -> bool:
        return self._status & _RUNNING == VIRTIO_CONFIG_S_DRIVER_OK

    def _clear(self) -> None:
        """Put everything that the driver wrote back to its value after a reset."""
        self._status = 0
        self.fault = ""
        self._device_features_sel = 0
        self._driver_features_sel = 0
        self._driver_features = 0
        self._queue_sel = 0
        self._notified = 0
        self._queues = [QueueRegisters(size) for size in self.device.queue_sizes]

    def _selected(self) -> QueueRegisters | None:
        return self._queues[self._queue_sel] if self._queue_sel < len(self._queues) else None

    def _has(self, feature: int) -> bool:
        return bool(self._driver_features >> feature & 1)

    def _acceptable(self, features: int) -> bool:
        """Whether a driver may choose these: offered ones only, and this is no legacy device."""
        return not features & ~self._offered and bool(features >> VIRTIO_F_VERSION_1 & 1)

    def _break(self, reason: str) -> None:
        """Enter DEVICE_NEEDS_RESET; a driver that is past DRIVER_OK hears of it."""
        self.fault = reason[:_FAULT_CHARACTERS]
        self._status |= VIRTIO_CONFIG_S_NEEDS_RESET
        if self._status & VIRTIO_CONFIG_S_DRIVER_OK:
            self._interrupt.config_changed()
