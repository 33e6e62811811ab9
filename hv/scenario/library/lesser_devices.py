"""Devices, and drivers, that can do less."""

from devices.virtio.constants import (
    VIRTIO_F_IN_ORDER,
    VIRTIO_F_NOTIFICATION_DATA,
    VIRTIO_F_RING_RESET,
    VIRTIO_RING_F_EVENT_IDX,
    VIRTIO_RING_F_INDIRECT_DESC,
)
from hv.scenario import World, scenario

TARGET = 2000

COMMON = (
    VIRTIO_RING_F_INDIRECT_DESC,
    VIRTIO_RING_F_EVENT_IDX,
    VIRTIO_F_IN_ORDER,
    VIRTIO_F_NOTIFICATION_DATA,
    VIRTIO_F_RING_RESET,
)


@scenario(eras=("e4",))
def features_declined(world: World) -> None:
    """A driver that declines a feature of rings or transport works and hibernates without it."""
    empty = world.disk
    for declined in ((COMMON[0],), (COMMON[1],), COMMON[:2], COMMON[:3], COMMON):
        world.disk, world.target, world.first_entry, world.host_image = empty, 0, None, None
        world.append = f"virtio.features_off={','.join(map(str, declined))}"
        _there_and_back(world, world.append)


@scenario()
def legacy_interface(world: World) -> None:
    """On virtio-mmio version 1 the same guest balloons, hibernates and comes back."""
    world.legacy = True
    _there_and_back(world, "legacy")


def _there_and_back(world: World, label: str) -> None:
    run = world.start(touch=2000, target=TARGET)
    run.set_target(TARGET // 2)
    run.until_target()
    run.verify()
    run.balance(f"{label}, deflated")
    run.hibernate()
    woken = world.next()
    woken.until_target()
    woken.verify()
    woken.balance(f"{label}, resumed", leak=TARGET // 2 if world.era.leaks else 0)
    woken.cut_power()
