"""A device under test: what a driver sees of it, and what its host can do to it. Nothing else.

A device of your own is a subclass of `Dut`, or of `DutInPython`, which has the RAM for it. What it cannot do
it does not define: a test that needs it is then not applicable, and the report says so.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar

RAM_BASE = 0x8000_0000
"""Guest physical address of the first byte of RAM."""

RAM_SIZE = 16 << 20
"""Bytes of RAM that a device under test must offer; there is none behind."""

DEVICES = {"balloon": 5, "block": 2}
"""The kinds of devices that the suite knows, and their device ids."""

INTERFACES = ("modern", "legacy")
"""virtio over MMIO version 2, and version 1."""

CAPACITY = 256
"""Sectors of 512 bytes of a block device under test; all of them read zero when it is new."""


class NotOfferedError(Exception):
    """The device under test does not offer what a test is about: a feature, or a word of its host."""


class Dut(ABC):
    """A device of one kind behind one interface, with RAM of its own, as new.

    Attributes:
        devices: the kinds that this class can be, from `DEVICES`.
        interfaces: the interfaces that it has, from `INTERFACES`.
    """

    devices: ClassVar[tuple[str, ...]] = tuple(DEVICES)
    interfaces: ClassVar[tuple[str, ...]] = INTERFACES

    def __repr__(self) -> str:
        return type(self).__name__

    @abstractmethod
    def read(self, offset: int, size: int) -> int:
        """Load from the register at `offset`; the configuration space begins at 0x100.

        Args:
            offset: bytes from the start of the slot.
            size: 1, 2, 4 or 8 bytes.
        """

    @abstractmethod
    def write(self, offset: int, size: int, value: int) -> None:
        """Store the low `size` bytes of `value` to the register at `offset`."""

    @abstractmethod
    def read_memory(self, addr: int, length: int) -> bytes:
        """Return guest RAM at a guest physical address; it is inside RAM."""

    @abstractmethod
    def write_memory(self, addr: int, data: bytes) -> None:
        """Change guest RAM as the guest's own stores do."""

    @abstractmethod
    def irq(self) -> bool:
        """Return whether the device drives its interrupt line high."""

    def settle(self) -> None:  # noqa: B027 - most devices have nothing to wait for
        """Return when the device has done what it was asked to."""

    def host_reset(self) -> None:
        """Reset the machine around the device, as its reset button does."""
        raise NotOfferedError("the host cannot reset the machine")

    def set_target(self, pages: int) -> None:
        """Ask for a balloon of `pages` pages of 4 KiB (num_pages)."""
        raise NotOfferedError("the host cannot set a balloon target")

    def actual(self) -> int:
        """Return the pages in the balloon as the driver claims them to its host."""
        raise NotOfferedError("the host cannot tell the balloon's actual size")

    def request_stats(self) -> None:
        """Ask for fresh statistics: the device gives the buffer back that it holds."""
        raise NotOfferedError("the host cannot ask for statistics")

    def stats(self) -> Mapping[str, int]:
        """Return the last statistics by name: VIRTIO_BALLOON_S_* in lower case, as far as they came."""
        raise NotOfferedError("the host cannot tell the statistics")

    def start_hinting(self) -> None:
        """Begin a round of free page hinting."""
        raise NotOfferedError("the host cannot start free page hinting")

    def finish_hinting(self) -> None:
        """End it: the hints are no longer needed (DONE)."""
        raise NotOfferedError("the host cannot finish free page hinting")

    def stop_hinting(self) -> None:
        """Break it off: hints cannot be used (STOP)."""
        raise NotOfferedError("the host cannot stop free page hinting")

    def hinted(self, addr: int) -> bool:
        """Return whether a copy of RAM made now may leave out the page at a guest physical address."""
        raise NotOfferedError("the host cannot tell which pages are hinted")

    def close(self) -> None:  # noqa: B027 - most devices hold nothing
        """Give back what the device holds of the host."""


class DutInPython(Dut):
    """A device that is a Python class, with its RAM here. New, it is as `host_reset` leaves it.

    Attributes:
        ram: guest RAM, from `RAM_BASE` on.
    """

    def __init__(self, _device: str, _interface: str) -> None:
        self.ram = bytearray(RAM_SIZE)
        self.host_reset()

    @abstractmethod
    def host_reset(self) -> None:
        """Forget the driver, as when the machine is switched on or reset; RAM stays."""

    def in_ram(self, addr: int, length: int) -> bool:
        """Return whether that many bytes at a guest physical address are all RAM."""
        return RAM_BASE <= addr <= addr + length <= RAM_BASE + len(self.ram)

    def read_memory(self, addr: int, length: int) -> bytes:
        """Return RAM; raises IndexError outside it, where a driver may well send its device."""
        return bytes(self.ram[self._place(addr, length)])

    def write_memory(self, addr: int, data: bytes) -> None:
        """Change RAM; raises IndexError outside it."""
        self.ram[self._place(addr, len(data))] = data

    def _place(self, addr: int, length: int) -> slice:
        if not self.in_ram(addr, length):
            raise IndexError(f"{length} bytes at {addr:#x} are not in RAM")
        return slice(addr - RAM_BASE, addr - RAM_BASE + length)


MakeDut = Callable[[str, str], Dut]
"""Makes a device as new from its kind and its interface; a subclass of `Dut` is one."""
