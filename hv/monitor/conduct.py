"""What one driver has done with one slot, known from its accesses alone.

The monitor keeps its own books: what the device says of itself counts only as what the driver has read.
Only a driver that is met in the middle of its life (a thawed image, a fork) is taken from the device's state.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from devices.memory import GuestMemory
from devices.state import State
from devices.virtio.constants import (
    VIRTIO_CONFIG_S_DRIVER_OK,
    VIRTIO_CONFIG_S_FEATURES_OK,
    VIRTIO_CONFIG_S_SUSPEND,
    VIRTIO_F_IN_ORDER,
    VIRTIO_F_NOTIFICATION_DATA,
    VIRTIO_MMIO_DEVICE_FEATURES,
    VIRTIO_MMIO_DEVICE_FEATURES_SEL,
    VIRTIO_MMIO_DEVICE_ID,
    VIRTIO_MMIO_DRIVER_FEATURES,
    VIRTIO_MMIO_DRIVER_FEATURES_SEL,
    VIRTIO_MMIO_GUEST_PAGE_SIZE,
    VIRTIO_MMIO_MAGIC_VALUE,
    VIRTIO_MMIO_QUEUE_ALIGN,
    VIRTIO_MMIO_QUEUE_AVAIL_LOW,
    VIRTIO_MMIO_QUEUE_DESC_LOW,
    VIRTIO_MMIO_QUEUE_NUM,
    VIRTIO_MMIO_QUEUE_NUM_MAX,
    VIRTIO_MMIO_QUEUE_PFN,
    VIRTIO_MMIO_QUEUE_READY,
    VIRTIO_MMIO_QUEUE_RESET,
    VIRTIO_MMIO_QUEUE_SEL,
    VIRTIO_MMIO_QUEUE_USED_LOW,
    VIRTIO_MMIO_STATUS,
    VIRTIO_MMIO_VERSION,
)
from hv.monitor.ring import Ring

LEGACY = 1
"""Version of a slot of the legacy interface."""

ADDRESSES = (VIRTIO_MMIO_QUEUE_DESC_LOW, VIRTIO_MMIO_QUEUE_AVAIL_LOW, VIRTIO_MMIO_QUEUE_USED_LOW)
ADDRESS_HALVES = tuple(low + half for low in ADDRESSES for half in (0, 4))
"""The registers that place a queue, low and high halves."""

_IDENTITY = (VIRTIO_MMIO_MAGIC_VALUE, VIRTIO_MMIO_VERSION, VIRTIO_MMIO_DEVICE_ID)


@dataclass
class Queue:
    """What a driver wrote for one queue, and the ring while the device may use it.

    Attributes:
        size_max: what QueueNumMax said, None before it was read.
        written: registers of the queue, by offset, as written since it was last reset.
        ring: the ring in use, or None.
    """

    size_max: int | None = None
    written: dict[int, int] = field(default_factory=dict)
    ring: Ring | None = None

    @property
    def size(self) -> int:
        """QueueNum; a driver that writes none means the most that there is."""
        return self.written.get(VIRTIO_MMIO_QUEUE_NUM, self.size_max or 0)

    def address(self, low: int) -> int:
        """One of the three addresses."""
        return self.written.get(low + 4, 0) << 32 | self.written.get(low, 0)


class Conduct:
    """One driver at one slot.

    Args:
        memory: guest RAM.
        name: what reports call the slot.

    Attributes:
        identity: magic, version and device ID by offset, as the driver has read them.
        status: the bits of the device status that are known to be set.
        offered: words of DeviceFeatures, by number, as read.
        accepted: words of DriverFeatures, by number, as written.
        selected: the last values of the two feature selectors, by offset, since the reset.
        queues: by number, as far as the driver has spoken of them.
        page_size, align: the legacy interface's, as written.
    """

    def __init__(self, memory: GuestMemory, name: str) -> None:
        self.memory = memory
        self.name = name
        self.identity: dict[int, int] = {}
        self.offered: dict[int, int] = {}
        self.page_size = 0
        self._clear()

    def _clear(self) -> None:
        self.status = 0
        self.accepted: dict[int, int] = {}
        self.selected: dict[int, int] = {}
        self.queue_sel: int | None = None
        self.queues: dict[int, Queue] = {}

    @property
    def legacy(self) -> bool:
        """Whether the slot is one of the legacy interface."""
        return self.identity.get(VIRTIO_MMIO_VERSION) == LEGACY

    @property
    def device_id(self) -> int:
        """VIRTIO_ID_*, 0 before the driver knows it."""
        return self.identity.get(VIRTIO_MMIO_DEVICE_ID, 0)

    @property
    def live(self) -> bool:
        """Whether the device works for the driver: DRIVER_OK, and not suspended."""
        return (
            self.status & (VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_SUSPEND) == VIRTIO_CONFIG_S_DRIVER_OK
        )

    @property
    def suspending(self) -> bool:
        """Whether SUSPEND was set and not taken back."""
        return bool(self.status & VIRTIO_CONFIG_S_SUSPEND)

    def offers(self, bit: int) -> bool:
        """Whether the driver has read that the device offers a feature."""
        return bool(self.offered.get(bit // 32, 0) >> bit % 32 & 1)

    def accepts(self, bit: int) -> bool:
        """Whether the driver has written a feature bit."""
        return bool(self.accepted.get(bit // 32, 0) >> bit % 32 & 1)

    def negotiated(self, bit: int) -> bool:
        """Whether a feature is agreed on: written, and FEATURES_OK set (which the legacy interface lacks)."""
        agreed = self.legacy or self.status & VIRTIO_CONFIG_S_FEATURES_OK
        return bool(agreed) and self.accepts(bit)

    def queue(self, index: int | None) -> Queue:
        """What is known of a queue; of none when none was selected."""
        return Queue() if index is None else self.queues.setdefault(index, Queue())

    @property
    def selected_queue(self) -> Queue:
        """The queue that QueueSel means; after a reset nothing is selected, and devices take it for 0."""
        return self.queue(self.queue_sel or 0)

    def rings(self) -> Iterator[Ring]:
        """Yield the rings in use that can be looked at."""
        return (queue.ring for queue in self.queues.values() if queue.ring and queue.ring.usable)

    def notified_queue(self, value: int) -> int:
        """The number of the queue in a value of QueueNotify."""
        return value & 0xFFFF if self.negotiated(VIRTIO_F_NOTIFICATION_DATA) else value

    # What accesses change.

    def has_read(self, offset: int, value: int) -> None:
        """Note what the driver knows now."""
        if offset in _IDENTITY:
            self.identity[offset] = value
        elif offset == VIRTIO_MMIO_STATUS:
            self.status = value
        elif offset == VIRTIO_MMIO_DEVICE_FEATURES:
            self.offered[self.selected.get(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0)] = value
        elif offset == VIRTIO_MMIO_QUEUE_NUM_MAX:
            self.selected_queue.size_max = value

    def has_written(self, offset: int, value: int) -> None:
        """Note what the driver has done."""
        if offset == VIRTIO_MMIO_STATUS:
            self._status_written(value)
        elif offset in (VIRTIO_MMIO_DEVICE_FEATURES_SEL, VIRTIO_MMIO_DRIVER_FEATURES_SEL):
            self.selected[offset] = value
        elif offset == VIRTIO_MMIO_DRIVER_FEATURES:
            self.accepted[self.selected.get(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0)] = value
        elif offset == VIRTIO_MMIO_QUEUE_SEL:
            self.queue_sel = value
        elif offset == VIRTIO_MMIO_GUEST_PAGE_SIZE:
            self.page_size = value
        elif offset in (VIRTIO_MMIO_QUEUE_NUM, VIRTIO_MMIO_QUEUE_ALIGN, *ADDRESS_HALVES):
            self.selected_queue.written[offset] = value
        elif offset in (VIRTIO_MMIO_QUEUE_READY, VIRTIO_MMIO_QUEUE_PFN):
            queue = self.selected_queue
            queue.written[offset] = value
            if not value:
                queue.ring = None
            elif queue.ring is None:
                queue.ring = self._place(self.queue_sel or 0, queue)
        elif offset == VIRTIO_MMIO_QUEUE_RESET and value == 1:
            size_max = self.selected_queue.size_max
            self.queues[self.queue_sel or 0] = Queue(size_max)

    def adopt(self, identity: tuple[int, int, int], offered: int, state: State) -> None:
        """Take over a driver in the middle of its life.

        Args:
            identity: what magic, version and device ID read.
            offered: all features that the device offers.
            state: what the transport's `save` returned.
        """
        self.identity = dict(zip(_IDENTITY, identity, strict=True))
        self.offered = {word: offered >> 32 * word & 0xFFFF_FFFF for word in range(4)}
        self._clear()
        self.status = state["status"]
        self.accepted = {word: state["driver_features"] >> 32 * word & 0xFFFF_FFFF for word in range(4)}
        self.queue_sel = state["queue_sel"]
        for index, saved in enumerate(state["queues"]):
            queue = self.queue(index)
            if not saved["ring"] or self.legacy:
                continue
            queue.written = {VIRTIO_MMIO_QUEUE_NUM: saved["size"], VIRTIO_MMIO_QUEUE_READY: 1}
            for low, address in zip(ADDRESSES, saved["addresses"], strict=True):
                queue.written |= {low: address & 0xFFFF_FFFF, low + 4: address >> 32}
            queue.ring = self._place(index, queue)
            queue.ring.adopt(saved["ring"]["next_used"])

    def _status_written(self, value: int) -> None:
        if value == 0:
            self._clear()
        elif value & VIRTIO_CONFIG_S_SUSPEND:
            self.status |= value
        else:
            self.status = self.status & ~VIRTIO_CONFIG_S_SUSPEND | value

    def _place(self, index: int, queue: Queue) -> Ring:
        size = queue.size
        if VIRTIO_MMIO_QUEUE_PFN in queue.written:
            align = max(1, queue.written.get(VIRTIO_MMIO_QUEUE_ALIGN, 4096))
            desc = queue.written[VIRTIO_MMIO_QUEUE_PFN] * (self.page_size or 4096)
            avail = desc + 16 * size
            used = -(-(avail + 6 + 2 * size) // align) * align
        else:
            desc, avail, used = (queue.address(low) for low in ADDRESSES)
        in_order = self.negotiated(VIRTIO_F_IN_ORDER)
        return Ring(self.memory, index, size, desc, avail, used, in_order=in_order)
