"""The driver's side of virtio over MMIO, for tests: it sees registers and RAM, as a guest does.

`Slot` is a device with all that surrounds it. `Driver` initialises it, and keeps one `Ring` for each queue.
Everything is as explicit as a hostile test needs: buffers are addresses, and what is forbidden can be done.
"""

import struct
from collections.abc import Sequence
from typing import NamedTuple

from devices.memory import GuestMemory
from devices.virtio.constants import (
    VIRTIO_CONFIG_S_ACKNOWLEDGE,
    VIRTIO_CONFIG_S_DRIVER,
    VIRTIO_CONFIG_S_DRIVER_OK,
    VIRTIO_CONFIG_S_FEATURES_OK,
    VIRTIO_F_VERSION_1,
    VIRTIO_MMIO_CONFIG,
    VIRTIO_MMIO_DRIVER_FEATURES,
    VIRTIO_MMIO_DRIVER_FEATURES_SEL,
    VIRTIO_MMIO_INTERRUPT_ACK,
    VIRTIO_MMIO_INTERRUPT_STATUS,
    VIRTIO_MMIO_QUEUE_AVAIL_LOW,
    VIRTIO_MMIO_QUEUE_DESC_LOW,
    VIRTIO_MMIO_QUEUE_NOTIFY,
    VIRTIO_MMIO_QUEUE_NUM,
    VIRTIO_MMIO_QUEUE_READY,
    VIRTIO_MMIO_QUEUE_SEL,
    VIRTIO_MMIO_QUEUE_USED_LOW,
    VIRTIO_MMIO_STATUS,
    VRING_DESC_F_INDIRECT,
    VRING_DESC_F_NEXT,
    VRING_DESC_F_WRITE,
)
from devices.virtio.device import VirtioDevice
from devices.virtio.mmio import VirtioMmio
from tests.harness.wire import Wire

RAM_BASE = 0x8000_0000
RAM_SIZE = 4 << 20

S_DRIVER = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER
S_FEATURES_OK = S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK
S_DRIVER_OK = S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK

F_VERSION_1 = 1 << VIRTIO_F_VERSION_1


class Buffer(NamedTuple):
    """One descriptor: guest physical address, bytes, whether the device writes it."""

    addr: int
    length: int
    writable: bool = False


class Slot:
    """A device in its transport with RAM and a wire; `kicks` counts how often the host was called.

    `written` lists what the device said it wrote: (guest physical address, bytes).
    """

    def __init__(self, device: VirtioDevice, ram_size: int = RAM_SIZE) -> None:
        self.memory = GuestMemory.allocate(RAM_BASE, ram_size)
        self.written: list[tuple[int, int]] = []
        self.memory.on_write = lambda addr, length: self.written.append((addr, length))
        self.wire = Wire()
        self.kicks = 0
        self.mmio = VirtioMmio(device, self.memory, self.wire, self._kick)

    def _kick(self) -> None:
        self.kicks += 1


class Ring:
    """A split ring in RAM as a driver keeps it. Descriptors are handed out in a circle."""

    def __init__(self, memory: GuestMemory, addr: int, size: int) -> None:
        self.memory = memory
        self.size = size
        self.desc = addr
        self.avail = addr + 16 * size
        self.used = (self.avail + 6 + 2 * size + 3) & ~3
        self.end = self.used + 6 + 8 * size
        self.next_desc = 0
        self.avail_idx = 0
        self.seen_used = 0
        memory.write(addr, bytes(self.end - addr))

    def descriptor(self, index: int, addr: int, length: int, flags: int, following: int = 0) -> None:
        """Write a descriptor, whatever it says."""
        self.memory.write(self.desc + 16 * index, struct.pack("<QIHH", addr, length, flags, following))

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
            self.memory.write(table + 16 * i, data)
        head = self.next_desc
        self.next_desc = (head + 1) % self.size
        self.descriptor(head, table, 16 * len(buffers), VRING_DESC_F_INDIRECT | flags)
        return head

    def make_available(self, head: int) -> None:
        """Put a head into the available ring and advance its index."""
        self.memory.write(self.avail + 4 + 2 * (self.avail_idx % self.size), struct.pack("<H", head))
        self.set_avail_idx(self.avail_idx + 1)

    def set_avail_idx(self, idx: int) -> None:
        """Write the available index, whatever it says."""
        self.avail_idx = idx & 0xFFFF
        self.memory.write(self.avail + 2, struct.pack("<H", self.avail_idx))

    def set_avail_flags(self, flags: int) -> None:
        """Write the flags of the available ring."""
        self.memory.write(self.avail, struct.pack("<H", flags))

    def set_used_event(self, position: int) -> None:
        """Ask for an interrupt when the used index passes `position`."""
        self.memory.write(self.avail + 4 + 2 * self.size, struct.pack("<H", position & 0xFFFF))

    @property
    def avail_event(self) -> int:
        """The position whose passing the device wants to be notified of."""
        return int.from_bytes(self.memory.read(self.used + 4 + 8 * self.size, 2), "little")

    @property
    def used_idx(self) -> int:
        """The used index as the device has it."""
        return int.from_bytes(self.memory.read(self.used + 2, 2), "little")

    def reap(self) -> list[tuple[int, int]]:
        """Return (head, used length) of what the device has given back since the last call."""
        done = []
        while self.seen_used != self.used_idx:
            at = self.used + 4 + 8 * (self.seen_used % self.size)
            head, length = struct.unpack("<II", self.memory.read(at, 8))
            done.append((head, length))
            self.seen_used = (self.seen_used + 1) & 0xFFFF
        return done


