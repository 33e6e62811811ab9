"""One virtqueue in use: takes batches of chains from the driver and gives them back.

A `Virtqueue` exists while QueueReady is 1. Its layout was checked when it was made, and RAM neither
moves nor shrinks, so only what the driver writes into the ring later can still be wrong: that is a
BrokenRingError, and the transport's business. The CPU stands still while a queue is worked on, so there is
nothing to race with.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from devices.errors import DeviceError
from devices.memory import GuestMemory
from devices.state import Fields, State
from devices.virtio import kernels
from devices.virtio.constants import (
    VIRTIO_F_IN_ORDER,
    VIRTIO_F_NOTIFY_ON_EMPTY,
    VIRTIO_RING_F_EVENT_IDX,
    VIRTIO_RING_F_INDIRECT_DESC,
    VRING_AVAIL_ALIGN_SIZE,
    VRING_DESC_ALIGN_SIZE,
    VRING_USED_ALIGN_SIZE,
)

_SEGMENTS_A_SLOT = 4
"""Room for segments, in rings: a batch ends when less than one ring's worth is left."""

_REASONS = {
    kernels.RING_OUTSIDE_RAM: "the ring is not in RAM",
    kernels.AVAIL_IDX_RUNS_AWAY: "the available index is more than a queue ahead",
    kernels.INDEX_OUTSIDE_TABLE: "a descriptor's index is outside its table",
    kernels.CHAIN_TOO_LONG: "the chain is longer than the queue, or a loop",
    kernels.CHAIN_TOO_MANY_BYTES: "the chain has more than 2^32 bytes",
    kernels.BUFFER_OUTSIDE_RAM: "a buffer is not in RAM",
    kernels.READABLE_AFTER_WRITABLE: "a device-readable descriptor follows a device-writable one",
    kernels.INDIRECT_NOT_NEGOTIATED: "an indirect descriptor without VIRTIO_RING_F_INDIRECT_DESC",
    kernels.INDIRECT_NESTED: "an indirect descriptor in an indirect table",
    kernels.INDIRECT_WITH_NEXT: "an indirect descriptor with a next one",
    kernels.INDIRECT_LENGTH: "an indirect table's length is 0 or no multiple of 16",
    kernels.INDIRECT_OUTSIDE_RAM: "an indirect table is not in RAM",
}

_CHAIN_REASONS = range(kernels.INDIRECT_OUTSIDE_RAM, kernels.AVAIL_IDX_RUNS_AWAY)


_PARTS = (
    ("descriptor table", VRING_DESC_ALIGN_SIZE),
    ("available ring", VRING_AVAIL_ALIGN_SIZE),
    ("used ring", VRING_USED_ALIGN_SIZE),
)


_FEATURES = (
    (kernels.INDIRECT, VIRTIO_RING_F_INDIRECT_DESC),
    (kernels.EVENT_IDX, VIRTIO_RING_F_EVENT_IDX),
    (kernels.IN_ORDER, VIRTIO_F_IN_ORDER),
    (kernels.NOTIFY_ON_EMPTY, VIRTIO_F_NOTIFY_ON_EMPTY),
)
"""(word of the ring vector, feature bit)."""


class BrokenRingError(DeviceError):
    """What a driver put into a ring, or where it put the ring, cannot be used."""


class QueueLayout(NamedTuple):
    """Where a driver placed a queue: entries, and guest physical addresses of the three parts."""

    size: int
    desc: int
    avail: int
    used: int

    @classmethod
    def contiguous(cls, size: int, desc: int, align: int) -> "QueueLayout":
        """Place the three parts one after the other, the used ring at a multiple of `align` bytes.

        Spec: "Legacy Interfaces: A Note on Virtqueue Layout". Raises BrokenRingError for an alignment that is
        no power of two.
        """
        if align <= 0 or align & (align - 1):
            raise BrokenRingError(f"used ring alignment {align} is no power of two")
        avail = desc + 16 * size
        used = avail + 6 + 2 * size
        return cls(size, desc, avail, (used + align - 1) & -align)

    def parts(self) -> tuple[tuple[int, int], ...]:
        """Return (address, bytes) of descriptor table, available ring and used ring."""
        size = self.size
        return (self.desc, 16 * size), (self.avail, 6 + 2 * size), (self.used, 6 + 8 * size)

    def fault(self, memory: GuestMemory, max_size: int) -> str | None:
        """Say what is wrong with the layout (spec: "Split Virtqueues"), or None."""
        size = self.size
        if not 0 < size <= max_size or size & (size - 1):
            return f"queue size {size} is no power of two up to {max_size}"
        for (addr, length), (name, alignment) in zip(self.parts(), _PARTS, strict=True):
            if addr % alignment:
                return f"{name} at {addr:#x} is not aligned to {alignment} bytes"
            if not memory.contains(addr, length):
                return f"{name} at {addr:#x} is not in RAM"
        return None


