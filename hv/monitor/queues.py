"""How a driver places, enables, resets and gives up its queues (spec: "Virtqueues", "Virtqueue Reset")."""

from collections.abc import Mapping
from typing import ClassVar

from devices.virtio.constants import (
    VIRTIO_CONFIG_S_DRIVER_OK,
    VIRTIO_MMIO_QUEUE_NUM,
    VIRTIO_MMIO_QUEUE_READY,
    VIRTIO_MMIO_QUEUE_RESET,
    VRING_AVAIL_ALIGN_SIZE,
    VRING_DESC_ALIGN_SIZE,
    VRING_USED_ALIGN_SIZE,
)
from hv.monitor.area import AT_ANY_TIME, Area
from hv.monitor.conduct import ADDRESS_HALVES, Conduct
from hv.monitor.ring import Ring
from hv.monitor.verdicts import Book

_PLACING = frozenset({VIRTIO_MMIO_QUEUE_NUM, *ADDRESS_HALVES})

_ALIGNMENTS = (
    ("C113", "descriptor table", VRING_DESC_ALIGN_SIZE),
    ("C114", "available ring", VRING_AVAIL_ALIGN_SIZE),
    ("C115", "used ring", VRING_USED_ALIGN_SIZE),
)


class Queues(Area):
    """Queues of the interface of version 2."""

    CLAUSES: ClassVar[Mapping[str, str]] = {
        "C047": "QueueReset is read until it is 0 before the queue is set up again",
        "C048": "a queue that was reset is set up in other memory",
        "C050": "a queue that was reset is placed anew before QueueReady",
        "C051": "a queue that was reset gets another size or other addresses",
        "C071": "no queue is given up with QueueReady while the device has buffers of it",
        "C113": "the descriptor table is aligned to 16 bytes",
        "C114": "the available ring is aligned to 2 bytes",
        "C115": "the used ring is aligned to 4 bytes",
        "C156": "the used ring's flags are 0 when the queue is enabled",
        "C203": "QueueNum is no larger than QueueNumMax",
        "C204": "size and addresses are not accessed while QueueReady is 1",
        "C205": "a queue that is in use is not enabled again without QueueReady 0",
        "C206": "QueueReady is read after 0 was written to it",
        "C210": "QueueReset is read as 0 before the queue is used again",
        "C211": "a queue that was reset is enabled again",
        "C212": "settings of a queue are written after its reset",
    }

    def __init__(self, conduct: Conduct, book: Book) -> None:
        super().__init__(conduct, book)
        self._stopping: int | None = None
        self._resetting: set[int] = set()
        self._before: dict[int, dict[int, int]] = {}

    def read(self, offset: int, size: int, value: int) -> None:
        """Judge a load."""
        queue = self.conduct.queue_sel or 0
        if offset == VIRTIO_MMIO_QUEUE_READY and self._stopping == queue:
            self._stopping = None
            self.exercised("C206")
        elif offset == VIRTIO_MMIO_QUEUE_RESET and queue in self._resetting and not value:
            self._resetting.discard(queue)
            for clause in ("C047", "C210"):
                self.exercised(clause)

    def wrote(self, offset: int, size: int, value: int) -> None:
        """Judge a store."""
        queue, index = self.conduct.selected_queue, self.conduct.queue_sel or 0
        if offset not in AT_ANY_TIME and self._stopping is not None:
            self._stopping = None
            self.judge("C206", False, "goes on without reading QueueReady back")
        if offset in _PLACING:
            busy = queue.ring is not None and not self.conduct.legacy
            self.judge("C204", not busy, f"wrote {offset:#x} while QueueReady is 1")
        if offset in _PLACING | {VIRTIO_MMIO_QUEUE_READY} and index in self._resetting:
            self._resetting.discard(index)
            self.judge("C047", False, f"set queue {index} up without looking whether it was reset")
            self.judge("C210", False, f"set queue {index} up before QueueReset was 0")
        if offset == VIRTIO_MMIO_QUEUE_NUM:
            most = queue.size_max or 0
            self.judge("C203", value <= most, f"gave queue {index} {value} entries of {most} at most")
        elif offset == VIRTIO_MMIO_QUEUE_READY:
            self._judge_ready(index, value)
        elif offset == VIRTIO_MMIO_QUEUE_RESET and value == 1:
            self._resetting.add(index)
            self._before[index] = queue.written

    def reset(self) -> None:
        """All begins anew."""
        super().reset()
        self._stopping = None
        self._resetting.clear()
        self._before.clear()

    def began(self, ring: Ring) -> None:
        """Judge where a queue is."""
        if self.conduct.legacy:
            return
        for (clause, name, alignment), (addr, _) in zip(_ALIGNMENTS, ring.parts, strict=True):
            self.judge(clause, addr % alignment == 0, f"{name} of queue {ring.index} at {addr:#x}")
        if ring.usable:
            fresh = ring.used_flags == 0
            self.judge(
                "C156", fresh, f"used flags of queue {ring.index} are {ring.used_flags:#x} at its start"
            )

    def ended(self, ring: Ring, how: str) -> None:
        """Judge how a queue came to its end."""
        if ring.outstanding:
            live = how == "not ready" and bool(self.conduct.status & VIRTIO_CONFIG_S_DRIVER_OK)
            buffers = f"{len(ring.outstanding)} buffers"
            self.judge("C071", not live, f"took queue {ring.index} away while the device has {buffers} of it")

    def _judge_ready(self, index: int, value: int) -> None:
        queue = self.conduct.queue(index)
        if value == 0:
            self._stopping = index
            self.exercised("C205")
            return
        self.judge("C205", queue.ring is None, f"enabled queue {index}, which was enabled")
        before = self._before.pop(index, None)
        if before is None:
            return
        missing = _PLACING - queue.written.keys()
        lacks = f"without writing {min(missing, default=0):#x}"
        self.judge("C050", not missing, f"enabled queue {index} after its reset {lacks}")
        self.exercised("C211")
        if _PLACING & queue.written.keys():
            self.exercised("C212")
        changed = {offset for offset in _PLACING if queue.written.get(offset) != before.get(offset)}
        if changed:
            self.exercised("C051")
        if changed & set(ADDRESS_HALVES):
            self.exercised("C048")
