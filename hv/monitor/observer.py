"""Watches one slot: turns accesses and what is in the rings into what the areas are told."""

from collections.abc import Sequence

from devices.memory import Pages
from devices.virtio.constants import (
    VIRTIO_MMIO_QUEUE_PFN,
    VIRTIO_MMIO_QUEUE_READY,
    VIRTIO_MMIO_STATUS,
)
from devices.virtio.queue import Batch, Virtqueue
from hv.cpu.watch import AccessKind
from hv.monitor.area import Area
from hv.monitor.balloonqueues import BalloonArea
from hv.monitor.conduct import Conduct
from hv.monitor.ring import Ring

_ENDS = {VIRTIO_MMIO_QUEUE_READY: "not ready", VIRTIO_MMIO_QUEUE_PFN: "not ready"}


class Observer:
    """Watches one slot (a `TransportWatcher`), and the queues of its device (a `QueueWatcher`).

    Args:
        conduct: of the driver.
        areas: who judges, in this order.
    """

    def __init__(self, conduct: Conduct, areas: Sequence[Area]) -> None:
        self.begin(conduct, areas)

    def begin(self, conduct: Conduct, areas: Sequence[Area]) -> None:
        """Go on with another driver."""
        self.conduct = conduct
        self.areas = areas
        self._of_pages = [area for area in areas if isinstance(area, BalloonArea)]

    def adopt(self, ballooned: Pages) -> None:
        """Take over a balloon that pages are in."""
        for area in self._of_pages:
            area.adopt(ballooned)

    def used(self, page: int, kind: AccessKind) -> None:
        """The guest accesses a page that the sanitizer watches."""
        for area in self._of_pages:
            area.used(page, kind)

    def read(self, offset: int, size: int, value: int) -> None:
        """The driver has read."""
        self.look()
        for area in self.areas:
            area.read(offset, size, value)
        self.conduct.has_read(offset, value)

    def wrote(self, offset: int, size: int, value: int) -> None:
        """The driver has written."""
        self.look()
        for area in self.areas:
            area.wrote(offset, size, value)
        before = self._rings()
        self.conduct.has_written(offset, value)
        after = self._rings()
        reset = offset == VIRTIO_MMIO_STATUS and value == 0
        for ring in before:
            if ring not in after:
                for area in self.areas:
                    area.ended(ring, "reset" if reset else _ENDS.get(offset, "queue reset"))
        for ring in after:
            if ring not in before:
                for area in self.areas:
                    area.began(ring)
        if reset:
            for area in self.areas:
                area.reset()

    def taken(self, queue: Virtqueue, batch: Batch) -> None:
        """The device is about to handle chains."""
        self.look()
        ring = self.conduct.queue(queue.index).ring
        if ring is not None and ring.usable:
            for area in self.areas:
                area.taken(ring)

    def given_back(self, queue: Virtqueue, batch: Batch) -> None:
        """Nothing: what the driver has back is seen when the device has done its work (`look`)."""

    def look(self) -> None:
        """Look at all rings."""
        for ring in self.conduct.rings():
            for chain in ring.returned():
                for area in self.areas:
                    area.returned(ring, chain)
            if ring.advance > ring.size - len(ring.outstanding):
                for area in self.areas:
                    area.fell(ring)
            for chain in ring.appeared():
                for area in self.areas:
                    area.appeared(ring, chain)
            for area in self.areas:
                area.looked(ring)

    def settle(self) -> None:
        """Look once more, and judge what is overdue."""
        self.look()
        for area in self.areas:
            area.settle()

    def _rings(self) -> list[Ring]:
        return [queue.ring for queue in self.conduct.queues.values() if queue.ring is not None]
