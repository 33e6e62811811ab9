"""Virtio over MMIO: the registers between one driver and one device, as far as both interfaces share them.

The guest's stores change registers and nothing else. QueueNotify only records the queue and calls
`kick`; the machine then stops the CPU and calls `service()`, which is where the device touches memory. A
reset (a write of 0 to Status) is the exception: it takes everything back at once, so that the driver may
free its rings right after.

What a driver must not do gets the mildest answer that keeps the device sound: a register that is not
there reads 0, a write out of its turn is ignored, features that were not offered leave FEATURES_OK
clear. A ring that cannot be used, when it is enabled or later, puts the device into DEVICE_NEEDS_RESET,
where it stays until the reset.

How a driver places and takes away a queue, and in which order it sets the bits of Status, is the interface's:
`devices.virtio.mmio` (version 2) and `devices.virtio.legacy` (version 1).

Spec: virtio 1.4, "Virtio Over MMIO"; Linux: drivers/virtio/virtio_mmio.c.
"""

from collections.abc import Callable
from typing import ClassVar, Generic, TypeVar

from devices.irq import IrqLine
from devices.memory import GuestMemory
from devices.register import Register
from devices.state import Fields, State
from devices.virtio.constants import (
    VIRTIO_CONFIG_S_DRIVER_OK,
    VIRTIO_CONFIG_S_FEATURES_OK,
    VIRTIO_CONFIG_S_NEEDS_RESET,
    VIRTIO_CONFIG_S_SUSPEND,
    VIRTIO_F_SUSPEND,
    VIRTIO_MMIO_CONFIG,
    VIRTIO_MMIO_DEVICE_FEATURES,
    VIRTIO_MMIO_DEVICE_FEATURES_SEL,
    VIRTIO_MMIO_DRIVER_FEATURES,
    VIRTIO_MMIO_DRIVER_FEATURES_SEL,
    VIRTIO_MMIO_INT_CONFIG,
    VIRTIO_MMIO_INT_VRING,
    VIRTIO_MMIO_INTERRUPT_ACK,
    VIRTIO_MMIO_INTERRUPT_STATUS,
    VIRTIO_MMIO_QUEUE_NOTIFY,
    VIRTIO_MMIO_QUEUE_NUM,
    VIRTIO_MMIO_QUEUE_NUM_MAX,
    VIRTIO_MMIO_QUEUE_SEL,
    VIRTIO_MMIO_STATUS,
    VIRTIO_MMIO_VENDOR_ID,
)
from devices.virtio.device import VirtioDevice
from devices.virtio.queue import BrokenRingError
from devices.virtio.registers import InterruptStatus, QueueRegisters
from devices.virtio.slot import Slot
from devices.virtio.status import Lifecycle

VENDOR = int.from_bytes(b"thaw", "little")

_REGISTERS = (
    Register(VIRTIO_MMIO_VENDOR_ID, "VENDOR_ID", "r"),
    Register(VIRTIO_MMIO_DEVICE_FEATURES, "DEVICE_FEATURES", "r"),
    Register(VIRTIO_MMIO_DEVICE_FEATURES_SEL, "DEVICE_FEATURES_SEL", "w"),
    Register(VIRTIO_MMIO_DRIVER_FEATURES, "DRIVER_FEATURES", "w"),
    Register(VIRTIO_MMIO_DRIVER_FEATURES_SEL, "DRIVER_FEATURES_SEL", "w"),
    Register(VIRTIO_MMIO_QUEUE_SEL, "QUEUE_SEL", "w"),
    Register(VIRTIO_MMIO_QUEUE_NUM_MAX, "QUEUE_NUM_MAX", "r"),
    Register(VIRTIO_MMIO_QUEUE_NUM, "QUEUE_NUM", "w"),
    Register(VIRTIO_MMIO_QUEUE_NOTIFY, "QUEUE_NOTIFY", "w"),
    Register(VIRTIO_MMIO_INTERRUPT_STATUS, "INTERRUPT_STATUS", "r"),
    Register(VIRTIO_MMIO_INTERRUPT_ACK, "INTERRUPT_ACK", "w"),
    Register(VIRTIO_MMIO_STATUS, "STATUS"),
)

FEATURE_WORDS = 4
"""Words of 32 feature bits that a driver can write: virtio 1.4 defines bits 0..127."""

_FAULT_CHARACTERS = 200

_U32 = 0xFFFF_FFFF

Registers = TypeVar("Registers", bound=QueueRegisters)


