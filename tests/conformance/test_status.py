"""Device Status Field: what a device may do before DRIVER_OK, and how it says that it needs a reset."""

from collections.abc import Callable

import pytest

from devices.virtio.constants import (
    VIRTIO_CONFIG_S_NEEDS_RESET,
    VIRTIO_MMIO_INT_CONFIG,
    VIRTIO_MMIO_INT_VRING,
    VIRTIO_MMIO_INTERRUPT_STATUS,
    VRING_DESC_F_NEXT,
)
from hv.conformance.driver import F_VERSION_1, Driver
from hv.conformance.dut import RAM_BASE, RAM_SIZE
from hv.conformance.marks import clauses
from hv.conformance.ring import Ring


@clauses("C005", "C006")
def test_nothing_is_served_before_driver_ok(driver: Driver) -> None:
    """A chain that is made available and notified too early stays, and interrupts nobody."""
    assert driver.negotiate(F_VERSION_1)
    driver.set_up_queues()
    index, buffers = driver.request()
    ring = driver.rings[index]
    ring.make_available(ring.chain(buffers))
    driver.notify(index)
    assert ring.used_idx == 0, "the device consumed a buffer before DRIVER_OK"
    assert not driver.read(VIRTIO_MMIO_INTERRUPT_STATUS) & VIRTIO_MMIO_INT_VRING
    assert not driver.dut.irq()


def run_ahead(ring: Ring) -> None:
    """Make more chains available than the ring has descriptors."""
    ring.set_avail_idx(ring.size + 1)


def head_beyond_the_table(ring: Ring) -> None:
    """Make a descriptor available that is not in the table."""
    ring.make_available(ring.size)


def endless_chain(ring: Ring) -> None:
    """Make a chain available that leads back to its beginning."""
    ring.descriptor(0, RAM_BASE, 4, VRING_DESC_F_NEXT, 0)
    ring.make_available(0)


def next_beyond_the_table(ring: Ring) -> None:
    """Make a chain available that leads out of the table."""
    ring.descriptor(0, RAM_BASE, 4, VRING_DESC_F_NEXT, ring.size)
    ring.make_available(0)


BREAKS = [run_ahead, head_beyond_the_table, endless_chain, next_beyond_the_table]


@clauses("C007", "C008")
@pytest.mark.parametrize("break_ring", BREAKS, ids=lambda each: each.__name__)
def test_a_broken_ring_needs_a_reset(driver: Driver, break_ring: Callable[[Ring], None]) -> None:
    """A ring that no device can follow sets DEVICE_NEEDS_RESET, with a configuration change notification."""
    driver.start()
    break_ring(driver.rings[0])
    driver.notify(0)
    assert driver.status & VIRTIO_CONFIG_S_NEEDS_RESET
    assert driver.read(VIRTIO_MMIO_INTERRUPT_STATUS) & VIRTIO_MMIO_INT_CONFIG
    assert driver.dut.irq()


@clauses("C007", "C031", interface="both")
@pytest.mark.parametrize("break_ring", BREAKS, ids=lambda each: each.__name__)
def test_a_reset_cures_a_broken_ring(driver: Driver, break_ring: Callable[[Ring], None]) -> None:
    """After a ring was broken, a reset and a good driver have a working device again."""
    driver.start()
    break_ring(driver.rings[0])
    driver.notify(0)
    driver.reset()
    assert driver.status == 0
    driver.start()
    assert driver.serves()


@clauses("C007", interface="both")
def test_a_ring_outside_ram_is_the_drivers_fault_only(driver: Driver) -> None:
    """A device whose rings are nowhere serves nothing, says so or stays quiet, and a reset cures it."""
    driver.negotiate(0 if driver.legacy else F_VERSION_1)
    nowhere = RAM_BASE + RAM_SIZE + (1 << 20)
    driver.place_queue(0, 16, nowhere)
    driver.status = driver.working
    driver.notify(0)
    assert driver.status in (driver.working, driver.working | VIRTIO_CONFIG_S_NEEDS_RESET)
    driver.start()
    assert driver.serves()
