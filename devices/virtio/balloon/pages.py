"""Inflating and deflating: whose each page is, and giving the memory of inflated ones back to the host."""

from collections.abc import Iterator

import numpy as np

from devices.memory import PAGE_SIZE, GuestMemory
from devices.virtio import kernels
from devices.virtio.balloon.counters import BalloonAnomalies, BalloonCounters
from devices.virtio.constants import VIRTIO_BALLOON_PFN_SHIFT
from devices.virtio.queue import Batch, Virtqueue


class BalloonPages:
    """The books of one RAM (spec: "Traditional Memory Balloon Device", Device Operation).

    A page that is inflated is discarded before the driver has its buffer back; one that is deflated needs no
    action. Requests that contradict the books or make no sense are counted, carried out as far as they can
    be, and always given back: a driver that waits for its buffer must not wait for ever.

    Attributes:
        ballooned: for each page, whether the host has it.
    """

    def __init__(self, memory: GuestMemory, counters: BalloonCounters, anomalies: BalloonAnomalies) -> None:
        self.ballooned: kernels.Flags = np.zeros(memory.size // PAGE_SIZE, dtype=np.bool_)
        self._counters = counters
        self._anomalies = anomalies
        self._pfns = np.zeros(kernels.MAX_PFNS, dtype=np.int64)
        self._ranges = np.zeros((kernels.MAX_PFNS, 2), dtype=np.int64)

    def inflate(self, queue: Virtqueue) -> None:
        """Take pages: enter them, and give their memory back to the host before the driver hears of it."""
        for batch in queue.batches():
            self._counters.inflate_requests += batch.count
            for tally in self._exchange(batch, inflate=True):
                self._counters.inflated_pages += tally[kernels.CHANGED]
                self._anomalies.double_inflates += tally[kernels.REPEATED]
                for page, pages in self._ranges[: tally[kernels.RANGES]].tolist():
                    batch.memory.discard(batch.memory.base + page * PAGE_SIZE, pages * PAGE_SIZE)
                    self._counters.discarded_bytes += pages * PAGE_SIZE
            queue.push(batch)

    def deflate(self, queue: Virtqueue) -> None:
        """Let pages go: they are the driver's as soon as it has its buffer back."""
        for batch in queue.batches():
            self._counters.deflate_requests += batch.count
            for tally in self._exchange(batch, inflate=False):
                self._counters.deflated_pages += tally[kernels.CHANGED]
                self._anomalies.stray_deflates += tally[kernels.REPEATED]
            queue.push(batch)

    def _exchange(self, batch: Batch, inflate: bool) -> Iterator[list[int]]:
        """Enter a batch into the books; yield a tally for each part of it, whose pages are in `_ranges`."""
        memory = batch.memory
        row = 0
        while row < batch.count:
            tally = np.zeros(kernels.TALLY_WORDS, dtype=np.int64)
            row = kernels.exchange_pages(
                memory.ram,
                batch.chains,
                batch.segments,
                row,
                batch.count,
                memory.base >> VIRTIO_BALLOON_PFN_SHIFT,
                self.ballooned,
                inflate,
                self._pfns,
                self._ranges,
                tally,
            )
            counts = tally.tolist()
            self._anomalies.pfns_outside_ram += counts[kernels.OUTSIDE]
            self._anomalies.pfns_ignored += counts[kernels.IGNORED]
            self._anomalies.odd_buffers += counts[kernels.ODD]
            self._anomalies.empty_buffers += counts[kernels.EMPTY]
            yield counts
