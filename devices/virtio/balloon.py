"""The memory balloon: the driver hands pages over, the host gives their memory back, and keeps books.

The host asks for `target_pages` (num_pages in the configuration space); the driver answers with PFNs on
the inflate or the deflate queue and reports `actual_pages`. A page that is inflated is discarded: its
contents are gone, and it reads zero until it is written again. A page that is deflated needs no action.

The books (`ballooned`, `counters`) are the host's own knowledge, made of requests only; `actual_pages`
is the driver's claim. They outlive a reset of the device, because a reset says nothing of pages; a new
machine starts with new ones. Requests that contradict the books or make no sense are counted in
`anomalies`, carried out as far as they can be, and always given back: a driver that waits for its buffer
must not wait for ever.

Spec: virtio 1.4, "Traditional Memory Balloon Device"; Linux: drivers/virtio/virtio_balloon.c.
"""

import struct
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import TypeVar

import numpy as np

from devices.errors import DeviceError
from devices.memory import PAGE_SIZE, GuestMemory
from devices.state import Fields, State
from devices.virtio import kernels
from devices.virtio.constants import (
    VIRTIO_BALLOON_F_MUST_TELL_HOST,
    VIRTIO_BALLOON_PFN_SHIFT,
    VIRTIO_ID_BALLOON,
)
from devices.virtio.device import VirtioDevice
from devices.virtio.queue import Batch, Virtqueue

_QUEUE_SIZE = 128  # as QEMU's; Linux has one request in flight on each
_CONFIG = struct.Struct("<II")  # struct virtio_balloon_config: num_pages, actual
_ACTUAL = slice(4, 8)
_U32 = 0xFFFF_FFFF
_COUNT_MAX = (1 << 63) - 1


@dataclass
class BalloonCounters:
    """What the driver asked for, since the machine was made; pages of 4 KiB."""

    inflate_requests: int = 0
    inflated_pages: int = 0  # pages that went into the balloon
    deflate_requests: int = 0
    deflated_pages: int = 0  # pages that came out of it
    discarded_bytes: int = 0  # given back to the host, pages that held nothing included


@dataclass
class BalloonAnomalies:
    """Requests that a correct driver does not make."""

    double_inflates: int = 0  # PFNs of pages that were in the balloon already
    stray_deflates: int = 0  # PFNs of pages that were not in it
    pfns_outside_ram: int = 0
    pfns_ignored: int = 0  # beyond kernels.MAX_PFNS in one buffer
    odd_buffers: int = 0  # length no multiple of four
    empty_buffers: int = 0  # not one whole PFN to read


_Counts = TypeVar("_Counts", BalloonCounters, BalloonAnomalies)


