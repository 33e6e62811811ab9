"""Legacy Interface, Device Initialization: drivers that come too early are borne with."""

from devices.virtio.constants import VIRTIO_CONFIG_S_ACKNOWLEDGE, VIRTIO_MMIO_GUEST_PAGE_SIZE
from hv.conformance.driver import S_DRIVER, Driver
from hv.conformance.marks import clauses


@clauses("C068", interface="legacy")
def test_config_may_be_written_before_the_features(driver: Driver) -> None:
    """A driver that writes the configuration space before it chose features has a working device."""
    driver.status = VIRTIO_CONFIG_S_ACKNOWLEDGE
    driver.status = S_DRIVER
    driver.write_config(4, 1)
    driver.accept(0)
    driver.write(VIRTIO_MMIO_GUEST_PAGE_SIZE, 4096)
    driver.set_up_queues()
    driver.status = driver.working
    assert driver.serves()


@clauses("C069", interface="legacy")
def test_a_device_may_be_used_before_driver_ok(driver: Driver) -> None:
    """A chain that was made available and notified before DRIVER_OK comes back, at the latest after it."""
    driver.negotiate(0)
    driver.set_up_queues()
    index, buffers = driver.request()
    ring = driver.rings[index]
    head = ring.chain(buffers)
    ring.make_available(head)
    driver.notify(index)
    driver.status = driver.working
    assert [each for each, _ in ring.reap()] == [head]
    assert driver.serves()