@dataclass(frozen=True, slots=True)
class Batch:
    """Chains that were taken together, as rows 0..count-1.

    The arrays are the queue's own and hold until the next batch is taken. A device leaves the number of
    bytes that it wrote in `chains[row, kernels.WRITTEN]`, which starts at 0, and hands the batch to
    `Virtqueue.push`.
    """

    count: int
    chains: kernels.Ints
    segments: kernels.Ints
    memory: GuestMemory

    def readable(self, row: int) -> list[memoryview]:
        """Return the pieces of RAM that the driver wants read, in order; none is empty."""
        first = int(self.chains[row, kernels.FIRST])
        return self._views(first, int(self.chains[row, kernels.READABLE]))

    def read(self, row: int, most: int) -> bytes:
        """Return a copy of the first `most` bytes that the driver wants read, or of all if they are fewer."""
        data = bytearray()
        for piece in self.readable(row):
            data += piece[: most - len(data)]
        return bytes(data)

    def writable(self, row: int) -> list[memoryview]:
        """Return the pieces of RAM that the driver wants written, in order; none is empty."""
        first = int(self.chains[row, kernels.FIRST] + self.chains[row, kernels.READABLE])
        return self._views(first, int(self.chains[row, kernels.WRITABLE]))

    def writable_spans(self, row: int) -> list[tuple[int, int]]:
        """Return (guest physical address, bytes) of the pieces that the driver wants written, in order."""
        first = int(self.chains[row, kernels.FIRST] + self.chains[row, kernels.READABLE])
        pieces = self.segments[first : first + int(self.chains[row, kernels.WRITABLE])].tolist()
        return [(self.memory.base + at, length) for at, length in pieces]

    def _views(self, first: int, count: int) -> list[memoryview]:
        ram = self.memory.ram.data
        return [ram[at : at + n] for at, n in self.segments[first : first + count].tolist()]


class QueueWatcher(Protocol):
    """Looks on while the queues of a device are worked on, and changes nothing."""

    def taken(self, queue: "Virtqueue", batch: Batch) -> None:
        """Chains that the device is about to handle."""

    def given_back(self, queue: "Virtqueue", batch: Batch) -> None:
        """Chains that the driver has back."""


