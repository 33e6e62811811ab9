"""Device status as a table: what a driver's write may set (spec: "Device Status Field").

A driver sets one bit after the other and clears none; only a reset, which is a write of 0, clears them.
So a bit that is set stays, and a new one counts only if its step has come: the write 0xf from 0 sets all
four, the write DRIVER_OK alone sets nothing. FEATURES_OK stays clear when the device refuses the
features, and so does what builds on it. FAILED is the driver's word, at any time. NEEDS_RESET is the
device's word.
"""

from devices.virtio.constants import (
    VIRTIO_CONFIG_S_ACKNOWLEDGE,
    VIRTIO_CONFIG_S_DRIVER,
    VIRTIO_CONFIG_S_DRIVER_OK,
    VIRTIO_CONFIG_S_FAILED,
    VIRTIO_CONFIG_S_FEATURES_OK,
    VIRTIO_CONFIG_S_NEEDS_RESET,
)

STEPS = (
    (VIRTIO_CONFIG_S_ACKNOWLEDGE, 0),
    (VIRTIO_CONFIG_S_DRIVER, VIRTIO_CONFIG_S_ACKNOWLEDGE),
    (VIRTIO_CONFIG_S_FEATURES_OK, VIRTIO_CONFIG_S_DRIVER),
    (VIRTIO_CONFIG_S_DRIVER_OK, VIRTIO_CONFIG_S_FEATURES_OK),
    (VIRTIO_CONFIG_S_FAILED, 0),
)
"""(bit, bit that must be set before it), in the order of initialization."""

STATUS_MASK = VIRTIO_CONFIG_S_NEEDS_RESET | sum(bit for bit, _ in STEPS)
"""Every bit that a status can have."""


def next_status(status: int, written: int, acceptable: bool) -> int:
    """Return the status after a driver wrote `written`, which is not 0, over `status`.

    `acceptable` says whether the device takes the features that the driver chose.
    """
    for bit, before in STEPS:
        if not written & bit or status & before != before:
            continue
        if bit == VIRTIO_CONFIG_S_FEATURES_OK and not acceptable:
            continue
        status |= bit
    return status


def reachable(status: int) -> bool:
    """Whether a device can have this status: no step without the one before."""
    return not status & ~STATUS_MASK and all(
        status & before == before for bit, before in STEPS if status & bit
    )
