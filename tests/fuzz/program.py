"""Byte strings as programs of a driver and its host: what a fuzzer mutates, made into accesses.

A program's first byte chooses the device and the interface, the rest are steps: a byte for the kind, then
operands. Behind the end are zeros. So every string is a program, a change of one byte changes one thing, and
the common course (bring up, describe, offer) is a few bytes long. A step with its top bit set leaves the
device no time to work after it.
"""

import struct
from collections.abc import Callable

from devices.virtio.backends import MemoryBackend
from devices.virtio.balloon import ALL_FEATURES, Balloon
from devices.virtio.block import Block
from devices.virtio.constants import (
    VIRTIO_F_NOTIFICATION_DATA,
    VIRTIO_MMIO_QUEUE_NOTIFY,
    VIRTIO_MMIO_QUEUE_READY,
    VIRTIO_MMIO_STATUS,
)
from devices.virtio.device import VirtioDevice
from hv.conformance.driver import F_VERSION_1, Driver
from hv.conformance.dut import RAM_BASE
from hv.conformance.ring import layout
from tests.fuzz.slot import RAM_BYTES, WatchedSlot

_SECTORS = 8
_QUEUES = 5

_COMMON = (0x10, 0x14, 0x20, 0x24, 0x30, 0x34, 0x38, 0x50, 0x60, 0x64, 0x70, 0x70, 0x70)
_CONFIG = (0x100, 0x104, 0x105, 0x107, 0x108, 0x10C, 0x10F)
_OFFSETS = {
    "modern": (*_COMMON, *_CONFIG, 0x44, 0x80, 0x84, 0x90, 0x94, 0xA0, 0xA4, 0xB0, 0xC0, 0xFC),
    "legacy": (*_COMMON, *_CONFIG, 0x28, 0x3C, 0x40, 0x40),
}
_SIZES = (4, 4, 1, 2, 8)
_NUMBERS = (0x100, 0x400, 0x1000, 0x7FFF, 0x8000, 0xFFFF, 0x1_0000, 1 << 31, 0xFFFF_F000, 0xFFFF_FFFF)
_U64 = (1 << 64) - 1

SUBJECTS = tuple((device, interface) for device in ("balloon", "block") for interface in _OFFSETS)


