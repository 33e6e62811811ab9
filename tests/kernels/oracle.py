"""What the ring kernels must answer, written for reading: plain Python, plain data, one thing at a time.

It shares with the kernels the numbers of the spec and the names of the faults, and no code. A ring is read
from a copy of RAM; nothing is batched, masked or merged cleverly.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from devices.virtio import kernels

NEXT, WRITE, INDIRECT = 1, 2, 4


class FaultError(Exception):
    """A chain that cannot be used; `code` is the kernels' name for why."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass
class Layout:
    """A ring: `desc`, `avail` and `used` are offsets into RAM, `base` is RAM's first address."""

    base: int
    size: int
    desc: int
    avail: int
    used: int
    indirect: bool
    event_idx: bool
    in_order: bool
    notify_on_empty: bool
    next_avail: int
    next_used: int
    signalled: int


@dataclass
class Chain:
    """A chain: segments are (offset into RAM, bytes), without empty ones."""

    head: int
    readable: list[tuple[int, int]] = field(default_factory=list)
    writable: list[tuple[int, int]] = field(default_factory=list)


def number(ram: bytes, at: int, size: int) -> int:
    """A little-endian number."""
    return int.from_bytes(ram[at : at + size], "little")


def is_ram(ram: bytes | bytearray, start: int, length: int) -> bool:
    """Whether bytes start..start+length-1 all exist."""
    return start >= 0 and start + length <= len(ram)


def ring_is_ram(ram: bytes | bytearray, ring: Layout) -> bool:
    """Whether the three parts of the ring exist."""
    parts = ((ring.desc, 16 * ring.size), (ring.avail, 6 + 2 * ring.size), (ring.used, 6 + 8 * ring.size))
    return ring.size > 0 and all(is_ram(ram, start, length) for start, length in parts)


def descriptors(ram: bytes, ring: Layout, head: int) -> Iterator[tuple[int, int, int]]:
    """Yield (address, length, flags) of each buffer of a chain, through an indirect table if there is one."""
    table = [ram[at : at + 16] for at in range(ring.desc, ring.desc + 16 * ring.size, 16)]
    in_indirect = False
    index = head
    while True:
        if index >= len(table):
            raise FaultError(kernels.INDEX_OUTSIDE_TABLE)
        addr, length, flags, following = struct.unpack("<QIHH", table[index])
        if flags & INDIRECT:
            if not ring.indirect:
                raise FaultError(kernels.INDIRECT_NOT_NEGOTIATED)
            if in_indirect:
                raise FaultError(kernels.INDIRECT_NESTED)
            if flags & NEXT:
                raise FaultError(kernels.INDIRECT_WITH_NEXT)
            if length == 0 or length % 16 != 0:
                raise FaultError(kernels.INDIRECT_LENGTH)
            start = addr - ring.base
            if not is_ram(ram, start, length):
                raise FaultError(kernels.INDIRECT_OUTSIDE_RAM)
            table = [ram[at : at + 16] for at in range(start, start + length, 16)]
            in_indirect = True
            index = 0
            continue
        yield addr, length, flags
        if not flags & NEXT:
            return
        index = following


def walk(ram: bytes, ring: Layout, head: int) -> Chain:
    """Return the chain at `head`, or raise FaultError."""
    chain = Chain(head)
    total = 0
    writing = False
    for count, (addr, length, flags) in enumerate(descriptors(ram, ring, head)):
        if count == ring.size:
            raise FaultError(kernels.CHAIN_TOO_LONG)
        total += length
        if total > 2**32:
            raise FaultError(kernels.CHAIN_TOO_MANY_BYTES)
        if writing and not flags & WRITE:
            raise FaultError(kernels.READABLE_AFTER_WRITABLE)
        writing = bool(flags & WRITE)
        if length == 0:
            continue
        if not is_ram(ram, addr - ring.base, length):
            raise FaultError(kernels.BUFFER_OUTSIDE_RAM)
        (chain.writable if writing else chain.readable).append((addr - ring.base, length))
    return chain