class Virtqueue:
    """The device's side of a queue.

    `features` are the negotiated bits; `interrupt` is called when the driver wants to hear of used buffers.
    Raises BrokenRingError when the layout is unusable.

    Attributes:
        layout: where the driver placed it.
        kept: head of the chain that the device keeps (`keep`), or None.
        index: its number at the device, for watchers.
        watchers: who looks on.
    """

    def __init__(
        self,
        memory: GuestMemory,
        layout: QueueLayout,
        max_size: int,
        features: int,
        interrupt: Callable[[], None],
    ) -> None:
        fault = layout.fault(memory, max_size)
        if fault is not None:
            raise BrokenRingError(fault)
        self._memory = memory
        self._interrupt = interrupt
        self.layout = layout
        self.index = 0
        self.kept: int | None = None
        self.watchers: Sequence[QueueWatcher] = ()
        self._ring = np.zeros(kernels.RING_WORDS, dtype=np.int64)
        self._ring[kernels.RAM_BASE] = memory.base
        self._ring[kernels.SIZE] = layout.size
        self._ring[kernels.DESC] = layout.desc - memory.base
        self._ring[kernels.AVAIL] = layout.avail - memory.base
        self._ring[kernels.USED] = layout.used - memory.base
        self.negotiate(features)
        self._chains = np.zeros((layout.size, kernels.CHAIN_COLUMNS), dtype=np.int64)
        self._segments = np.zeros((_SEGMENTS_A_SLOT * layout.size, kernels.SEGMENT_COLUMNS), dtype=np.int64)

    @property
    def next_avail(self) -> int:
        """Position in the available ring of the next chain to take, counted over 16 bits."""
        return int(self._ring[kernels.NEXT_AVAIL])

    def negotiate(self, features: int) -> None:
        """Use the ring by these feature bits from now on."""
        for word, feature in _FEATURES:
            self._ring[word] = features >> feature & 1

    def batches(self, most: int | None = None) -> Iterator[Batch]:
        """Take what the driver has made available by now, a batch at a time; push each before the next.

        `most` is how many chains to take in all; the rest stay in the ring, for the next call.

        What appears in the ring meanwhile can only be the device's own writing into it: it waits for the
        next notification, so a ring that feeds itself ends too. Raises BrokenRingError at the first bad
        chain.
        """
        limit = self.layout.size if most is None else min(most, self.layout.size)
        while limit:
            count = kernels.fetch(self._memory.ram, self._ring, limit, self._chains, self._segments)
            if count < 0:
                raise BrokenRingError(self._describe(count))
            if self._ring[kernels.EVENT_IDX]:
                self._memory.written(self.layout.used + 4 + 8 * self.layout.size, 2)  # avail_event
            limit = int(self._ring[kernels.WAITING])
            if count:
                batch = Batch(count, self._chains, self._segments, self._memory)
                for watcher in self.watchers:
                    watcher.taken(self, batch)
                yield batch

    def push(self, batch: Batch, *, untouched: bool = False) -> None:
        """Give the chains of a batch back to the driver, and interrupt it if it asked for that.

        `untouched` says that no buffer was written to, although the driver allowed it.
        """
        rows = batch.chains[: batch.count, kernels.FIRST : kernels.WRITABLE + 1].tolist()
        for first, readable, writable in [] if untouched else rows:
            for at, length in batch.segments[first + readable : first + readable + writable].tolist():
                self._memory.written(self._memory.base + at, length)
        notify = kernels.push(self._memory.ram, self._ring, batch.chains, batch.count)
        self._memory.written(self.layout.used, 4 + 8 * self.layout.size)
        for watcher in self.watchers:
            watcher.given_back(self, batch)
        if notify > 0:
            self._interrupt()

    def keep(self, batch: Batch) -> int:
        """Keep the last chain of a batch, until the device has a use for it; return how many it had too many.

        The device keeps one chain: one kept before and others of the batch go back to the driver.
        """
        surplus = batch.count - 1 + self.release()
        kept = int(batch.chains[batch.count - 1, kernels.HEAD])
        if batch.count > 1:
            self.push(Batch(batch.count - 1, batch.chains, batch.segments, batch.memory))
        self.kept = kept
        return surplus

    def release(self) -> bool:
        """Give the kept chain back, with nothing written; return whether there was one."""
        if self.kept is None:
            return False
        chains = np.zeros((1, kernels.CHAIN_COLUMNS), dtype=np.int64)
        chains[0, kernels.HEAD] = self.kept
        self.kept = None
        self.push(Batch(1, chains, self._segments, self._memory))
        return True

    def save(self) -> State:
        """Return the positions in the ring and what is kept; where the ring is, the transport knows."""
        return {
            "kept": -1 if self.kept is None else self.kept,
            "next_avail": int(self._ring[kernels.NEXT_AVAIL]),
            "next_used": int(self._ring[kernels.NEXT_USED]),
            "signalled": int(self._ring[kernels.SIGNALLED]),
        }

    def restore(self, state: object, where: str) -> None:
        """Take over saved positions; raises StateError, which calls the state `where`."""
        fields = Fields(state, where, ("kept", "next_avail", "next_used", "signalled"))
        kept = fields.integer("kept", -1, self.layout.size - 1)
        next_avail = fields.integer("next_avail", 0, 0xFFFF)
        next_used = fields.integer("next_used", 0, 0xFFFF)
        signalled = fields.integer("signalled", 0, 0xFFFF)
        if (next_avail - next_used) & 0xFFFF > self.layout.size:
            raise fields.fail("next_used", f"{next_used} is more than a queue behind {next_avail}")
        self.kept = None if kept < 0 else kept
        self._ring[kernels.NEXT_AVAIL] = next_avail
        self._ring[kernels.NEXT_USED] = next_used
        self._ring[kernels.SIGNALLED] = signalled

    def _describe(self, code: int) -> str:
        if code in _CHAIN_REASONS:
            return f"{_REASONS[code]} (chain {self._ring[kernels.CULPRIT]})"
        return _REASONS[code]
