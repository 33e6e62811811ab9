"""Drivers that write what they must not, when they must not: a reset and a good driver cure it all."""

import pytest

from devices.virtio.constants import (
    VIRTIO_CONFIG_S_ACKNOWLEDGE,
    VIRTIO_CONFIG_S_FAILED,
    VIRTIO_CONFIG_S_NEEDS_RESET,
    VIRTIO_CONFIG_S_SUSPEND,
    VIRTIO_F_SUSPEND,
    VIRTIO_MMIO_CONFIG,
    VIRTIO_MMIO_CONFIG_GENERATION,
    VIRTIO_MMIO_DEVICE_FEATURES_SEL,
    VIRTIO_MMIO_DEVICE_ID,
    VIRTIO_MMIO_DRIVER_FEATURES,
    VIRTIO_MMIO_DRIVER_FEATURES_SEL,
    VIRTIO_MMIO_GUEST_PAGE_SIZE,
    VIRTIO_MMIO_INT_VRING,
    VIRTIO_MMIO_INTERRUPT_ACK,
    VIRTIO_MMIO_INTERRUPT_STATUS,
    VIRTIO_MMIO_MAGIC_VALUE,
    VIRTIO_MMIO_QUEUE_ALIGN,
    VIRTIO_MMIO_QUEUE_AVAIL_LOW,
    VIRTIO_MMIO_QUEUE_DESC_LOW,
    VIRTIO_MMIO_QUEUE_NOTIFY,
    VIRTIO_MMIO_QUEUE_NUM,
    VIRTIO_MMIO_QUEUE_NUM_MAX,
    VIRTIO_MMIO_QUEUE_PFN,
    VIRTIO_MMIO_QUEUE_READY,
    VIRTIO_MMIO_QUEUE_RESET,
    VIRTIO_MMIO_QUEUE_SEL,
    VIRTIO_MMIO_QUEUE_USED_LOW,
    VIRTIO_MMIO_STATUS,
    VIRTIO_MMIO_VERSION,
)
from hv.conformance.driver import F_VERSION_1, S_DRIVER, S_FEATURES_OK, Driver
from hv.conformance.dut import DEVICES
from hv.conformance.marks import clauses

STATES = (
    "reset",
    "acknowledged",
    "driver",
    "features agreed",
    "queues ready",
    "live",
    "suspended",
    "failed",
    "in need of a reset",
)
VALUES = (0, 1, 3, 0x8000, 0xFFFF_FFFF)
IDENTITY = (VIRTIO_MMIO_MAGIC_VALUE, VIRTIO_MMIO_VERSION, VIRTIO_MMIO_DEVICE_ID)
WRITTEN = (
    VIRTIO_MMIO_DEVICE_FEATURES_SEL,
    VIRTIO_MMIO_DRIVER_FEATURES,
    VIRTIO_MMIO_DRIVER_FEATURES_SEL,
    VIRTIO_MMIO_GUEST_PAGE_SIZE,
    VIRTIO_MMIO_QUEUE_SEL,
    VIRTIO_MMIO_QUEUE_NUM,
    VIRTIO_MMIO_QUEUE_ALIGN,
    VIRTIO_MMIO_QUEUE_PFN,
    VIRTIO_MMIO_QUEUE_READY,
    VIRTIO_MMIO_QUEUE_NOTIFY,
    VIRTIO_MMIO_INTERRUPT_ACK,
    VIRTIO_MMIO_QUEUE_DESC_LOW,
    VIRTIO_MMIO_QUEUE_AVAIL_LOW + 4,
    VIRTIO_MMIO_QUEUE_USED_LOW,
    VIRTIO_MMIO_QUEUE_RESET,
    VIRTIO_MMIO_STATUS,
    VIRTIO_MMIO_CONFIG,
    VIRTIO_MMIO_CONFIG + 4,
)
"""Registers that a driver writes on either interface, each of which is written in every state."""


def bring_to(driver: Driver, state: str) -> None:
    """Reset the device and go as far as the state says."""
    driver.reset()
    step = STATES.index(state)
    if step >= 1:
        driver.status = VIRTIO_CONFIG_S_ACKNOWLEDGE
    if step >= 2:
        driver.status = S_DRIVER
    if step >= 3:
        driver.accept(0 if driver.legacy else F_VERSION_1 | driver.offered() & 1 << VIRTIO_F_SUSPEND)
        driver.status = S_DRIVER if driver.legacy else S_FEATURES_OK
    if step >= 4:
        driver.set_up_queues()
    if step >= 5:
        driver.status = driver.working
    if state == "suspended":
        driver.status = driver.status | VIRTIO_CONFIG_S_SUSPEND
    if state == "failed":
        driver.status = driver.status | VIRTIO_CONFIG_S_FAILED
    if state == "in need of a reset":
        driver.rings[0].set_avail_idx(0x8000)
        driver.notify(0)


