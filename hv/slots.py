"""Which device is in which virtio-mmio slot."""

from collections.abc import Sequence
from typing import NamedTuple

from devices.virtio.device import VirtioDevice
from hv import board
from hv.errors import ConfigError


class Part(NamedTuple):
    """A virtio device and where it wants to be.

    Attributes:
        name: what messages call it.
        device: the device.
        slot: virtio-mmio slot, or None when it does not mind.
    """

    name: str
    device: VirtioDevice
    slot: int | None


class Place(NamedTuple):
    """A virtio device where it is."""

    name: str
    device: VirtioDevice
    slot: int


def assign(parts: Sequence[Part]) -> list[Place]:
    """Give every device a slot: its own, or the lowest that nobody wants; in the order of `parts`.

    Two devices that want one slot both get it: the bus will complain.

    Raises:
        ConfigError: a slot that the board does not have, or more devices than slots.
    """
    wanted = {part.slot for part in parts}
    for slot in wanted:
        if slot is not None and not 0 <= slot < len(board.VIRTIO_SLOTS):
            raise ConfigError(
                f"virtio-mmio slot {slot}: the board has slots 0 to {len(board.VIRTIO_SLOTS) - 1}"
            )
    free = [slot for slot in range(len(board.VIRTIO_SLOTS)) if slot not in wanted]
    places = []
    for name, device, slot in parts:
        if slot is None and not free:
            raise ConfigError(f"no virtio-mmio slot is left for {name}: the board has eight")
        places.append(Place(name, device, free.pop(0) if slot is None else slot))
    return places