class Transport(Slot, Generic[Registers]):
    """One slot of the bus with a device in it; made as `VirtioMmio` or `LegacyMmio`.

    `kick` is called when the guest did something that the host should look at: a notification, a new
    status, a write to the configuration space.

    Attributes:
        interface: the Version register.
        registers: those that the other interface has not.
        queue_registers: how it places a queue.
        lifecycle: how Status goes from a reset to work.
        ring_features: feature bits that every device gets from the ring and this interface.
        required_features: those among them that a driver must accept.
        device: the device in the slot.
        fault: why the device needs a reset, or "".
        withheld: feature bits that are not offered any more.
    """

    interface: ClassVar[int]
    registers: ClassVar[tuple[Register, ...]]
    lifecycle: ClassVar[Lifecycle]
    ring_features: ClassVar[int]
    required_features: ClassVar[int]
    queue_registers: Callable[[int], Registers]

    _status: int
    _driver_features: int

    def __init__(
        self, device: VirtioDevice, memory: GuestMemory, irq: IrqLine, kick: Callable[[], None]
    ) -> None:
        super().__init__(self.interface, device.device_id, (*_REGISTERS, *self.registers))
        device.attach(memory)
        self.device = device
        self.withheld = 0
        self._memory = memory
        self._kick = kick
        self._interrupt = InterruptStatus(irq)
        self._clear()

    @property
    def offered(self) -> int:
        """Feature bits that a driver may choose from."""
        return (self.device.features | self.ring_features) & ~self.withheld

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
                    self.needs_reset(f"queue {index}: {error}")

    def reset(self) -> None:
        """Reset device and transport as a write of 0 to Status does."""
        self.device.reset()
        self._clear()
        self._interrupt.set(0)

    def close(self) -> None:
        """Forget driver and watchers: what knows each other keeps RAM and disk until a garbage collection."""
        self.device.deactivate()
        self.device.watchers.clear()
        self.device.handlers = ()
        self._queues.clear()

    def needs_reset(self, reason: str) -> None:
        """Enter DEVICE_NEEDS_RESET; a driver that is past DRIVER_OK hears of it."""
        self.fault = reason[:_FAULT_CHARACTERS]
        self._status |= VIRTIO_CONFIG_S_NEEDS_RESET
        self.config_changed()

    def interrupt(self, events: int) -> None:
        """Interrupt the driver for VIRTIO_MMIO_INT_* events."""
        self._interrupt.add(events)

    # What the device sees of its transport (`devices.virtio.device.Carrier`).

    def config_changed(self) -> None:
        """Send a configuration change notification, if there is a driver to hear it."""
        if self._status & VIRTIO_CONFIG_S_DRIVER_OK:
            self._interrupt.add(VIRTIO_MMIO_INT_CONFIG)

    def attend(self, index: int) -> None:
        """Have a queue served as if the driver had notified it."""
        self._notified |= 1 << index
        self._kick()

    def ready(self, index: int) -> bool:
        """Whether the driver has given the device a queue of this number."""
        return self._queues[index].queue is not None

    # The registers.

    def read_vendor_id(self) -> int:
        """Ours."""
        return VENDOR

    def read_device_features(self) -> int:
        """The selected word of the offered features."""
        sel = self._device_features_sel
        return self.offered >> 32 * sel & _U32 if sel < FEATURE_WORDS else 0

    def write_device_features_sel(self, value: int) -> None:
        """Select a word for DeviceFeatures."""
        self._device_features_sel = value

    def write_driver_features(self, value: int) -> None:
        """Take the selected word of accepted features, unless they are final."""
        sel = self._driver_features_sel
        if self._status & self.lifecycle.final or sel >= FEATURE_WORDS:
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

    def write_queue_notify(self, value: int) -> None:
        """Record that the driver made chains available; spurious ones are fine."""
        if self._existing(value):
            self.attend(value)

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
            self._status = self.lifecycle.after(before, value & ~self._refused)
            if self._status & ~before & self.lifecycle.final:
                self.device.agree(self._driver_features)
            if _active(self._status) and not _active(before):
                self.device.activate(self, self._driver_features)
        self._kick()

    def save(self) -> State:
        """Return the whole state of transport, queues and device."""
        return {
            "version": self.version,
            "device_id": self.device_id,
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
        fields.integer("version", self.version, self.version)
        fields.integer("device_id", self.device_id, self.device_id)
        status = fields.integer("status", 0, 0xFF)
        if not self.lifecycle.reachable(status):
            raise fields.fail("status", f"{status:#x} skips a step of the initialization")
        fault = fields.text("fault", _FAULT_CHARACTERS)
        device_features_sel = fields.integer("device_features_sel", 0, _U32)
        driver_features_sel = fields.integer("driver_features_sel", 0, _U32)
        driver_features = fields.integer("driver_features", 0, (1 << 32 * FEATURE_WORDS) - 1)
        if self._negotiated(status) and not self._acceptable(driver_features):
            raise fields.fail("driver_features", f"the device does not offer {driver_features:#x}")
        queue_sel = fields.integer("queue_sel", 0, _U32)
        interrupts = fields.integer("interrupt_status", 0, VIRTIO_MMIO_INT_VRING | VIRTIO_MMIO_INT_CONFIG)
        queues = self._fresh_queues()
        notified = fields.integer("notified", 0, (1 << len(queues)) - 1)
        items = fields.items("queues", len(queues), len(queues))
        for index, (queue, item) in enumerate(zip(queues, items, strict=True)):
            where = f"virtio.queues[{index}]"
            queue.restore(item, where, self._memory, driver_features, self._used_buffer)
        self.device.restore(fields.mapping("device"))
        self.device.deactivate()
        self._status = status
        self.fault = fault
        self._device_features_sel = device_features_sel
        self._driver_features_sel = driver_features_sel
        self._driver_features = driver_features
        self._queue_sel = queue_sel
        self._notified = notified
        self._queues = queues
        if _active(status):
            self.device.go_on(self, driver_features)
        self._interrupt.set(interrupts)

    def _load(self, offset: int, size: int) -> int:
        """Answer a load from a register or from the configuration space, which has zeros behind it."""
        if offset < VIRTIO_MMIO_CONFIG:
            return super()._load(offset, size)
        at = offset - VIRTIO_MMIO_CONFIG
        return int.from_bytes(self._config()[at : at + size], "little")

    def _store(self, offset: int, size: int, value: int) -> None:
        """Take a store to a register or to the configuration space, which a suspended device ignores."""
        if offset < VIRTIO_MMIO_CONFIG:
            super()._store(offset, size, value)
        elif not self._status & VIRTIO_CONFIG_S_SUSPEND:
            data = (value & (1 << 8 * size) - 1).to_bytes(size, "little")
            self.device.write_config(offset - VIRTIO_MMIO_CONFIG, data)
            self._kick()

    def _config(self) -> bytes:
        """The configuration space as the driver sees it."""
        return self.device.config()

    @property
    def _running(self) -> bool:
        live = self.lifecycle.live
        return self._status & (live | VIRTIO_CONFIG_S_NEEDS_RESET) == live

    def _clear(self) -> None:
        """Put everything that the driver wrote back to its value after a reset."""
        self._status = 0
        self.fault = ""
        self._device_features_sel = 0
        self._driver_features_sel = 0
        self._driver_features = 0
        self._queue_sel = 0
        self._notified = 0
        self._queues = self._fresh_queues()

    def _fresh_queues(self) -> list[Registers]:
        return [self.queue_registers(size) for size in self.device.queue_sizes]

    def _selected(self) -> Registers | None:
        return self._existing(self._queue_sel)

    def _existing(self, index: int) -> Registers | None:
        """Return the registers of a queue, unless the device has none of that number."""
        queue = self._queues[index] if index < len(self._queues) else None
        return queue if queue and queue.max_size else None

    def _enable_selected(self) -> None:
        """Give the device the selected queue, which is there; one that cannot work breaks the device."""
        try:
            self._queues[self._queue_sel].enable(self._memory, self._driver_features, self._used_buffer)
        except BrokenRingError as error:
            self.needs_reset(f"queue {self._queue_sel}: {error}")

    def _take_away_selected(self) -> None:
        """Take the selected queue, which is there, from the device, with all that it was to do there."""
        self._queues[self._queue_sel].queue = None
        self._notified &= ~(1 << self._queue_sel)

    def _used_buffer(self) -> None:
        """Send a used buffer notification."""
        self.interrupt(VIRTIO_MMIO_INT_VRING)

    def _has(self, feature: int) -> bool:
        return bool(self._driver_features >> feature & 1)

    def _acceptable(self, features: int) -> bool:
        """Whether a driver may choose these."""
        return not features & ~self.offered and not ~features & self.required_features

    def _negotiated(self, status: int) -> bool:
        """Whether in this status the driver's features are sure to be the device's."""
        return status & self.lifecycle.negotiated == self.lifecycle.negotiated

    @property
    def _refused(self) -> int:
        """Bits of Status that stay clear with the features that the driver chose."""
        refused = 0 if self._acceptable(self._driver_features) else VIRTIO_CONFIG_S_FEATURES_OK
        return refused if self._has(VIRTIO_F_SUSPEND) else refused | VIRTIO_CONFIG_S_SUSPEND


def _active(status: int) -> bool:
    """Whether a driver has brought the device up; a suspended one still is."""
    return bool(status & (VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_SUSPEND))
