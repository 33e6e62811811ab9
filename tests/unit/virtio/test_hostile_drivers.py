"""Devices against drivers that write rings at random: whatever happens, it is a device error at most."""

import random

import numpy as np
import pytest

from devices.virtio.backends import MemoryBackend
from devices.virtio.balloon import Balloon
from devices.virtio.block import Block
from devices.virtio.constants import (
    VIRTIO_CONFIG_S_NEEDS_RESET,
    VIRTIO_CONFIG_S_SUSPEND,
    VIRTIO_F_IN_ORDER,
    VIRTIO_F_NOTIFY_ON_EMPTY,
    VIRTIO_F_SUSPEND,
    VIRTIO_MMIO_INT_CONFIG,
    VIRTIO_MMIO_QUEUE_ALIGN,
    VIRTIO_MMIO_QUEUE_NUM,
    VIRTIO_MMIO_QUEUE_PFN,
    VIRTIO_MMIO_QUEUE_READY,
    VIRTIO_MMIO_QUEUE_SEL,
    VIRTIO_MMIO_STATUS,
    VIRTIO_RING_F_EVENT_IDX,
    VIRTIO_RING_F_INDIRECT_DESC,
)
from hv.conformance.driver import F_VERSION_1, S_DRIVER_OK, S_LEGACY_OK
from hv.conformance.ours import Slot
from tests.harness.virtio_driver import Driver
from tests.kernels import rings

U64 = (1 << 64) - 1


FEATURES = {
    "modern": F_VERSION_1 | 1 << VIRTIO_F_IN_ORDER | 1 << VIRTIO_F_SUSPEND,
    "legacy": 1 << VIRTIO_F_NOTIFY_ON_EMPTY,
}
"""What a driver may choose beside what the ring was made for."""


def attack(seed: int) -> int:
    """Run one hostile driver against one device; return the status that the device ends in."""
    rng = random.Random(seed)
    align = rng.choice((0, 0, 16, 1024))
    interface = "legacy" if align else "modern"
    ram, ring = rings.make(seed, position=0, align=align)
    device = rng.choice((lambda: Balloon(), lambda: Block(MemoryBackend(rng.randbytes(4096)), "disk")))()
    slot = Slot(device, rings.RAM_BYTES, interface=interface)
    driver = Driver(slot)
    features = FEATURES[interface] & (rng.getrandbits(64) | F_VERSION_1)
    features |= ring.indirect << VIRTIO_RING_F_INDIRECT_DESC | ring.event_idx << VIRTIO_RING_F_EVENT_IDX
    assert driver.negotiate(features)
    slot.memory.ram[:] = np.frombuffer(bytes(ram), dtype=np.uint8)
    index = rng.randrange(len(device.queue_sizes))
    if driver.legacy:
        driver.write(VIRTIO_MMIO_QUEUE_SEL, index)
        driver.write(VIRTIO_MMIO_QUEUE_NUM, ring.size)
        driver.write(VIRTIO_MMIO_QUEUE_ALIGN, align)
        driver.write(VIRTIO_MMIO_QUEUE_PFN, rings.BASE >> 12)
    else:
        places = [rings.BASE + place & U64 for place in (ring.desc, ring.avail, ring.used)]
        driver.set_layout(index, ring.size, *places)
        driver.write(VIRTIO_MMIO_QUEUE_READY, 1)
    driver.write(VIRTIO_MMIO_STATUS, driver.working)
    for _ in range(2):
        before = slot.memory.ram.copy()
        slot.written.clear()
        driver.notify(index)
        unannounced = slot.memory.ram != before
        for addr, length in slot.written:
            slot.memory.view(addr, length)
            unannounced[addr - rings.BASE : addr - rings.BASE + length] = False
        assert not unannounced.any()
        driver.status = driver.working | VIRTIO_CONFIG_S_SUSPEND
        driver.status = driver.working
    status = driver.read(VIRTIO_MMIO_STATUS)
    assert bool(status & VIRTIO_CONFIG_S_NEEDS_RESET) == bool(slot.mmio.fault)
    assert not slot.mmio.pending
    if driver.read(VIRTIO_MMIO_QUEUE_PFN if driver.legacy else VIRTIO_MMIO_QUEUE_READY):
        assert bool(status & VIRTIO_CONFIG_S_NEEDS_RESET) == bool(
            driver.interrupts() & VIRTIO_MMIO_INT_CONFIG
        )
    driver.reset()
    assert driver.negotiate(0 if driver.legacy else F_VERSION_1)
    return status


def attacks(first: int, count: int) -> set[int]:
    """Run hostile drivers by seed, and return how the devices ended; a failure names the seed."""
    endings = set()
    for seed in range(first, first + count):
        try:
            endings.add(attack(seed))
        except Exception as error:
            raise AssertionError(f"replay: attack({seed})") from error
    return endings


def test_hostile_drivers_get_a_device_error_at_most() -> None:
    """Every device ends working or in DEVICE_NEEDS_RESET, has announced each byte it changed, and resets."""
    working = {S_DRIVER_OK, S_LEGACY_OK}
    assert attacks(0, 500) == working | {status | VIRTIO_CONFIG_S_NEEDS_RESET for status in working}


@pytest.mark.campaign
@pytest.mark.parametrize("part", range(10))
def test_campaign_of_hostile_drivers(part: int) -> None:
    """The same for 20,000 drivers that the default suite does not see."""
    attacks(1_000_000 + 2_000 * part, 2_000)
