"""Who looks on at a slot sees every access once, after its effect."""

from devices.virtio.balloon import Balloon
from devices.virtio.constants import (
    VIRTIO_MMIO_CONFIG,
    VIRTIO_MMIO_DEVICE_ID,
    VIRTIO_MMIO_QUEUE_NOTIFY,
    VIRTIO_MMIO_STATUS,
)
from devices.virtio.empty import EmptySlot
from hv.conformance.ours import Slot


class _Witness:
    """Writes down what it is told, and what the status is then."""

    def __init__(self, slot: Slot) -> None:
        self.slot = slot
        self.seen: list[tuple[str, int, int, int, int]] = []

    def read(self, offset: int, size: int, value: int) -> None:
        self.seen.append(("read", offset, size, value, self.slot.mmio.read_status()))

    def wrote(self, offset: int, size: int, value: int) -> None:
        self.seen.append(("wrote", offset, size, value, self.slot.mmio.read_status()))


def test_a_watcher_sees_each_access_once_after_its_effect() -> None:
    """Registers and configuration space, loads with what the guest gets, stores as the guest made them."""
    slot = Slot(Balloon())
    witness = _Witness(slot)
    slot.mmio.watchers.append(witness)
    slot.mmio.write(VIRTIO_MMIO_STATUS, 4, 1)
    assert slot.mmio.read(VIRTIO_MMIO_STATUS, 4) == 1
    slot.mmio.write(VIRTIO_MMIO_STATUS, 4, 0)
    slot.mmio.write(VIRTIO_MMIO_QUEUE_NOTIFY, 2, 7)
    slot.mmio.write(VIRTIO_MMIO_CONFIG + 4, 4, 0x1234)
    assert witness.seen == [
        ("wrote", VIRTIO_MMIO_STATUS, 4, 1, 1),
        ("read", VIRTIO_MMIO_STATUS, 4, 1, 1),
        ("wrote", VIRTIO_MMIO_STATUS, 4, 0, 0),
        ("wrote", VIRTIO_MMIO_QUEUE_NOTIFY, 2, 7, 0),
        ("wrote", VIRTIO_MMIO_CONFIG + 4, 4, 0x1234, 0),
    ]


def test_a_slot_without_a_device_can_be_watched_too() -> None:
    """What a driver does with an empty slot is the driver's conduct as well."""
    empty, seen = EmptySlot(), []

    class Reader:
        def read(self, offset: int, size: int, value: int) -> None:
            seen.append((offset, size, value))

        def wrote(self, offset: int, size: int, value: int) -> None:
            raise AssertionError

    empty.watchers.append(Reader())
    assert empty.read(VIRTIO_MMIO_DEVICE_ID, 4) == 0
    assert seen == [(VIRTIO_MMIO_DEVICE_ID, 4, 0)]
