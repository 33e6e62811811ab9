"""Virtio over MMIO, version 2: a queue is three addresses and QueueReady, and can be reset on its own.

With VIRTIO_F_SUSPEND a driver can stop the device and go on later. What it was notified of before, the device
still does; then it leaves queues alone and the configuration space as it is, and makes up for both when the
driver resumes it: queues that were notified meanwhile run, and a change of the configuration space shows.

Spec: virtio 1.4, "MMIO Device Register Layout", "Virtqueue Reset", "Device Suspend".
"""

from typing import NamedTuple

from devices.register import Register
from devices.state import Fields, State
from devices.virtio.constants import (
    VIRTIO_CONFIG_S_DRIVER_OK,
    VIRTIO_CONFIG_S_NEEDS_RESET,
    VIRTIO_CONFIG_S_SUSPEND,
    VIRTIO_F_IN_ORDER,
    VIRTIO_F_NOTIFICATION_DATA,
    VIRTIO_F_RING_RESET,
    VIRTIO_F_SUSPEND,
    VIRTIO_F_VERSION_1,
    VIRTIO_MMIO_CONFIG_GENERATION,
    VIRTIO_MMIO_QUEUE_DESC_LOW,
    VIRTIO_MMIO_QUEUE_READY,
    VIRTIO_MMIO_QUEUE_RESET,
    VIRTIO_MMIO_SHM_LEN_LOW,
    VIRTIO_RING_F_EVENT_IDX,
    VIRTIO_RING_F_INDIRECT_DESC,
)
from devices.virtio.queue import QueueLayout
from devices.virtio.registers import QueueRegisters
from devices.virtio.status import MODERN
from devices.virtio.transport import Transport

_U16 = 0xFFFF
_U32 = 0xFFFF_FFFF
_U64 = 0xFFFF_FFFF_FFFF_FFFF

_SUSPENDING = VIRTIO_CONFIG_S_SUSPEND | VIRTIO_CONFIG_S_DRIVER_OK

_CONFIG_MAX = 0x1000


class QueueAddresses(QueueRegisters):
    """A queue that the driver places part by part."""

    def __init__(self, max_size: int) -> None:
        super().__init__(max_size)
        self._addresses = [0, 0, 0]

    def set_address(self, part: int, half: int, value: int) -> None:
        """Take the low (0) or high (1) half of the address of DESC, AVAIL or USED; judged like the size."""
        if self.queue is None:
            self._addresses[part] &= ~(_U32 << 32 * half) & _U64
            self._addresses[part] |= value << 32 * half

    def layout(self) -> QueueLayout:
        """Return size and addresses as they were written."""
        return QueueLayout(self._size, *self._addresses)

    def _save_place(self) -> State:
        return {"addresses": list(self._addresses)}

    def _restore_place(self, fields: Fields) -> None:
        self._addresses = fields.integers("addresses", 3, 0, _U64)


class _Still(NamedTuple):
    """The configuration space of a suspended device, and its generation."""

    generation: int
    config: bytes


