"""Names of numbers, for people."""

from devices.virtio import constants

_REGISTERS = {
    value: name.removeprefix("VIRTIO_MMIO_")
    for name, value in vars(constants).items()
    if name.startswith("VIRTIO_MMIO_") and not name.startswith("VIRTIO_MMIO_INT_")
}

_FEATURES = {
    prefix: {
        value: name
        for name, value in vars(constants).items()
        if name.startswith((f"VIRTIO_{prefix}_F_", "VIRTIO_F_", "VIRTIO_RING_F_"))
    }
    for prefix in ("BALLOON", "BLK")
}
_PREFIXES = {"balloon": "BALLOON", "block": "BLK"}


def register(offset: int) -> str:
    """Return the name of the register at an offset, or the offset."""
    if offset > constants.VIRTIO_MMIO_CONFIG:
        return f"CONFIG+{offset - constants.VIRTIO_MMIO_CONFIG:#x}"
    return _REGISTERS.get(offset, f"{offset:#05x}")


def feature(device: str, bit: int) -> str:
    """Return the name of a feature bit of a kind of device, or its number."""
    return _FEATURES[_PREFIXES[device]].get(bit, f"feature {bit}")
