"""A split ring as its driver keeps it, read from the guest's memory and believed for nothing.

A ring is looked at when the driver had reason to be done with it (it wrote to a register) and when the device
takes from it and gives back. A look says which chains have appeared and which the device has returned, and
keeps a copy of every chain in between, to compare with.

Spec: virtio 1.4, "Split Virtqueues".
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from devices.memory import GuestMemory, GuestMemoryError
from devices.virtio.constants import VRING_DESC_F_INDIRECT, VRING_DESC_F_NEXT, VRING_DESC_F_WRITE

_DESC = struct.Struct("<QIHH")
_U16 = 0xFFFF


class Descriptor(NamedTuple):
    """One descriptor, at place `at` of its table."""

    at: int
    addr: int
    length: int
    flags: int
    next: int

    @property
    def writable(self) -> bool:
        """Whether the device writes the buffer."""
        return bool(self.flags & VRING_DESC_F_WRITE)

    @property
    def indirect(self) -> bool:
        """Whether the buffer is a table of descriptors."""
        return bool(self.flags & VRING_DESC_F_INDIRECT)

    @property
    def chained(self) -> bool:
        """Whether another one follows."""
        return bool(self.flags & VRING_DESC_F_NEXT)


@dataclass
class Chain:
    """What a driver made available under one head.

    Attributes:
        head: its number in the descriptor table.
        position: index of the available ring that it came with.
        direct: its descriptors in the ring's own table, in order.
        table: those in its indirect table, in order.
        endless: the chain leads back into itself, or out of its table.
        copies: address and bytes of all that describes the chain.
    """

    head: int
    position: int
    direct: list[Descriptor] = field(default_factory=list)
    table: list[Descriptor] = field(default_factory=list)
    endless: bool = False
    copies: list[tuple[int, bytes]] = field(default_factory=list)

    @property
    def buffers(self) -> list[Descriptor]:
        """The descriptors of memory, without the one that leads to the table."""
        pieces = ([descriptor] if not descriptor.indirect else self.table for descriptor in self.direct)
        return [descriptor for piece in pieces for descriptor in piece]

    def output(self, memory: GuestMemory) -> bytes:
        """Return what the driver wrote for the device; b"" where that is not in RAM."""
        try:
            return b"".join(memory.read(d.addr, d.length) for d in self.buffers if not d.writable)
        except GuestMemoryError:
            return b""


class Ring:
    """One ring from the moment it was enabled.

    Args:
        memory: guest RAM.
        index: number of the queue.
        size: entries.
        desc: address of the descriptor table, as the driver gave it.
        avail: of the available ring.
        used: of the used ring.
        in_order: VIRTIO_F_IN_ORDER was negotiated, so that one used entry may stand for many.

    Attributes:
        available: the driver's index at the last look.
        outstanding: the chains that the device has, by head, oldest first.
    """

    def __init__(
        self, memory: GuestMemory, index: int, size: int, desc: int, avail: int, used: int, *, in_order: bool
    ) -> None:
        self._memory = memory
        self._in_order = in_order
        self.index = index
        self.size = size
        self.desc, self.avail, self.used = desc, avail, used
        self.available = 0
        self.outstanding: dict[int, Chain] = {}
        self._returned = 0

    @property
    def parts(self) -> tuple[tuple[int, int], ...]:
        """Address and bytes of the three parts."""
        return (self.desc, 16 * self.size), (self.avail, 6 + 2 * self.size), (self.used, 6 + 8 * self.size)

    @property
    def usable(self) -> bool:
        """Whether all of it is in RAM; nothing else may be asked of one that is not."""
        return self.size > 0 and all(self._memory.contains(addr, length) for addr, length in self.parts)

    @property
    def avail_flags(self) -> int:
        """The available ring's flags."""
        return self._half(self.avail)

    @property
    def avail_idx(self) -> int:
        """The available ring's index."""
        return self._half(self.avail + 2)

    @property
    def used_event(self) -> int:
        """What the driver wants to be interrupted at, with VIRTIO_F_EVENT_IDX."""
        return self._half(self.avail + 4 + 2 * self.size)

    @property
    def used_flags(self) -> int:
        """The used ring's flags."""
        return self._half(self.used)

    @property
    def used_idx(self) -> int:
        """The used ring's index."""
        return self._half(self.used + 2)

    @property
    def avail_event(self) -> int:
        """What the device wants to be notified at, with VIRTIO_F_EVENT_IDX."""
        return self._half(self.used + 4 + 8 * self.size)

    def adopt(self, returned: int) -> None:
        """Take over a ring in the middle of its life, of which the device has given back `returned`."""
        self._returned = self.available = returned & _U16
        for _ in self.appeared():
            pass

    def returned(self) -> Iterator[Chain]:
        """Yield the chains that the device has given back since the last look."""
        count = self.used_idx - self._returned & _U16
        if count > self.size:
            return
        for position in range(self._returned, self._returned + count):
            if self._in_order:
                head = next(iter(self.outstanding), -1)
            else:
                head = self._half(self.used + 4 + 8 * (position % self.size))
            chain = self.outstanding.pop(head, None)
            if chain is not None:
                yield chain
        self._returned = self._returned + count & _U16

    @property
    def advance(self) -> int:
        """How far the driver has moved its index since the last look; more than a queue for one that fell."""
        return self.avail_idx - self.available & _U16

    def appeared(self) -> Iterator[Chain]:
        """Yield the chains that the driver has made available since the last look; none if its index fell."""
        count = self.advance
        first, self.available = self.available, self.avail_idx
        if count > self.size:
            return
        for position in range(first, first + count):
            entry = self.avail + 4 + 2 * (position % self.size)
            chain = Chain(self._half(entry), position & _U16)
            self._read_chain(chain)
            self.outstanding[chain.head] = chain
            yield chain

    def altered(self, chain: Chain) -> bool:
        """Whether the driver has changed what describes a chain since it made it available."""
        return any(self._memory.read(addr, len(data)) != data for addr, data in chain.copies)

    def _read_chain(self, chain: Chain) -> None:
        """Follow a chain as far as it can be followed."""
        at, seen = chain.head, set[int]()
        while True:
            if at in seen or at >= self.size:
                chain.endless = True
                return
            seen.add(at)
            descriptor = self._descriptor(chain, self.desc, at)
            chain.direct.append(descriptor)
            if descriptor.indirect:
                self._read_table(chain, descriptor)
            if not descriptor.chained:
                return
            at = descriptor.next

    def _read_table(self, chain: Chain, leads_to: Descriptor) -> None:
        entries = leads_to.length // 16
        if not entries or not self._memory.contains(leads_to.addr, leads_to.length):
            chain.endless = True
            return
        at, seen = 0, set[int]()
        while True:
            if at in seen or at >= entries:
                chain.endless = True
                return
            seen.add(at)
            descriptor = self._descriptor(chain, leads_to.addr, at)
            chain.table.append(descriptor)
            if not descriptor.chained:
                return
            at = descriptor.next

    def _descriptor(self, chain: Chain, table: int, index: int) -> Descriptor:
        data = self._memory.read(table + 16 * index, 16)
        chain.copies.append((table + 16 * index, data))
        return Descriptor(index, *_DESC.unpack(data))

    def _half(self, addr: int) -> int:
        return int.from_bytes(self._memory.read(addr, 2), "little")