class Balloon(VirtioDevice):
    """The device. `must_tell_host` offers VIRTIO_BALLOON_F_MUST_TELL_HOST; a driver may decline it.

    Attributes:
        actual_pages: the driver's claim of how many pages it has given.
        ballooned: for each page of RAM, whether the host has it; read-only for others.
        counters: what was asked for.
        anomalies: what was asked for and makes no sense.
    """

    device_id = VIRTIO_ID_BALLOON
    queue_sizes = (_QUEUE_SIZE, _QUEUE_SIZE)

    def __init__(self, must_tell_host: bool = True) -> None:
        super().__init__()
        self.features = must_tell_host << VIRTIO_BALLOON_F_MUST_TELL_HOST
        self.actual_pages = 0
        self.ballooned: kernels.Flags = np.zeros(0, dtype=np.bool_)
        self.counters = BalloonCounters()
        self.anomalies = BalloonAnomalies()
        self._target_pages = 0
        self.handlers = (self._inflate, self._deflate)
        self._pfns = np.zeros(kernels.MAX_PFNS, dtype=np.int64)
        self._ranges = np.zeros((kernels.MAX_PFNS, 2), dtype=np.int64)

    @property
    def target_pages(self) -> int:
        """Pages that the host wants in the balloon."""
        return self._target_pages

    def set_target(self, pages: int) -> None:
        """Ask the driver for a balloon of `pages` pages of 4 KiB; now, or when there is a driver.

        A target beyond RAM is legal: a driver gives what it can. Raises DeviceError for a number that the
        configuration space cannot hold.
        """
        if not 0 <= pages <= _U32:
            raise DeviceError(f"balloon target of {pages} pages: must be 0 to {_U32}")
        if pages != self._target_pages:
            self._target_pages = pages
            self._config_changed()

    def attach(self, memory: GuestMemory) -> None:
        """Open the books for this RAM: no page is ballooned."""
        self.ballooned = np.zeros(memory.size // PAGE_SIZE, dtype=np.bool_)

    def config(self) -> bytes:
        """Return struct virtio_balloon_config."""
        return _CONFIG.pack(self._target_pages, self.actual_pages)

    def write_config(self, offset: int, data: bytes) -> None:
        """Take a write to `actual`, also of some of its bytes; num_pages is the host's."""
        config = bytearray(self.config())
        config[offset : offset + len(data)] = data[: max(0, len(config) - offset)]
        self.actual_pages = int.from_bytes(config[_ACTUAL], "little")

    def save(self) -> State:
        """Return target, claim and books."""
        return {
            "config_generation": self.config_generation,
            "target_pages": self._target_pages,
            "actual_pages": self.actual_pages,
            "ballooned": np.packbits(self.ballooned, bitorder="little").tobytes(),
            "counters": asdict(self.counters),
            "anomalies": asdict(self.anomalies),
        }

    def restore(self, state: object) -> None:
        """Take over a saved target, claim and books; raises StateError and then has changed nothing."""
        saved = Fields(state, "balloon", tuple(self.save()))
        generation = saved.integer("config_generation", 0, _U32)
        target = saved.integer("target_pages", 0, _U32)
        actual = saved.integer("actual_pages", 0, _U32)
        pages = len(self.ballooned)
        size = (pages + 7) // 8
        bits = np.frombuffer(saved.data("ballooned", size, size), dtype=np.uint8)
        ballooned = np.unpackbits(bits, bitorder="little").astype(np.bool_)
        if ballooned[pages:].any():
            raise saved.fail("ballooned", "names pages beyond RAM")
        counters = _restored(BalloonCounters, saved.value("counters"), "balloon.counters")
        anomalies = _restored(BalloonAnomalies, saved.value("anomalies"), "balloon.anomalies")
        self.config_generation = generation
        self._target_pages = target
        self.actual_pages = actual
        self.ballooned[:] = ballooned[:pages]
        self.counters = counters
        self.anomalies = anomalies

    def _inflate(self, queue: Virtqueue) -> None:
        """Take pages: enter them, and give their memory back to the host before the driver hears of it."""
        for batch in queue.batches():
            self.counters.inflate_requests += batch.count
            for tally in self._exchange(batch, inflate=True):
                self.counters.inflated_pages += tally[kernels.CHANGED]
                self.anomalies.double_inflates += tally[kernels.REPEATED]
                for page, pages in self._ranges[: tally[kernels.RANGES]].tolist():
                    batch.memory.discard(batch.memory.base + page * PAGE_SIZE, pages * PAGE_SIZE)
                    self.counters.discarded_bytes += pages * PAGE_SIZE
            queue.push(batch)

    def _deflate(self, queue: Virtqueue) -> None:
        """Let pages go: they are the driver's as soon as it has its buffer back."""
        for batch in queue.batches():
            self.counters.deflate_requests += batch.count
            for tally in self._exchange(batch, inflate=False):
                self.counters.deflated_pages += tally[kernels.CHANGED]
                self.anomalies.stray_deflates += tally[kernels.REPEATED]
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
            self.anomalies.pfns_outside_ram += counts[kernels.OUTSIDE]
            self.anomalies.pfns_ignored += counts[kernels.IGNORED]
            self.anomalies.odd_buffers += counts[kernels.ODD]
            self.anomalies.empty_buffers += counts[kernels.EMPTY]
            yield counts


def _restored(kind: type[_Counts], state: object, where: str) -> _Counts:
    """Build counters from their saved fields; raises StateError."""
    saved = Fields(state, where, tuple(field.name for field in fields(kind)))
    return kind(**{field.name: saved.integer(field.name, 0, _COUNT_MAX) for field in fields(kind)})
