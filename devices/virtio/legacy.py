"""Virtio over MMIO, version 1, the legacy interface: a queue is one run of pages, and a page number.

Drivers of that time used a device before they had told it their features, or that they were ready. So it
works from the start, takes of the features what it offers, and heeds those that come until DRIVER_OK.

GuestPageSize outlives a reset: Linux writes it once, and then resets the device. There is no
ConfigGeneration; a driver reads what may change until it reads the same twice.

Spec: virtio 1.4, "Virtio Over MMIO", "Legacy interface", and the sections of that name elsewhere.
"""

from devices.register import Register
from devices.state import Fields, State
from devices.virtio.constants import (
    VIRTIO_CONFIG_S_DRIVER_OK,
    VIRTIO_F_ANY_LAYOUT,
    VIRTIO_F_NOTIFY_ON_EMPTY,
    VIRTIO_MMIO_GUEST_PAGE_SIZE,
    VIRTIO_MMIO_QUEUE_ALIGN,
    VIRTIO_MMIO_QUEUE_PFN,
    VIRTIO_RING_F_EVENT_IDX,
    VIRTIO_RING_F_INDIRECT_DESC,
)
from devices.virtio.queue import BrokenRingError, QueueLayout
from devices.virtio.registers import QueueRegisters
from devices.virtio.status import LEGACY
from devices.virtio.transport import Transport

_QUEUE_ALIGN = 4096
"""QueueAlign before a driver writes it, as QEMU has it."""

_U32 = 0xFFFF_FFFF


class QueuePages(QueueRegisters):
    """A queue that the driver places as a whole.

    Attributes:
        pfn: QueuePFN, in pages of the size that the driver had given when it wrote it; 0 for no queue.
    """

    def __init__(self, max_size: int) -> None:
        super().__init__(max_size)
        self.pfn = 0
        self._page_size = 0
        self._align = _QUEUE_ALIGN

    def set_align(self, align: int) -> None:
        """Take QueueAlign; it is judged like the size."""
        if self.queue is None:
            self._align = align

    def place(self, pfn: int, page_size: int) -> None:
        """Take QueuePFN, in pages of `page_size` bytes."""
        self.pfn = pfn
        self._page_size = page_size

    def layout(self) -> QueueLayout:
        """Return where a driver has put the parts that follows the rules."""
        size = self._page_size
        if size <= 0 or size & (size - 1):
            raise BrokenRingError(f"guest page size {size} is no power of two")
        return QueueLayout.contiguous(self._size, self.pfn * size, self._align)

    def _save_place(self) -> State:
        return {"align": self._align, "pfn": self.pfn, "page_size": self._page_size}

    def _restore_place(self, fields: Fields) -> None:
        self._align = fields.integer("align", 0, _U32)
        self.place(fields.integer("pfn", 0, _U32), fields.integer("page_size", 0, _U32))


class LegacyMmio(Transport[QueuePages]):
    """One slot of the bus with a device in it."""

    interface = 1
    registers = (
        Register(VIRTIO_MMIO_GUEST_PAGE_SIZE, "GUEST_PAGE_SIZE", "w"),
        Register(VIRTIO_MMIO_QUEUE_ALIGN, "QUEUE_ALIGN", "w"),
        Register(VIRTIO_MMIO_QUEUE_PFN, "QUEUE_PFN"),
    )
    queue_registers = QueuePages
    lifecycle = LEGACY
    ring_features = (
        1 << VIRTIO_F_NOTIFY_ON_EMPTY
        | 1 << VIRTIO_F_ANY_LAYOUT
        | 1 << VIRTIO_RING_F_INDIRECT_DESC
        | 1 << VIRTIO_RING_F_EVENT_IDX
    )
    required_features = 0

    _guest_page_size = 0

    def service(self) -> None:
        """Run the queues that were notified; before DRIVER_OK with the features that there are by now."""
        early = self.pending and not self._status & VIRTIO_CONFIG_S_DRIVER_OK
        if early:
            self.device.activate(self, self._driver_features)
        super().service()
        if early:
            self.device.deactivate()

    def write_driver_features(self, value: int) -> None:
        """Take of the selected word what is offered; queues in use heed it at once."""
        super().write_driver_features(value)
        self._driver_features &= self.offered
        for registers in self._queues:
            if registers.queue:
                registers.queue.negotiate(self._driver_features)

    def write_guest_page_size(self, value: int) -> None:
        """Take the unit of QueuePFN in bytes; judged when a queue is placed."""
        self._guest_page_size = value

    def write_queue_align(self, value: int) -> None:
        """Take the alignment of the used ring in bytes; judged when the queue is placed."""
        queue = self._selected()
        if queue:
            queue.set_align(value)

    def read_queue_pfn(self) -> int:
        """The page number of a queue that the device may use, or 0."""
        queue = self._selected()
        return queue.pfn if queue and queue.queue else 0

    def write_queue_pfn(self, value: int) -> None:
        """Place the queue and enable it from the ring's start, or (0) take it away from the device."""
        queue = self._selected()
        if not queue:
            return
        if value == 0:
            self._take_away_selected()
        elif queue.queue is None:
            queue.place(value, self._guest_page_size)
            self._enable_selected()

    def save(self) -> State:
        """Return the whole state of transport, queues and device."""
        return {**super().save(), "guest_page_size": self._guest_page_size}

    def restore(self, state: State) -> None:
        """Become what `save()` described; raises StateError and then has changed nothing."""
        page_size = Fields(state, "virtio", tuple(self.save())).integer("guest_page_size", 0, _U32)
        super().restore(state)
        self._guest_page_size = page_size