@clauses("C031", "C020", interface="both")
@pytest.mark.parametrize("state", STATES)
def test_no_write_in_any_state_outlasts_a_reset(driver: Driver, state: str) -> None:
    """Every register is written with odd values in the state; then a reset and a good driver work."""
    for register in WRITTEN:
        bring_to(driver, state)
        for value in VALUES:
            driver.write(register, value)
            driver.dut.settle()
        driver.reset()
        assert driver.status == 0
        assert driver.read(VIRTIO_MMIO_INTERRUPT_STATUS) == 0
    driver.start()
    assert driver.serves()


@clauses("C175", "C178", interface="both")
def test_registers_that_are_only_read_cannot_be_written(driver: Driver) -> None:
    """A store to MagicValue, Version, DeviceID, QueueSizeMax or InterruptStatus changes nothing."""
    driver.start()
    registers = (*IDENTITY, VIRTIO_MMIO_QUEUE_NUM_MAX, VIRTIO_MMIO_INTERRUPT_STATUS)
    before = [driver.read(register) for register in registers]
    for register in registers:
        driver.write(register, 0xFFFF_FFFF)
    assert [driver.read(register) for register in registers] == before
    assert driver.read(VIRTIO_MMIO_DEVICE_ID) == DEVICES[driver.device]
    assert driver.serves()


@clauses("C175", "C176")
@pytest.mark.parametrize("size", [1, 2, 8])
def test_accesses_of_other_widths_do_no_harm(driver: Driver, size: int) -> None:
    """Loads and stores of 1, 2 and 8 bytes, which a driver must not make, leave a working device."""
    driver.start()
    for register in (*IDENTITY, *WRITTEN, VIRTIO_MMIO_CONFIG_GENERATION):
        driver.read(register, size)
    for register in (VIRTIO_MMIO_DEVICE_FEATURES_SEL, VIRTIO_MMIO_QUEUE_NUM, VIRTIO_MMIO_INTERRUPT_ACK):
        driver.write(register, 0, size)
    driver.reset()
    driver.start()
    assert driver.serves()
    assert driver.read(VIRTIO_MMIO_MAGIC_VALUE) == 0x74726976
    assert driver.read(VIRTIO_MMIO_VERSION) == 2


@clauses("C167", interface="both")
def test_notifications_of_no_queue_are_ignored(driver: Driver) -> None:
    """Queue numbers that no queue has are notified; the device works on."""
    driver.start()
    for index in (5, 7, 64, 1023, 0xFFFF, 0xFFFF_FFFF):
        driver.notify(index)
    assert driver.status == driver.working
    assert driver.read(VIRTIO_MMIO_INTERRUPT_STATUS) == 0
    assert driver.serves()


@clauses("C008", "C182")
@pytest.mark.parametrize("size", [0, 3, 12, 2048, 0x8000, 0x1_0000])
def test_a_queue_of_an_impossible_size_is_not_used(driver: Driver, size: int) -> None:
    """A queue that is empty, no power of two or too large serves nothing, and a reset cures it."""
    assert driver.negotiate(F_VERSION_1)
    ring = driver.put(bytes(64 << 10))
    driver.set_layout(0, size, ring, ring + (32 << 10), ring + (48 << 10))
    driver.write(VIRTIO_MMIO_QUEUE_READY, 1)
    driver.status = driver.working
    driver.notify(0)
    assert driver.status in (driver.working, driver.working | VIRTIO_CONFIG_S_NEEDS_RESET)
    assert not driver.read(VIRTIO_MMIO_INTERRUPT_STATUS) & VIRTIO_MMIO_INT_VRING
    driver.start()
    assert driver.serves()


@clauses("C182")
def test_a_queue_that_is_not_there_is_not_used(driver: Driver) -> None:
    """QueueSizeMax of a queue beyond the last is 0; enabling and notifying it all the same does no harm."""
    driver.start()
    ring = driver.put(bytes(4096))
    for index in (8, 63, 1023, 0xFFFF_FFFF):
        assert driver.queue_max(index) == 0, f"queue {index}"
        driver.set_layout(index, 16, ring, ring + 1024, ring + 2048)
        driver.write(VIRTIO_MMIO_QUEUE_READY, 1)
        driver.notify(index)
    assert driver.dut.read_memory(ring, 4096) == bytes(4096)
    assert driver.serves()


@clauses("C178", interface="both")
def test_acknowledging_what_did_not_happen_changes_nothing(driver: Driver) -> None:
    """InterruptACK with every bit set, at rest, is no event."""
    driver.start()
    driver.write(VIRTIO_MMIO_INTERRUPT_ACK, 0xFFFF_FFFF)
    assert driver.read(VIRTIO_MMIO_INTERRUPT_STATUS) == 0
    assert not driver.dut.irq()
    assert driver.serves()


@clauses("C007", interface="both")
def test_a_failed_driver_is_served_again_after_a_reset(driver: Driver) -> None:
    """A driver that gave up (FAILED) and begins anew has a working device."""
    driver.start()
    driver.status = driver.status | VIRTIO_CONFIG_S_FAILED
    driver.reset()
    driver.start()
    assert driver.serves()
