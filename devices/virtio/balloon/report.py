"""Free page reporting: the driver names free pages when it likes, and uses them again once it has its buffer.

The host takes the memory of reported pages back, and they read zero. A driver that poisons its free pages
counts on finding the poison again (C289), so with another poison than zero they stay as they are.

Spec: virtio 1.4, "Traditional Memory Balloon Device", Free Page Reporting.
"""

from devices.memory import PAGE_SIZE
from devices.virtio.balloon.counters import BalloonAnomalies, BalloonCounters
from devices.virtio.queue import Virtqueue


class FreePageReporting:
    """The reports of one balloon's driver."""

    def __init__(self, counters: BalloonCounters, anomalies: BalloonAnomalies) -> None:
        self._counters = counters
        self._anomalies = anomalies

    def take(self, queue: Virtqueue, poisoned: bool) -> None:
        """Discard what is reported, unless it has a poison to keep, before the driver hears of it."""
        for batch in queue.batches():
            memory = batch.memory
            self._counters.report_requests += batch.count
            for row in range(batch.count):
                for addr, length in batch.writable_spans(row):
                    first, end, odd = memory.whole_pages(addr, length)
                    self._anomalies.odd_pages += odd
                    self._counters.reported_pages += end - first
                    if not poisoned:
                        size = (end - first) * PAGE_SIZE
                        memory.discard(memory.base + first * PAGE_SIZE, size)
                        self._counters.reported_bytes_discarded += size
            queue.push(batch, untouched=True)
