"""Used Buffer Notification Suppression: when a device interrupts, with and without EVENT_IDX."""

import pytest

from devices.virtio.constants import (
    VIRTIO_MMIO_INT_VRING,
    VIRTIO_RING_F_EVENT_IDX,
    VRING_AVAIL_F_NO_INTERRUPT,
)
from hv.conformance.driver import Driver
from hv.conformance.marks import clauses


def interrupted(driver: Driver) -> bool:
    """Have a request carried out; return whether it was notified, and acknowledge that."""
    assert driver.serves()
    return bool(driver.interrupts() & VIRTIO_MMIO_INT_VRING)


@clauses("C147", interface="both")
def test_every_used_buffer_is_notified(driver: Driver) -> None:
    """With flags 0 and without EVENT_IDX each request is followed by an interrupt."""
    driver.start()
    assert [interrupted(driver) for _ in range(20)] == [True] * 20


@clauses("C146", "C147", interface="both")
def test_the_driver_can_do_without_interrupts(driver: Driver) -> None:
    """With flags 1 no request interrupts; with flags 0 again, the next one does."""
    driver.start()
    ring = driver.rings[0]
    ring.set_avail_flags(VRING_AVAIL_F_NO_INTERRUPT)
    assert [interrupted(driver) for _ in range(3)] == [False] * 3
    assert not driver.dut.irq()
    ring.set_avail_flags(0)
    assert interrupted(driver)


@clauses("C145", interface="both")
def test_without_event_idx_used_event_means_nothing(driver: Driver) -> None:
    """Whatever is where used_event would be, each request is notified, or none with flags 1."""
    driver.start()
    ring = driver.rings[0]
    for position in (0, 1, 7, 0xFFFF):
        ring.set_used_event(position)
        assert interrupted(driver), f"used_event {position}"
    ring.set_avail_flags(VRING_AVAIL_F_NO_INTERRUPT)
    ring.set_used_event(ring.used_idx)
    assert not interrupted(driver)


@clauses("C149", "C150", interface="both")
def test_event_idx_names_the_buffer_to_notify(driver: Driver) -> None:
    """With used_event 2 the first two requests are silent, the third is notified, and the next are silent."""
    driver.start(driver.require(VIRTIO_RING_F_EVENT_IDX))
    driver.rings[0].set_used_event(2)
    assert [interrupted(driver) for _ in range(6)] == [False, False, True, False, False, False]


@clauses("C149", "C150", interface="both")
def test_event_idx_can_ask_for_each(driver: Driver) -> None:
    """A driver that sets used_event to the next used index is notified of each request."""
    driver.start(driver.require(VIRTIO_RING_F_EVENT_IDX))
    ring = driver.rings[0]
    for _ in range(5):
        ring.set_used_event(ring.used_idx)
        assert interrupted(driver)


@clauses("C148", interface="both")
@pytest.mark.parametrize("flags", [0, VRING_AVAIL_F_NO_INTERRUPT])
def test_with_event_idx_the_flag_means_nothing(driver: Driver, flags: int) -> None:
    """With EVENT_IDX the low bit of flags neither suppresses nor causes a notification."""
    driver.start(driver.require(VIRTIO_RING_F_EVENT_IDX))
    ring = driver.rings[0]
    assert interrupted(driver)  # used_event 0
    ring.set_avail_flags(flags)
    ring.set_used_event(2)
    assert [interrupted(driver) for _ in range(4)] == [False, True, False, False]


@clauses("C149", "C150", device="balloon", interface="both")
def test_event_idx_counts_round_the_ring_of_numbers(driver: Driver) -> None:
    """With used_event 0 the first buffer is notified, and then none before the 65537th."""
    size = 128
    driver.start(driver.require(VIRTIO_RING_F_EVENT_IDX), size=size)
    ring = driver.rings[0]
    _, (numbers,) = driver.request()
    for index in range(size):
        ring.descriptor(index, numbers.addr, numbers.length, 0)
    ring.set_used_event(0)
    ring.make_available(*range(size))  # the same heads in the same places, round after round
    driver.notify(0)
    assert ring.used_idx == size
    assert driver.interrupts() & VIRTIO_MMIO_INT_VRING
    for _ in range(0x1_0000 // size - 1):
        ring.set_avail_idx(ring.avail_idx + size)
        driver.notify(0)
    assert ring.used_idx == 0
    assert not driver.interrupts() & VIRTIO_MMIO_INT_VRING
    ring.set_avail_idx(ring.avail_idx + 1)
    driver.notify(0)
    assert ring.used_idx == 1
    assert driver.interrupts() & VIRTIO_MMIO_INT_VRING
