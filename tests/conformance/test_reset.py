"""Device Reset: after a write of 0 to Status the device is as new, and quiet."""

from devices.virtio.constants import VIRTIO_MMIO_INTERRUPT_STATUS
from hv.conformance.driver import Driver
from hv.conformance.marks import clauses


@clauses("C031", interface="both")
def test_status_reads_zero_after_a_reset(driver: Driver) -> None:
    """A reset brings a working device's status back to 0."""
    driver.start()
    assert driver.status == driver.working
    driver.reset()
    assert driver.status == 0


@clauses("C032", "C033")
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
