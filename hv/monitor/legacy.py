"""What is different on the legacy interface (spec: the sections "Legacy Interface").

Only a slot of version 1 is judged. The guest here is little-endian, so what is native is little-endian too.
"""

from collections.abc import Mapping
from typing import ClassVar

from devices.virtio.constants import (
    VIRTIO_CONFIG_S_DRIVER_OK,
    VIRTIO_CONFIG_S_FEATURES_OK,
    VIRTIO_F_VERSION_1,
    VIRTIO_ID_BALLOON,
    VIRTIO_MMIO_CONFIG,
    VIRTIO_MMIO_CONFIG_GENERATION,
    VIRTIO_MMIO_GUEST_PAGE_SIZE,
    VIRTIO_MMIO_QUEUE_ALIGN,
    VIRTIO_MMIO_QUEUE_NUM,
    VIRTIO_MMIO_QUEUE_PFN,
    VIRTIO_MMIO_QUEUE_READY,
    VIRTIO_MMIO_QUEUE_RESET,
    VIRTIO_MMIO_STATUS,
)
from hv.monitor.area import Area
from hv.monitor.conduct import ADDRESS_HALVES
from hv.monitor.ring import Chain, Ring

_ONLY_MODERN = frozenset(
    {VIRTIO_MMIO_QUEUE_READY, VIRTIO_MMIO_QUEUE_RESET, VIRTIO_MMIO_CONFIG_GENERATION, *ADDRESS_HALVES}
)
_ACTUAL = VIRTIO_MMIO_CONFIG + 4


class Legacy(Area):
    """Drivers of the legacy interface."""

    CLAUSES: ClassVar[Mapping[str, str]] = {
        "C025": "a device without VIRTIO_F_VERSION_1 is driven by the legacy registers",
        "C028": "GuestPageSize, QueueNum and QueueAlign are written before QueuePFN",
        "C067": "FEATURES_OK is not set",
        "C116": "QueueNumMax is read, and QueueNum is not larger",
        "C117": "descriptors, available ring, padding and used ring lie in RAM as one piece",
        "C118": "the available ring is found behind the descriptors, and heads in it are descriptors",
        "C120": "the available index counts in little-endian order",
        "C229": "actual is written in little-endian order: it is no more than RAM has pages",
        "C245": "actual is written with one access of 32 bits",
    }

    def read(self, offset: int, size: int, value: int) -> None:
        """Judge a load."""
        self._judge_register(offset)

    def wrote(self, offset: int, size: int, value: int) -> None:
        """Judge a store."""
        conduct = self.conduct
        self._judge_register(offset)
        if not conduct.legacy:
            return
        queue, index = conduct.selected_queue, conduct.queue_sel or 0
        if offset == VIRTIO_MMIO_STATUS:
            self.judge("C067", not value & VIRTIO_CONFIG_S_FEATURES_OK, "set FEATURES_OK")
            if value & ~conduct.status & VIRTIO_CONFIG_S_DRIVER_OK:
                self.judge("C025", not conduct.accepts(VIRTIO_F_VERSION_1), "took it for a modern device")
        elif offset == VIRTIO_MMIO_QUEUE_NUM:
            most = queue.size_max
            asked = most is not None and value <= most
            self.judge("C116", asked, f"gave queue {index} {value} entries; the device has {most}")
        elif offset == VIRTIO_MMIO_QUEUE_PFN and value:
            ready = (
                conduct.page_size and {VIRTIO_MMIO_QUEUE_NUM, VIRTIO_MMIO_QUEUE_ALIGN} <= queue.written.keys()
            )
            missing = f"wrote QueuePFN of queue {index} before page size, size and alignment"
            self.judge("C028", bool(ready), missing)
        elif offset == VIRTIO_MMIO_GUEST_PAGE_SIZE:
            power = value > 0 and not value & (value - 1)
            self.judge("C028", power, f"gave {value} as page size")
        elif conduct.device_id == VIRTIO_ID_BALLOON and _ACTUAL <= offset < _ACTUAL + 4:
            whole = offset == _ACTUAL and size == 4
            self.judge("C245", whole, f"wrote {size} bytes of actual")
            pages = conduct.memory.size // 4096
            if whole:
                self.judge("C229", value <= pages, f"reported {value:#x} pages of {pages:#x}")

    def began(self, ring: Ring) -> None:
        """Judge where a queue is."""
        if self.conduct.legacy:
            self.judge("C117", ring.usable, f"queue {ring.index} at {ring.desc:#x} is not in RAM as a whole")

    def fell(self, ring: Ring) -> None:
        """An index that moves in other steps is no little-endian one."""
        if self.conduct.legacy:
            self.judge("C120", False, f"available index of queue {ring.index} is {ring.avail_idx:#x}")

    def appeared(self, ring: Ring, chain: Chain) -> None:
        """Judge a chain."""
        if self.conduct.legacy:
            self.exercised("C120")
            self.judge("C118", chain.head < ring.size, f"head {chain.head:#x} in queue {ring.index}")

    def _judge_register(self, offset: int) -> None:
        if self.conduct.legacy and offset in _ONLY_MODERN:
            self.judge("C028", False, f"accessed {offset:#x}, a register of version 2")
