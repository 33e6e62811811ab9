"""Device Reset: after a write of 0 to Status the device is as new, and quiet."""

import pytest

from devices.virtio.constants import (
    VIRTIO_CONFIG_S_ACKNOWLEDGE,
    VIRTIO_CONFIG_S_FAILED,
    VIRTIO_MMIO_DRIVER_FEATURES,
    VIRTIO_MMIO_DRIVER_FEATURES_SEL,
    VIRTIO_MMIO_INTERRUPT_STATUS,
    VIRTIO_MMIO_QUEUE_PFN,
    VIRTIO_MMIO_QUEUE_READY,
    VIRTIO_MMIO_QUEUE_SEL,
    VIRTIO_RING_F_EVENT_IDX,
)
from hv.conformance.driver import F_VERSION_1, S_DRIVER, S_FEATURES_OK, Driver
from hv.conformance.marks import clauses


@clauses("C031", interface="both")
def test_status_reads_zero_after_a_reset(driver: Driver) -> None:
    """A reset brings a working device's status back to 0."""
    driver.start()
    assert driver.status == driver.working
    driver.reset()
    assert driver.status == 0


@clauses("C031", interface="both")
@pytest.mark.parametrize("steps", range(5))
def test_a_reset_is_possible_at_every_step(driver: Driver, steps: int) -> None:
    """However far initialization has come, a reset leads to status 0, and a new start to a working device."""
    for status in (VIRTIO_CONFIG_S_ACKNOWLEDGE, S_DRIVER, S_FEATURES_OK, VIRTIO_CONFIG_S_FAILED)[:steps]:
        driver.status = status
    driver.reset()
    assert driver.status == 0
    driver.start()
    assert driver.serves()


@clauses("C032", "C033", interface="both")
def test_a_notification_after_a_reset_reaches_no_queue(driver: Driver) -> None:
    """A chain made available before a reset is not served after it, and nobody is interrupted."""
    driver.start()
    ring = driver.rings[0]
    ring.make_available(ring.chain(driver.request()[1]))
    driver.reset()
    driver.notify(0)
    assert ring.used_idx == 0
    assert driver.read(VIRTIO_MMIO_INTERRUPT_STATUS) == 0
    assert not driver.dut.irq()


@clauses("C033", interface="both")
def test_rings_of_an_earlier_driver_are_left_alone(driver: Driver) -> None:
    """A second driver with rings of its own is served in them; the first one's memory stays as it was."""
    driver.start()
    assert driver.serves()
    old = driver.rings[0]
    before = driver.dut.read_memory(old.desc, old.end - old.desc)
    driver.reset()
    driver.start()
    assert driver.serves()
    assert driver.dut.read_memory(old.desc, old.end - old.desc) == before


@clauses("C032", device="balloon", interface="both")
def test_a_new_target_after_a_reset_interrupts_nobody(driver: Driver) -> None:
    """What the host changes while nobody drives the device is no notification."""
    driver.start()
    driver.reset()
    driver.dut.set_target(7)
    assert not driver.dut.irq()
    assert driver.read(VIRTIO_MMIO_INTERRUPT_STATUS) == 0


@clauses("C179", interface="both")
def test_a_reset_takes_interrupts_back(driver: Driver) -> None:
    """InterruptStatus is 0 and the line low after a reset, whatever was pending."""
    driver.start()
    assert driver.serves()
    assert driver.dut.irq()
    driver.reset()
    assert driver.read(VIRTIO_MMIO_INTERRUPT_STATUS) == 0
    assert not driver.dut.irq()


@clauses("C180")
def test_no_queue_is_ready_after_a_reset(driver: Driver) -> None:
    """QueueReady of every queue reads 1 while it is enabled, and 0 after a reset."""
    driver.start()
    queues = list(driver.rings)
    assert driver.each_queue(queues, VIRTIO_MMIO_QUEUE_READY) == dict.fromkeys(queues, 1)
    driver.reset()
    assert driver.each_queue(queues, VIRTIO_MMIO_QUEUE_READY) == dict.fromkeys(queues, 0)


@clauses("C027", "C033", interface="legacy")
def test_no_queue_has_a_place_after_a_reset(driver: Driver) -> None:
    """QueuePFN of every queue is where the driver put it, and 0 after a reset."""
    driver.start()
    places = {index: ring.desc // 4096 for index, ring in driver.rings.items()}
    assert driver.each_queue(places, VIRTIO_MMIO_QUEUE_PFN) == places
    driver.reset()
    assert driver.each_queue(places, VIRTIO_MMIO_QUEUE_PFN) == dict.fromkeys(places, 0)


@clauses("C020")
def test_features_of_an_earlier_driver_are_forgotten(driver: Driver) -> None:
    """A driver that writes VERSION_1 only has no EVENT_IDX, though the one before it had."""
    driver.start(driver.require(VIRTIO_RING_F_EVENT_IDX))
    driver.reset()
    driver.status = S_DRIVER
    driver.write(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1)
    driver.write(VIRTIO_MMIO_DRIVER_FEATURES, F_VERSION_1 >> 32)
    driver.status = S_FEATURES_OK
    driver.set_up_queue(0, 16)
    driver.status = driver.working
    driver.rings[0].set_used_event(100)
    for _ in range(3):
        assert driver.serves()
        assert driver.interrupts(), "the device still heeds used_event"


@clauses("C031", "C179", "C180")
def test_a_reset_of_the_machine_resets_the_device(driver: Driver) -> None:
    """The machine's reset does to a device what a driver's does."""
    driver.start()
    assert driver.serves()
    driver.dut.host_reset()
    assert driver.status == 0
    assert driver.read(VIRTIO_MMIO_INTERRUPT_STATUS) == 0
    assert not driver.dut.irq()
    driver.write(VIRTIO_MMIO_QUEUE_SEL, 0)
    assert driver.read(VIRTIO_MMIO_QUEUE_READY) == 0
