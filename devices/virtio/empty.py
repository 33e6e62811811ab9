"""A virtio-mmio slot with nothing in it: magic and version answer, and DeviceID 0 says that there is no
device.

Spec: virtio 1.4, "MMIO Device Register Layout": a driver ignores such a device without an error.
"""

from devices.virtio.slot import Slot


class EmptySlot(Slot):
    """The registers of a slot without a device."""

    def __init__(self, version: int = 2) -> None:
        super().__init__(version, device_id=0)
