"""Our own devices under test, in this process."""

from collections.abc import Mapping

from devices.memory import PAGE_SIZE, GuestMemory
from devices.virtio.backends import MemoryBackend
from devices.virtio.balloon import ALL_FEATURES, Balloon
from devices.virtio.block import Block
from devices.virtio.device import VirtioDevice
from devices.virtio.legacy import LegacyMmio
from devices.virtio.mmio import VirtioMmio
from hv.conformance.dut import CAPACITY, RAM_BASE, RAM_SIZE, Dut


class Wire:
    """An interrupt line with nothing behind it.

    Attributes:
        level: what the device drives now.
    """

    def __init__(self) -> None:
        self.level = False

    def set_level(self, level: bool) -> None:
        """Take the level."""
        self.level = level


class Slot(Dut):
    """A device in its transport, modern or legacy, with RAM and a wire.

    Attributes:
        device: the device.
        memory: its RAM.
        mmio: its transport.
        wire: its interrupt.
        kicks: how often it called its host.
        written: what the device said it wrote: (guest physical address, bytes).
    """

    def __init__(self, device: VirtioDevice, ram_size: int = RAM_SIZE, interface: str = "modern") -> None:
        self.device = device
        self.memory = GuestMemory.allocate(RAM_BASE, ram_size)
        self.written: list[tuple[int, int]] = []
        self.memory.on_write = lambda addr, length: self.written.append((addr, length))
        self.wire = Wire()
        self.kicks = 0
        transport = LegacyMmio if interface == "legacy" else VirtioMmio
        self.mmio: VirtioMmio | LegacyMmio = transport(device, self.memory, self.wire, self._kick)

    def read(self, offset: int, size: int) -> int:
        """Load from the slot."""
        return self.mmio.read(offset, size)

    def write(self, offset: int, size: int, value: int) -> None:
        """Store to the slot; the device works in `settle`, as between two slices of a machine's run."""
        self.mmio.write(offset, size, value)

    def read_memory(self, addr: int, length: int) -> bytes:
        """Return RAM."""
        return self.memory.read(addr, length)

    def write_memory(self, addr: int, data: bytes) -> None:
        """Change RAM."""
        self.memory.write(addr, data)

    def irq(self) -> bool:
        """Return the wire's level."""
        return self.wire.level

    def settle(self) -> None:
        """Run the queues that were notified."""
        self.mmio.service()

    def host_reset(self) -> None:
        """Reset the slot as the machine does."""
        self.mmio.reset()

    def _kick(self) -> None:
        self.kicks += 1


class BalloonSlot(Slot):
    """A slot with our balloon, which offers all features."""

    def __init__(self, interface: str = "modern") -> None:
        self.balloon = Balloon(ALL_FEATURES)
        super().__init__(self.balloon, interface=interface)

    def set_target(self, pages: int) -> None:
        """Set num_pages."""
        self.balloon.set_target(pages)

    def actual(self) -> int:
        """Return the driver's claim."""
        return self.balloon.actual_pages

    def request_stats(self) -> None:
        """Ask for statistics, and let the buffer go back."""
        self.balloon.request_stats()
        self.settle()

    def stats(self) -> Mapping[str, int]:
        """Return the last statistics."""
        return self.balloon.stats or {}

    def start_hinting(self) -> None:
        """Begin a round."""
        self.balloon.start_hinting()

    def finish_hinting(self) -> None:
        """End it."""
        self.balloon.finish_hinting()

    def stop_hinting(self) -> None:
        """Break it off."""
        self.balloon.stop_hinting()

    def hinted(self, addr: int) -> bool:
        """Return whether the balloon counts a page as hinted."""
        return bool(self.balloon.hinted[(addr - RAM_BASE) // PAGE_SIZE])


def make(device: str, interface: str) -> Dut:
    """Make one of our devices."""
    if device == "balloon":
        return BalloonSlot(interface)
    return Slot(Block(MemoryBackend(bytes(512 * CAPACITY)), "conformance"), interface=interface)