class VirtioMmio(Transport[QueueAddresses]):
    """One slot of the bus with a device in it."""

    interface = 2
    registers = (
        Register(VIRTIO_MMIO_QUEUE_READY, "QUEUE_READY"),
        # DESC, AVAIL, USED; of each the low and the high half
        Register(VIRTIO_MMIO_QUEUE_DESC_LOW, "QUEUE_ADDRESS", "w", repeat=((3, 0x10), (2, 4))),
        # LEN_LOW, LEN_HIGH, BASE_LOW, BASE_HIGH; SHM_SEL has nothing to select
        Register(VIRTIO_MMIO_SHM_LEN_LOW, "SHM_REGION", "r", repeat=((4, 4),)),
        Register(VIRTIO_MMIO_QUEUE_RESET, "QUEUE_RESET"),
        Register(VIRTIO_MMIO_CONFIG_GENERATION, "CONFIG_GENERATION", "r"),
    )
    queue_registers = QueueAddresses
    lifecycle = MODERN
    ring_features = (
        1 << VIRTIO_RING_F_INDIRECT_DESC
        | 1 << VIRTIO_RING_F_EVENT_IDX
        | 1 << VIRTIO_F_VERSION_1
        | 1 << VIRTIO_F_IN_ORDER
        | 1 << VIRTIO_F_NOTIFICATION_DATA
        | 1 << VIRTIO_F_RING_RESET
        | 1 << VIRTIO_F_SUSPEND
    )
    required_features = 1 << VIRTIO_F_VERSION_1

    _still: _Still | None

    def service(self) -> None:
        """Run the queues that were notified, then suspend if the driver asked for it."""
        super().service()
        self._suspend_or_resume()

    def write_status(self, value: int) -> None:
        """Reset (0), or set status bits as far as their turn has come."""
        super().write_status(value)
        self._suspend_or_resume()

    def write_queue_notify(self, value: int) -> None:
        """Record that the driver made chains available.

        With VIRTIO_F_NOTIFICATION_DATA the upper half says how far; the ring says it as well, and later.
        """
        super().write_queue_notify(value & _U16 if self._has(VIRTIO_F_NOTIFICATION_DATA) else value)

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
            self._take_away_selected()
        elif value == 1 and queue.queue is None and self._negotiated(self._status):
            self._enable_selected()

    def read_queue_reset(self) -> int:
        """A queue's reset is over before the driver can look."""
        return 0

    def write_queue_reset(self, value: int) -> None:
        """Bring the queue back to its state after a reset (1), if VIRTIO_F_RING_RESET was negotiated."""
        queue = self._selected()
        if queue and value == 1 and self._negotiated(self._status) and self._has(VIRTIO_F_RING_RESET):
            self._take_away_selected()
            self._queues[self._queue_sel] = QueueAddresses(queue.max_size)

    def read_shm_region(self, _word: int) -> int:
        """Length and base of a region that does not exist: all ones."""
        return _U32

    def read_config_generation(self) -> int:
        """Changes when the device changed its configuration space."""
        return self._still.generation if self._still else self.device.config_generation

    def save(self) -> State:
        """Return the whole state of transport, queues and device."""
        return {**super().save(), "suspended": self._still._asdict() if self._still else {}}

    def restore(self, state: State) -> None:
        """Become what `save()` described; raises StateError and then has changed nothing."""
        fields = Fields(state, "virtio", tuple(self.save()))
        saved = fields.value("suspended")
        still = _restored(saved) if saved != {} else None
        if (still is not None) != _suspended(fields.integer("status", 0, 0xFF)):
            raise fields.fail("suspended", "goes with SUSPEND in the status, and with nothing else")
        super().restore(state)
        self._still = still

    def _clear(self) -> None:
        super()._clear()
        self._still = None

    def _config(self) -> bytes:
        return self._still.config if self._still else super()._config()

    def _suspend_or_resume(self) -> None:
        """Let SUSPEND take effect when nothing is left to do, and make up for what was kept back after it."""
        if self._status & _SUSPENDING == _SUSPENDING and not self.pending:
            self._status &= ~VIRTIO_CONFIG_S_DRIVER_OK
            self._still = _Still(self.device.config_generation, self.device.config())
        elif self._still and not _suspended(self._status):
            changed = self._still.generation != self.device.config_generation
            self._still = None
            if changed or self._status & VIRTIO_CONFIG_S_NEEDS_RESET:
                self.config_changed()


def _suspended(status: int) -> bool:
    return status & _SUSPENDING == VIRTIO_CONFIG_S_SUSPEND


def _restored(saved: object) -> _Still:
    """Read what a suspended device shows; raises StateError."""
    fields = Fields(saved, "virtio.suspended", _Still._fields)
    return _Still(fields.integer("generation", 0, _U32), fields.data("config", 0, _CONFIG_MAX))