def available(ram: bytes, ring: Layout) -> tuple[list[Chain], int]:
    """Return the good chains that wait, and the fault of the one after them or 0."""
    if not ring_is_ram(ram, ring):
        return [], kernels.RING_OUTSIDE_RAM
    waiting = (number(ram, ring.avail + 2, 2) - ring.next_avail) % 65536
    if waiting > ring.size:
        return [], kernels.AVAIL_IDX_RUNS_AWAY
    chains = []
    for position in range(ring.next_avail, ring.next_avail + waiting):
        head = number(ram, ring.avail + 4 + 2 * (position % ring.size), 2)
        try:
            chains.append(walk(ram, ring, head))
        except FaultError as fault:
            return chains, fault.code
    return chains, 0


def take(ram: bytearray, ring: Layout, count: int) -> None:
    """Take `count` chains: with EVENT_IDX the driver is told where the device now is."""
    ring.next_avail = (ring.next_avail + count) % 65536
    if ring.event_idx:
        struct.pack_into("<H", ram, ring.used + 4 + 8 * ring.size, ring.next_avail)


def passes(event: int, new: int, old: int) -> bool:
    """Whether one of the steps from position `old` to `new` is the one that leaves `event` behind."""
    position = old
    while position != new:
        if position == event:
            return True
        position = (position + 1) % 65536
    return False


def groups(ring: Layout, used: list[tuple[Chain, int]]) -> Iterator[list[tuple[Chain, int]]]:
    """Divide (chain, written) pairs into those that share a used element: up to one that can be written."""
    group = []
    for chain, written in used:
        group.append((chain, written))
        if not ring.in_order or chain.writable:
            yield group
            group = []
    if group:
        yield group


def push(ram: bytearray, ring: Layout, used: list[tuple[Chain, int]]) -> bool:
    """Put (chain, written) pairs into the used ring; return whether the driver wants an interrupt."""
    for group in groups(ring, used):
        chain, written = group[-1]
        at = ring.used + 4 + 8 * (ring.next_used % ring.size)
        struct.pack_into("<II", ram, at, chain.head, written)
        ring.next_used = (ring.next_used + len(group)) % 65536
    if not used:
        return False
    struct.pack_into("<HH", ram, ring.used, 0, ring.next_used)
    old, ring.signalled = ring.signalled, ring.next_used
    if ring.notify_on_empty and number(bytes(ram), ring.avail + 2, 2) == ring.next_avail:
        return True
    if ring.event_idx:
        return passes(number(bytes(ram), ring.avail + 4 + 2 * ring.size, 2), ring.next_used, old)
    return ram[ring.avail] & 1 == 0


@dataclass
class Books:
    """The balloon as pages (indices into RAM), and what was counted on the way."""

    pages: int
    first_pfn: int
    ballooned: set[int] = field(default_factory=set)
    tally: list[int] = field(default_factory=lambda: [0] * kernels.TALLY_WORDS)

    def exchange(self, buffers: Iterable[bytes], inflate: bool) -> list[tuple[int, int]]:
        """Carry out buffers of PFNs; return the pages that they name as (first, count), joined and sorted."""
        named = set()
        for data in buffers:
            pfns = [number(data, at, 4) for at in range(0, len(data) - 3, 4)]
            self.tally[kernels.IGNORED] += len(pfns[kernels.MAX_PFNS :])
            self.tally[kernels.ODD] += len(data) % 4 != 0
            self.tally[kernels.EMPTY] += not pfns
            for pfn in pfns[: kernels.MAX_PFNS]:
                self.tally[kernels.PFNS] += 1
                page = pfn - self.first_pfn
                if not 0 <= page < self.pages:
                    self.tally[kernels.OUTSIDE] += 1
                    continue
                named.add(page)
                if (page in self.ballooned) == inflate:
                    self.tally[kernels.REPEATED] += 1
                else:
                    self.tally[kernels.CHANGED] += 1
                    (self.ballooned.add if inflate else self.ballooned.remove)(page)
        ranges: list[tuple[int, int]] = []
        for page in sorted(named):
            if ranges and sum(ranges[-1]) == page:
                ranges[-1] = (ranges[-1][0], ranges[-1][1] + 1)
            else:
                ranges.append((page, 1))
        self.tally[kernels.RANGES] = len(ranges)
        return ranges
