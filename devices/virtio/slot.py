"""A slot of the bus for virtio over MMIO, with a device in it or without, and who looks on.

An access changes registers and nothing else: guest memory is after it as the driver left it. So whoever is
told of an access afterwards sees the rings as the driver had them when it made it.
"""

from collections.abc import Iterable
from typing import Protocol

from devices.register import Register, RegisterDevice
from devices.virtio.constants import (
    VIRTIO_MMIO_DEVICE_ID,
    VIRTIO_MMIO_MAGIC_VALUE,
    VIRTIO_MMIO_VERSION,
)

VIRTIO_MMIO_SIZE = 0x1000
MAGIC = int.from_bytes(b"virt", "little")

_REGISTERS = (
    Register(VIRTIO_MMIO_MAGIC_VALUE, "MAGIC_VALUE", "r"),
    Register(VIRTIO_MMIO_VERSION, "VERSION", "r"),
    Register(VIRTIO_MMIO_DEVICE_ID, "DEVICE_ID", "r"),
)


class TransportWatcher(Protocol):
    """Is told of every access of the guest to a slot, and changes nothing.

    The access has had its effect then: a status that was written has been taken or refused, a reset is over,
    a notified queue is still to be worked on. The guest goes on only after the watcher.
    """

    def read(self, offset: int, size: int, value: int) -> None:
        """A load of `size` bytes at `offset`, which the guest gets `value` for."""

    def wrote(self, offset: int, size: int, value: int) -> None:
        """A store of the low `size` bytes of `value` at `offset`."""


class Slot(RegisterDevice):
    """The registers of a slot (a `devices.mmio.MmioDevice`), of which every slot has the first three.

    Attributes:
        version: 2, or 1 for the legacy interface.
        device_id: VIRTIO_ID_*, or 0 for no device.
        watchers: who is told of accesses, in this order.
    """

    def __init__(self, version: int, device_id: int, registers: Iterable[Register] = ()) -> None:
        super().__init__(VIRTIO_MMIO_SIZE, (*_REGISTERS, *registers))
        self.version = version
        self.device_id = device_id
        self.watchers: list[TransportWatcher] = []

    def read(self, offset: int, size: int) -> int:
        """Answer a guest's load."""
        value = self._load(offset, size)
        for watcher in self.watchers:
            watcher.read(offset, size, value)
        return value

    def write(self, offset: int, size: int, value: int) -> None:
        """Take a guest's store."""
        self._store(offset, size, value)
        for watcher in self.watchers:
            watcher.wrote(offset, size, value)

    def read_magic_value(self) -> int:
        """The bytes "virt"."""
        return MAGIC

    def read_version(self) -> int:
        """Which interface this is."""
        return self.version

    def read_device_id(self) -> int:
        """What is in the slot."""
        return self.device_id

    def _load(self, offset: int, size: int) -> int:
        """What a load gets; a slot with more than registers looks there first."""
        return super().read(offset, size)

    def _store(self, offset: int, size: int, value: int) -> None:
        """What a store does."""
        super().write(offset, size, value)
