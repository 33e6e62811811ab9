"""Device status as tables: what a driver's write may set (spec: "Device Status Field", "Device Suspend").

A driver sets one bit after the other and clears none; only a reset, which is a write of 0, clears them.
So a bit that is set stays, and a new one counts only if its step has come: the write 0xf from 0 sets all
four, the write DRIVER_OK alone sets nothing. FEATURES_OK stays clear when the device refuses the
features, and so does what builds on it. FAILED is the driver's word, at any time. NEEDS_RESET is the
device's word.

SUSPEND counts for a device that was live before the write. The device goes on until it has done what it
was notified of, and then clears DRIVER_OK: now it is suspended. DRIVER_OK again makes it live, and clears
SUSPEND.

The legacy interface has no FEATURES_OK: what the device does not offer is not taken, features can change
until DRIVER_OK, and the driver may use the device whenever it likes.
"""

from typing import NamedTuple

from devices.virtio.constants import (
    VIRTIO_CONFIG_S_ACKNOWLEDGE,
    VIRTIO_CONFIG_S_DRIVER,
    VIRTIO_CONFIG_S_DRIVER_OK,
    VIRTIO_CONFIG_S_FAILED,
    VIRTIO_CONFIG_S_FEATURES_OK,
    VIRTIO_CONFIG_S_NEEDS_RESET,
    VIRTIO_CONFIG_S_SUSPEND,
)


class Step(NamedTuple):
    """One bit that a driver may set: `needs` must be set before it, and it clears `clears`."""

    bit: int
    needs: int
    clears: int = 0


class Lifecycle(NamedTuple):
    """The way of a device from a reset to work.

    Attributes:
        steps: in the order in which one write takes them.
        negotiated: set when the driver's features are sure to be the device's, so that a ring can be read.
        final: set when they cannot change any more.
        live: set when the device may use its queues.
    """

    steps: tuple[Step, ...]
    negotiated: int
    final: int
    live: int

    def after(self, status: int, written: int) -> int:
        """Return the status after a driver wrote `written`, which is not 0, over `status`."""
        for step in self.steps:
            if written & ~status & step.bit and status & step.needs == step.needs:
                status = (status | step.bit) & ~step.clears
        return status

    def reachable(self, status: int) -> bool:
        """Whether a device can have this status: no step without the one before."""
        live = status | VIRTIO_CONFIG_S_DRIVER_OK if status & VIRTIO_CONFIG_S_SUSPEND else status
        known = VIRTIO_CONFIG_S_NEEDS_RESET | sum(step.bit for step in self.steps)
        return not status & ~known and all(
            live & step.needs == step.needs for step in self.steps if live & step.bit
        )


MODERN = Lifecycle(
    steps=(
        Step(VIRTIO_CONFIG_S_ACKNOWLEDGE, 0),
        Step(VIRTIO_CONFIG_S_DRIVER, VIRTIO_CONFIG_S_ACKNOWLEDGE),
        Step(VIRTIO_CONFIG_S_FEATURES_OK, VIRTIO_CONFIG_S_DRIVER),
        # in front of DRIVER_OK, so that one write cannot make a device live and suspend it
        Step(VIRTIO_CONFIG_S_SUSPEND, VIRTIO_CONFIG_S_DRIVER_OK),
        Step(VIRTIO_CONFIG_S_DRIVER_OK, VIRTIO_CONFIG_S_FEATURES_OK, clears=VIRTIO_CONFIG_S_SUSPEND),
        Step(VIRTIO_CONFIG_S_FAILED, 0),
    ),
    negotiated=VIRTIO_CONFIG_S_FEATURES_OK,
    final=VIRTIO_CONFIG_S_FEATURES_OK,
    live=VIRTIO_CONFIG_S_DRIVER_OK,
)

LEGACY = Lifecycle(
    steps=(
        Step(VIRTIO_CONFIG_S_ACKNOWLEDGE, 0),
        Step(VIRTIO_CONFIG_S_DRIVER, VIRTIO_CONFIG_S_ACKNOWLEDGE),
        Step(VIRTIO_CONFIG_S_DRIVER_OK, VIRTIO_CONFIG_S_DRIVER),
        Step(VIRTIO_CONFIG_S_FAILED, 0),
    ),
    negotiated=0,
    final=VIRTIO_CONFIG_S_DRIVER_OK,
    live=0,
)
