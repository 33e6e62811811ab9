"""What a driver puts into the statistics queue (spec: balloon, "Memory Statistics")."""

import struct
from collections.abc import Mapping
from typing import ClassVar

from devices.virtio.balloon.features import BalloonQueue
from devices.virtio.constants import (
    VIRTIO_BALLOON_F_STATS_VQ,
    VIRTIO_CONFIG_S_DRIVER_OK,
    VIRTIO_MMIO_STATUS,
)
from hv.monitor.area import PATIENCE_NS
from hv.monitor.balloonqueues import BalloonArea
from hv.monitor.conduct import Conduct
from hv.monitor.ring import Chain, Ring
from hv.monitor.verdicts import Book

_ENTRY = struct.Struct("<HQ")
_TAGS = 16


class Statistics(BalloonArea):
    """The one buffer of statistics."""

    CLAUSES: ClassVar[Mapping[str, str]] = {
        "C247": "no buffer is added to statsq while the device has one",
        "C248": "by DRIVER_OK, or 120 s after, statsq has a buffer, and the device does not write it",
        "C249": "within 120 s of getting the buffer back the driver adds one",
        "C250": "the buffer has one entry for a statistic, and at least one",
        "C251": "the buffer's length is a multiple of 10 bytes, the size of an entry (the text has 6)",
        "C252": "tags are not in rising order",
        "C253": "some of the 16 statistics are not supplied",
        "C254": "all buffers have the same tags",
        "C257": "on the legacy interface tags are in little-endian order, as the guest is",
    }

    def __init__(self, conduct: Conduct, book: Book) -> None:
        super().__init__(conduct, book)
        self._tags: frozenset[int] | None = None
        self._primed = False

    def wrote(self, offset: int, size: int, value: int) -> None:
        """See DRIVER_OK come."""
        if offset != VIRTIO_MMIO_STATUS or not value & ~self.conduct.status & VIRTIO_CONFIG_S_DRIVER_OK:
            return
        if self.is_balloon and self.conduct.accepts(VIRTIO_BALLOON_F_STATS_VQ) and not self._primed:
            self.owe("C248", "added no buffer to statsq", within_ns=PATIENCE_NS)

    def reset(self) -> None:
        """All begins anew."""
        super().reset()
        self._tags = None
        self._primed = False

    def requested(self, role: BalloonQueue, ring: Ring, chain: Chain) -> None:
        """Judge a buffer."""
        if role is not BalloonQueue.STATS:
            return
        self.judge("C247", len(ring.outstanding) == 1, f"{len(ring.outstanding)} buffers in statsq")
        if not self._primed:
            self._primed = True
            self.forgive("C248")
            output = not any(descriptor.writable for descriptor in chain.buffers)
            self.judge("C248", output, "added a buffer to statsq that the device writes")
        self.paid("C249")
        data = chain.output(self.conduct.memory)
        whole = len(data) % _ENTRY.size == 0
        self.judge("C251", whole, f"statistics of {len(data)} bytes, which are no whole entries")
        entries = _ENTRY.iter_unpack(data[: len(data) // _ENTRY.size * _ENTRY.size])
        self._judge_tags([tag for tag, _ in entries])

    def acknowledged(self, role: BalloonQueue, ring: Ring, chain: Chain) -> None:
        """The driver owes the next one."""
        if role is BalloonQueue.STATS:
            self.owe("C249", "added no new buffer to statsq", within_ns=PATIENCE_NS)

    def _judge_tags(self, tags: list[int]) -> None:
        distinct = frozenset(tags)
        once = bool(tags) and len(distinct) == len(tags)
        self.judge("C250", once, f"{len(tags)} entries for {len(distinct)} statistics")
        if self.conduct.legacy:
            native = all(tag < _TAGS for tag in tags)
            self.judge("C257", native, f"statistics with tags {sorted(distinct)[-3:]}")
        if tags != sorted(tags):
            self.exercised("C252")
        if not distinct.issuperset(range(_TAGS)):
            self.exercised("C253")
        if self._tags is not None:
            changed = sorted(self._tags ^ distinct)
            self.judge("C254", not changed, f"tags {changed} are in one buffer and not in another")
        self._tags = distinct if self._tags is None else self._tags