class Reader:
    """Takes a byte string apart from its front; behind its end are zeros."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        """Whether there is a byte left."""
        return self._at < len(self._data)

    def take(self, length: int) -> bytes:
        """Return the next bytes."""
        found = self._data[self._at : self._at + length]
        self._at += length
        return found.ljust(length, b"\0")

    def number(self, length: int = 1) -> int:
        """Return the next bytes as a number."""
        return int.from_bytes(self.take(length), "little")

    def value(self) -> int:
        """Return what a driver may write: mostly small, or a place in RAM, or where things change."""
        kind = self.number()
        if kind < 0xC0:
            return kind
        if kind < 0xD0:
            return (RAM_BASE >> 12) + kind % 16
        if kind < 0xE0:
            return RAM_BASE + self.number(2)
        if kind < 0xF0:
            return _NUMBERS[kind % len(_NUMBERS)]
        return self.number(8)


class Program:
    """One run of a byte string.

    Attributes:
        slot: the device in its transport; `replace` puts another one in its place.
        driver: a driver that sees the slot.
        heard: what the driver was told: loads, in order.
        saves: whether the last step asks for the device to be saved and restored.
    """

    def __init__(self, data: bytes) -> None:
        self._reader = Reader(data)
        self.device, self.interface = SUBJECTS[self._reader.number() % len(SUBJECTS)]
        self._backend = MemoryBackend(bytes(512 * _SECTORS))
        self.slot = self.fresh()
        self.driver = Driver(self.slot, self.device, self.interface)
        self.heard: list[int] = []
        self.saves = False
        self._ring_sizes: dict[int, int] = {}
        self._offsets = _OFFSETS[self.interface]
        self._kinds: tuple[Callable[[], None], ...] = (
            self._store,
            self._load,
            self._describe,
            self._offer,
            self._offer,
            self._notify,
            self._start,
            self._place,
            self._poke,
            self._host,
            self._access_anywhere,
            self._write_indices,
            self._save,
        )

    def fresh(self) -> WatchedSlot:
        """Return a device of the program's kind as it is when a machine is made; the disk stays the same."""
        device: VirtioDevice = Block(self._backend, "fuzz")
        if self.device == "balloon":
            device = Balloon(ALL_FEATURES)
        return WatchedSlot(device, self.interface)

    def replace(self, slot: WatchedSlot) -> None:
        """Have the program go on with this device."""
        self.slot = self.driver.dut = slot

    def step(self) -> bool | None:
        """Do the next step; return whether the device may work now, or None if there is no step."""
        if not self._reader:
            return None
        kind = self._reader.number()
        self.saves = False
        self._kinds[(kind & 0x7F) % len(self._kinds)]()
        return kind < 0x80

    # The steps.

    def _store(self) -> None:
        offset = self._register()
        self.slot.write(offset, 1 if offset % 4 else 4, self._reader.value() & _U64)

    def _load(self) -> None:
        offset = self._register()
        self.heard.append(self.slot.read(offset, 1 if offset % 4 else 4))

    def _access_anywhere(self) -> None:
        offset = self._reader.number(2) % 0x1000
        size = _SIZES[self._reader.number() % len(_SIZES)]
        self.slot.write(offset, size, self._reader.value() & (1 << 8 * size) - 1)
        self.heard.append(self.slot.read(offset, size))

    def _describe(self) -> None:
        """Write a descriptor; two spare bits of its flags make address and length any value."""
        desc, _, _ = self._ring(self._reader.number())
        index, flags = self._reader.number(), self._reader.number()
        addr = self._reader.value() if flags & 0x80 else RAM_BASE + self._reader.number(2)
        length = self._reader.value() & 0xFFFF_FFFF if flags & 0x40 else self._reader.number()
        self._write(desc + 16 * index, struct.pack("<QIHH", addr, length, flags & 7, self._reader.number()))

    def _offer(self) -> None:
        """Make one chain available and notify."""
        queue = self._reader.number() % _QUEUES
        _, avail, size = self._ring(queue)
        idx = int.from_bytes(self.slot.read_memory(avail + 2, 2), "little")
        self._write(avail + 4 + 2 * (idx % size), struct.pack("<H", self._reader.number()))
        self._write(avail + 2, struct.pack("<H", (idx + 1) & 0xFFFF))
        data = (idx + 1) << 16 if self.driver.accepted >> VIRTIO_F_NOTIFICATION_DATA & 1 else 0
        self.slot.write(VIRTIO_MMIO_QUEUE_NOTIFY, 4, (queue | data) & 0xFFFF_FFFF)

    def _notify(self) -> None:
        self.slot.write(VIRTIO_MMIO_QUEUE_NOTIFY, 4, self._reader.value() & 0xFFFF_FFFF)

    def _write_indices(self) -> None:
        """Write flags and index of an available ring, and used_event."""
        _, avail, size = self._ring(self._reader.number())
        self._write(avail, struct.pack("<HH", self._reader.number(), self._reader.number(2)))
        self._write(avail + 4 + 2 * size, self._reader.take(2))

    def _start(self) -> None:
        """Bring the device up in the right order, with any of its features."""
        features = self._reader.number(8) | F_VERSION_1
        size = 1 << self._reader.number() % 5
        self.driver.negotiate(features & self.driver.offered())
        for queue in self.driver.queues():
            self._put_ring(queue, size)
        self.slot.write(VIRTIO_MMIO_STATUS, 4, self.driver.working)

    def _place(self) -> None:
        """Enable one queue, where the other steps look for it, or anywhere."""
        choice = self._reader.number()
        if choice < 0x80:
            self._put_ring(choice % _QUEUES, 1 << self._reader.number() % 5)
        else:
            size = 1 << self._reader.number() % 8
            desc, avail, used = (self._reader.value() for _ in range(3))
            self.driver.set_layout(choice % _QUEUES, size, desc, avail, used)
            self.slot.write(VIRTIO_MMIO_QUEUE_READY, 4, 1)

    def _poke(self) -> None:
        addr = RAM_BASE + self._reader.number(2)
        self._write(addr, self._reader.take(1 + self._reader.number() % 16))

    def _host(self) -> None:
        choice = self._reader.number()
        device = self.slot.device
        if choice == 0xFF:
            self.slot.host_reset()
        elif isinstance(device, Balloon):
            words: tuple[Callable[[], object], ...] = (
                lambda: device.set_target(self._reader.value() & 0xFFFF_FFFF),
                device.request_stats,
                device.start_hinting,
                device.stop_hinting,
                device.finish_hinting,
            )
            words[choice % len(words)]()

    def _save(self) -> None:
        self.saves = True

    # Where things are.

    def _register(self) -> int:
        return self._offsets[self._reader.number() % len(self._offsets)]

    def _ring(self, queue: int) -> tuple[int, int, int]:
        """Return where `_put_ring` has put or would put a queue: its table, its available ring, its size."""
        queue %= _QUEUES
        size = self._ring_sizes.get(queue, 1)
        desc = RAM_BASE + queue * 0x2000
        return desc, layout(desc, size, self.driver.align)[0], size

    def _put_ring(self, queue: int, size: int) -> None:
        self._ring_sizes[queue] = size
        desc, _, _ = self._ring(queue)
        self._write(desc, bytes(0x2000))
        self.driver.place_queue(queue, size, desc)

    def _write(self, addr: int, data: bytes) -> None:
        """Store into RAM as far as it goes."""
        self.slot.write_memory(addr, data[: RAM_BASE + RAM_BYTES - addr])
