"""A split ring in RAM as a driver keeps it, which can also be kept wrongly."""

import struct
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from devices.virtio.constants import (
    VRING_DESC_F_INDIRECT,
    VRING_DESC_F_NEXT,
    VRING_DESC_F_WRITE,
    VRING_USED_ALIGN_SIZE,
)
from hv.conformance.dut import Dut


class Buffer(NamedTuple):
    """One descriptor: guest physical address, bytes, whether the device writes it."""

    addr: int
    length: int
    writable: bool = False


def layout(addr: int, size: int, align: int) -> tuple[int, int, int]:
    """Return where the available ring, the used ring and the memory behind them are.

    Args:
        addr: guest physical address of the descriptor table.
        size: number of descriptors.
        align: of the used ring, bytes.
    """
    avail = addr + 16 * size
    used = -(-(avail + 6 + 2 * size) // align) * align
    return avail, used, used + 6 + 8 * size


class Ring:
    """A split ring in RAM as a driver keeps it. Descriptors are handed out in a circle.

    Attributes:
        size: number of descriptors.
        desc: guest physical address of the descriptor table.
        avail: of the available ring.
        used: of the used ring.
        end: of the first byte behind it all.
        in_order: whether IN_ORDER was negotiated.
    """

    def __init__(
        self,
        dut: Dut,
        addr: int,
        size: int,
        align: int = VRING_USED_ALIGN_SIZE,
        in_order: bool = False,
    ) -> None:
        self.dut = dut
        self.in_order = in_order
        self.size = size
        self.desc = addr
        self.avail, self.used, self.end = layout(addr, size, align)
        self.next_desc = 0
        self.avail_idx = 0
        self.seen_used = 0
        self._waiting: deque[int] = deque()  # heads made available and not seen back
        dut.write_memory(addr, bytes(self.end - addr))

    def __repr__(self) -> str:
        return f"a ring of {self.size}"

    def descriptor(self, index: int, addr: int, length: int, flags: int, following: int = 0) -> None:
        """Write a descriptor, whatever it says."""
        self.dut.write_memory(self.desc + 16 * index, struct.pack("<QIHH", addr, length, flags, following))

    def chain(self, buffers: Sequence[Buffer]) -> int:
        """Write a chain and return its head."""
        indices = [(self.next_desc + i) % self.size for i in range(len(buffers))]
        self.next_desc = (self.next_desc + len(buffers)) % self.size
        for i, buffer in enumerate(buffers):
            last = i == len(buffers) - 1
            flags = buffer.writable * VRING_DESC_F_WRITE | (not last) * VRING_DESC_F_NEXT
            self.descriptor(indices[i], buffer.addr, buffer.length, flags, 0 if last else indices[i + 1])
        return indices[0]

    def indirect_chain(self, buffers: Sequence[Buffer], table: int, flags: int = 0) -> int:
        """Write a chain into an indirect table at `table`, and return the head that leads to it."""
        for i, buffer in enumerate(buffers):
            last = i == len(buffers) - 1
            entry = buffer.writable * VRING_DESC_F_WRITE | (not last) * VRING_DESC_F_NEXT
            data = struct.pack("<QIHH", buffer.addr, buffer.length, entry, 0 if last else i + 1)
            self.dut.write_memory(table + 16 * i, data)
        head = self.next_desc
        self.next_desc = (head + 1) % self.size
        self.descriptor(head, table, 16 * len(buffers), VRING_DESC_F_INDIRECT | flags)
        return head

    def make_available(self, *heads: int) -> None:
        """Put heads into the available ring and then advance its index past them."""
        for i, head in enumerate(heads):
            at = self.avail + 4 + 2 * ((self.avail_idx + i) % self.size)
            self.dut.write_memory(at, struct.pack("<H", head))
        self._waiting.extend(heads)
        self.set_avail_idx(self.avail_idx + len(heads))

    def set_avail_idx(self, idx: int) -> None:
        """Write the available index, whatever it says."""
        self.avail_idx = idx & 0xFFFF
        self.dut.write_memory(self.avail + 2, struct.pack("<H", self.avail_idx))

    def set_avail_flags(self, flags: int) -> None:
        """Write the flags of the available ring."""
        self.dut.write_memory(self.avail, struct.pack("<H", flags))

    def set_used_event(self, position: int) -> None:
        """Ask for an interrupt when the used index passes `position`."""
        self.dut.write_memory(self.avail + 4 + 2 * self.size, struct.pack("<H", position & 0xFFFF))

    @property
    def avail_event(self) -> int:
        """The position whose passing the device wants to be notified of."""
        return self._read16(self.used + 4 + 8 * self.size)

    @property
    def used_flags(self) -> int:
        """The flags of the used ring."""
        return self._read16(self.used)

    @property
    def used_idx(self) -> int:
        """The used index as the device has it."""
        return self._read16(self.used + 2)

    def reap(self) -> list[tuple[int, int]]:
        """Return (head, used length) of what the device has given back since the last call.

        With IN_ORDER one entry may stand for all chains up to its own (spec: "VIRTIO_F_IN_ORDER"); those
        before it come back with length 0. Entries that a device in order cannot write raise AssertionError.
        """
        done: list[tuple[int, int]] = []
        while self.seen_used != self.used_idx:
            at = self.used + 4 + 8 * (self.seen_used % self.size)
            head, length = struct.unpack("<II", self.dut.read_memory(at, 8))
            before = []
            if self.in_order:
                assert head in self._waiting, f"used entry {head}, but waiting were {list(self._waiting)}"
                while self._waiting[0] != head:
                    before.append((self._waiting.popleft(), 0))
            if head in self._waiting:
                self._waiting.remove(head)
            done += [*before, (head, length)]
            self.seen_used = (self.seen_used + 1 + len(before)) & 0xFFFF
        return done

    def _read16(self, addr: int) -> int:
        return int.from_bytes(self.dut.read_memory(addr, 2), "little")
