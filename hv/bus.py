"""The bus: which device answers which physical address.

A `Bus` is filled once, while the machine is put together, and then only read: the hart maps each window into
its address space and calls the device with an offset. Nothing here runs while the guest does.
"""

from collections.abc import Iterator
from typing import NamedTuple

from devices.mmio import MmioDevice
from hv.board import Region
from hv.errors import ConfigError


class Window(NamedTuple):
    """A device at its place.

    Attributes:
        base: physical address of the device's offset 0.
        size: bytes decoded, from `base` on.
        device: who answers.
        name: what error messages call it.
    """

    base: int
    size: int
    device: MmioDevice
    name: str

    def __str__(self) -> str:
        return f"{self.name} at {self.base:#x}-{self.base + self.size - 1:#x}"


class Bus:
    """The devices of one machine, none over another."""

    def __init__(self) -> None:
        self._windows: list[Window] = []

    def attach(self, name: str, region: Region, device: MmioDevice) -> None:
        """Put a device on the bus.

        Args:
            name: what messages call the device.
            region: where it answers.
            device: who answers.

        Raises:
            ConfigError: another device already answers there; names both devices and both ranges.
        """
        new = Window(region.base, region.size, device, name)
        for old in self._windows:
            if new.base < old.base + old.size and old.base < new.base + new.size:
                raise ConfigError(f"{new} overlaps {old}: give one of them another slot")
        self._windows.append(new)

    def taken(self, region: Region) -> bool:
        """Whether a device answers anywhere in the region."""
        return any(
            w.base < region.base + region.size and region.base < w.base + w.size for w in self._windows
        )

    def __iter__(self) -> Iterator[Window]:
        """Iterate over the windows, in order of attachment."""
        return iter(self._windows)