class Driver:
    """A driver on a slot; it lets the host work (`service`) after each notification, as the machine does."""

    def __init__(self, slot: Slot) -> None:
        self.slot = slot
        self.memory = slot.memory
        self.rings: dict[int, Ring] = {}
        self._free = RAM_BASE

    def read(self, offset: int) -> int:
        """Read a register of 32 bits."""
        return self.slot.mmio.read(offset, 4)

    def write(self, offset: int, value: int) -> None:
        """Write a register of 32 bits."""
        self.slot.mmio.write(offset, 4, value)

    def config(self, offset: int, size: int = 4) -> int:
        """Read a field of the configuration space."""
        return self.slot.mmio.read(VIRTIO_MMIO_CONFIG + offset, size)

    def take(self, length: int, align: int = 4096) -> int:
        """Return fresh guest memory."""
        addr = -(-self._free // align) * align
        self._free = addr + length
        return addr

    def reset(self) -> None:
        """Reset the device."""
        self.write(VIRTIO_MMIO_STATUS, 0)

    def negotiate(self, features: int) -> bool:
        """Go from reset to FEATURES_OK; return whether the device took the features."""
        self.reset()
        self.write(VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE)
        self.write(VIRTIO_MMIO_STATUS, S_DRIVER)
        for word in range(4):
            self.write(VIRTIO_MMIO_DRIVER_FEATURES_SEL, word)
            self.write(VIRTIO_MMIO_DRIVER_FEATURES, features >> 32 * word & 0xFFFF_FFFF)
        self.write(VIRTIO_MMIO_STATUS, S_FEATURES_OK)
        return self.read(VIRTIO_MMIO_STATUS) == S_FEATURES_OK

    def set_layout(self, index: int, size: int, desc: int, avail: int, used: int) -> None:
        """Write size and addresses of a queue, which becomes the selected one."""
        self.write(VIRTIO_MMIO_QUEUE_SEL, index)
        self.write(VIRTIO_MMIO_QUEUE_NUM, size)
        for register, addr in (
            (VIRTIO_MMIO_QUEUE_DESC_LOW, desc),
            (VIRTIO_MMIO_QUEUE_AVAIL_LOW, avail),
            (VIRTIO_MMIO_QUEUE_USED_LOW, used),
        ):
            self.write(register, addr & 0xFFFF_FFFF)
            self.write(register + 4, addr >> 32)

    def set_up_queue(self, index: int, size: int) -> Ring:
        """Place a ring in fresh memory and enable the queue."""
        ring = Ring(self.memory, self.take(26 * size + 32), size)
        self.set_layout(index, size, ring.desc, ring.avail, ring.used)
        self.write(VIRTIO_MMIO_QUEUE_READY, 1)
        self.rings[index] = ring
        return ring

    def start(self, features: int = 0, size: int = 16) -> None:
        """Initialise the device, with VERSION_1 and all its queues."""
        assert self.negotiate(features | F_VERSION_1)
        for index in range(len(self.slot.mmio.device.queue_sizes)):
            self.set_up_queue(index, size)
        self.write(VIRTIO_MMIO_STATUS, S_DRIVER_OK)

    def notify(self, index: int) -> None:
        """Notify a queue and let the host work."""
        self.write(VIRTIO_MMIO_QUEUE_NOTIFY, index)
        self.slot.mmio.service()

    def submit(self, index: int, buffers: Sequence[Buffer]) -> tuple[int, int]:
        """Make one chain available, notify, and return what came back: (head, used length)."""
        ring = self.rings[index]
        head = ring.chain(buffers)
        ring.make_available(head)
        self.notify(index)
        done = ring.reap()
        assert len(done) == 1
        assert done[0][0] == head
        return done[0]

    def interrupts(self) -> int:
        """Return InterruptStatus and acknowledge it."""
        status = self.read(VIRTIO_MMIO_INTERRUPT_STATUS)
        self.write(VIRTIO_MMIO_INTERRUPT_ACK, status)
        return status
