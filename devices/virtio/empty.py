"""A virtio-mmio slot with nothing in it: magic and version answer, and DeviceID 0 says that there is no
device.

Spec: virtio 1.4, "MMIO Device Register Layout": a driver ignores such a device without an error.
"""

from devices.register import Register
from devices.virtio.constants import (
    VIRTIO_MMIO_DEVICE_ID,
    VIRTIO_MMIO_MAGIC_VALUE,
    VIRTIO_MMIO_VERSION,
)
from devices.virtio.mmio import MAGIC
from devices.virtio.registers import VIRTIO_MMIO_SIZE
from devices.virtio.slot import Slot

_REGISTERS = (
    Register(VIRTIO_MMIO_MAGIC_VALUE, "MAGIC_VALUE", "r"),
    Register(VIRTIO_MMIO_VERSION, "VERSION", "r"),
    Register(VIRTIO_MMIO_DEVICE_ID, "DEVICE_ID", "r"),
)


class EmptySlot(Slot):
    """The registers of a slot without a device."""

    def __init__(self) -> None:
        super().__init__(VIRTIO_MMIO_SIZE, _REGISTERS)

    def read_magic_value(self) -> int:
        """The bytes "virt"."""
        return MAGIC

    def read_version(self) -> int:
        """Not the legacy interface."""
        return 2

    def read_device_id(self) -> int:
        """No device."""
        return 0
