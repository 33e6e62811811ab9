"""Memory statistics: the one queue where the device asks and the driver answers.

The driver leaves a buffer of statistics with the device, which keeps it. To ask for fresh ones the device
gives the buffer back; the driver fills it anew and returns it.

Spec: virtio 1.4, "Traditional Memory Balloon Device", Memory Statistics. It says that buffers are multiples
of 6 bytes, and that entries are packed 16-bit tags with 64-bit values, which makes 10 (as Linux has it). Tags
10 to 15 are Linux's (uapi/linux/virtio_balloon.h).
"""

import struct

from devices.state import Fields, State
from devices.virtio.balloon.counters import BalloonAnomalies, BalloonCounters
from devices.virtio.queue import Virtqueue

STATISTICS = (
    "swap_in",
    "swap_out",
    "major_faults",
    "minor_faults",
    "free_memory",
    "total_memory",
    "available_memory",
    "disk_caches",
    "hugetlb_allocations",
    "hugetlb_failures",
    "oom_kill",
    "alloc_stall",
    "async_scan",
    "direct_scan",
    "async_reclaim",
    "direct_reclaim",
)
"""Names of VIRTIO_BALLOON_S_*, by tag; memory and swap are in bytes, the rest are counts."""

_ENTRY = struct.Struct("<HQ")
_U64 = (1 << 64) - 1
_ABSENT = -1

_MOST_BYTES = 256 * _ENTRY.size
"""Bytes of one buffer that are looked at: many times what there are tags, and a bound on a hostile one."""


def parse_statistics(data: bytes) -> dict[str, int]:
    """Read a buffer of statistics: entries in any order, the last of a tag counts.

    Unknown tags are passed over (C255), and so are bytes behind the last whole entry.
    """
    entries = _ENTRY.iter_unpack(data[: len(data) // _ENTRY.size * _ENTRY.size])
    return {STATISTICS[tag]: value for tag, value in entries if tag < len(STATISTICS)}


class Statistics:
    """What the driver last said of its memory.

    Attributes:
        values: by name, or None while nothing has come from this driver; a new buffer replaces all of them.
    """

    def __init__(self, counters: BalloonCounters, anomalies: BalloonAnomalies) -> None:
        self.values: dict[str, int] | None = None
        self._counters = counters
        self._anomalies = anomalies
        self._primed = False
        self._wanted = False

    def request(self) -> None:
        """Want fresh figures: `take` then gives the buffer back, so that the driver fills it anew."""
        self._wanted = True

    def take(self, queue: Virtqueue, legacy: bool) -> None:
        """Read what the driver put into the queue, and keep the buffer unless fresh figures are wanted.

        A legacy driver's first buffer may never have been initialized: its values are ignored.
        """
        for batch in queue.batches():
            for row in range(batch.count):
                data = batch.read(row, _MOST_BYTES)
                self._anomalies.odd_buffers += len(data) % _ENTRY.size != 0
                if self._primed or not legacy:
                    self.values = parse_statistics(data)
                    self._counters.stats_buffers += 1
                self._primed = True
            self._anomalies.surplus_stats += queue.keep(batch)
        self._wanted = self._wanted and not queue.release()

    def reset(self) -> None:
        """Forget the figures with the driver that they came from."""
        self.values = None
        self._primed = self._wanted = False

    def save(self) -> State:
        """Return the figures by tag; none at all while nothing has come."""
        values = [] if self.values is None else [self.values.get(name, _ABSENT) for name in STATISTICS]
        return {"values": values, "primed": self._primed, "wanted": self._wanted}

    def restored(self, state: object) -> "Statistics":
        """Return what `save()` described, with the same counters; raises StateError."""
        saved = Fields(state, "balloon.stats", ("values", "primed", "wanted"))
        count = len(saved.items("values", 0, len(STATISTICS)))
        if count not in (0, len(STATISTICS)):
            raise saved.fail("values", f"{count} items, expected none or {len(STATISTICS)}")
        values = saved.integers("values", count, _ABSENT, _U64)
        fresh = Statistics(self._counters, self._anomalies)
        fresh._primed = saved.boolean("primed")
        fresh._wanted = saved.boolean("wanted")
        if values:
            named = zip(STATISTICS, values, strict=True)
            fresh.values = {name: value for name, value in named if value != _ABSENT}
        return fresh
