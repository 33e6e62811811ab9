"""Device Suspend: a suspended device rests, and everything is where it was when it resumes."""

from devices.virtio.constants import (
    VIRTIO_CONFIG_S_NEEDS_RESET,
    VIRTIO_CONFIG_S_SUSPEND,
    VIRTIO_F_SUSPEND,
    VIRTIO_MMIO_INT_CONFIG,
    VIRTIO_MMIO_INT_VRING,
    VIRTIO_MMIO_INTERRUPT_STATUS,
    VIRTIO_MMIO_QUEUE_NOTIFY,
)
from hv.conformance.driver import F_VERSION_1, S_DRIVER, S_DRIVER_OK, S_FEATURES_OK, Driver
from hv.conformance.marks import clauses
from hv.conformance.ring import Ring

S_SUSPENDED = S_FEATURES_OK | VIRTIO_CONFIG_S_SUSPEND


def suspended(driver: Driver) -> Driver:
    """Start a device with VIRTIO_F_SUSPEND and suspend it."""
    driver.start(driver.require(VIRTIO_F_SUSPEND))
    driver.status = S_DRIVER_OK | VIRTIO_CONFIG_S_SUSPEND
    assert driver.status == S_SUSPENDED
    return driver


def contents(driver: Driver, ring: Ring) -> bytes:
    """Return a ring's memory."""
    return driver.dut.read_memory(ring.desc, ring.end - ring.desc)


@clauses("C085")
def test_a_device_suspends_or_needs_a_reset(driver: Driver) -> None:
    """After SUSPEND was set, Status shows SUSPEND without DRIVER_OK, or DEVICE_NEEDS_RESET."""
    driver.start(driver.require(VIRTIO_F_SUSPEND))
    driver.status = S_DRIVER_OK | VIRTIO_CONFIG_S_SUSPEND
    status = driver.status
    assert status == S_SUSPENDED or status & VIRTIO_CONFIG_S_NEEDS_RESET


@clauses("C086")
def test_a_device_resumes_or_needs_a_reset(driver: Driver) -> None:
    """After DRIVER_OK Status shows it without SUSPEND, and the device works; or it shows NEEDS_RESET."""
    suspended(driver)
    driver.status = S_DRIVER_OK
    assert driver.status == S_DRIVER_OK or driver.status & VIRTIO_CONFIG_S_NEEDS_RESET
    if driver.status == S_DRIVER_OK:
        assert driver.serves()


@clauses("C078")
def test_suspend_is_ignored_before_the_device_is_live(driver: Driver) -> None:
    """SUSPEND before DRIVER_OK, at every step, leaves the status as it is, and the device works later."""
    features = driver.require(VIRTIO_F_SUSPEND) | F_VERSION_1
    driver.reset()
    driver.status = VIRTIO_CONFIG_S_SUSPEND
    assert driver.status == 0
    driver.status = S_DRIVER | VIRTIO_CONFIG_S_SUSPEND
    assert driver.status == S_DRIVER
    driver.accept(features)
    driver.status = S_FEATURES_OK | VIRTIO_CONFIG_S_SUSPEND
    assert driver.status == S_FEATURES_OK
    driver.set_up_queues()
    driver.status = S_DRIVER_OK
    assert driver.status == S_DRIVER_OK
    assert driver.serves()


@clauses("C078")
def test_suspend_is_ignored_without_its_feature(driver: Driver) -> None:
    """SUSPEND is no bit of a device that did not negotiate VIRTIO_F_SUSPEND."""
    driver.start()
    driver.status = S_DRIVER_OK | VIRTIO_CONFIG_S_SUSPEND
    assert driver.status == S_DRIVER_OK
    assert driver.serves()


@clauses("C080", "C081")
def test_a_suspended_device_leaves_the_queues_alone(driver: Driver) -> None:
    """A chain made available to a suspended device stays; it is served when the device has resumed."""
    suspended(driver)
    index, buffers = driver.request()
    ring = driver.rings[index]
    head = ring.chain(buffers)
    ring.make_available(head)
    before = contents(driver, ring)
    driver.notify(index)
    assert contents(driver, ring) == before, "a suspended device touched its queue"
    assert driver.read(VIRTIO_MMIO_INTERRUPT_STATUS) == 0
    assert not driver.dut.irq()
    driver.status = S_DRIVER_OK
    driver.notify(index)
    assert [each for each, _ in ring.reap()] == [head]


@clauses("C079", device="balloon")
def test_a_suspended_device_ignores_config_writes(driver: Driver) -> None:
    """actual keeps its value while the device is suspended, and can be written again afterwards."""
    suspended(driver)
    driver.write_config(4, 3)
    assert driver.config(4) == 0
    driver.status = S_DRIVER_OK
    assert driver.config(4) == 0, "a write to a suspended device counts when it resumes"
    assert driver.dut.actual() == 0
    driver.write_config(4, 3)
    assert driver.config(4) == 3


@clauses("C082", "C083", "C084", device="balloon")
def test_a_new_target_waits_for_the_device_to_resume(driver: Driver) -> None:
    """A target that the host sets meanwhile shows, with its notification, only when the device resumes."""
    suspended(driver)
    driver.dut.set_target(11)
    assert driver.config(0) == 0
    assert driver.read(VIRTIO_MMIO_INTERRUPT_STATUS) == 0
    assert not driver.dut.irq()
    driver.status = S_DRIVER_OK
    assert driver.config(0) == 11
    assert driver.read(VIRTIO_MMIO_INTERRUPT_STATUS) == VIRTIO_MMIO_INT_CONFIG
    assert driver.dut.irq()


@clauses("C087", "C088", "C089")
def test_what_was_begun_is_finished_before_the_device_is_suspended(driver: Driver) -> None:
    """What the device took is used, and notified, when Status shows SUSPEND; what comes later stays."""
    driver.start(driver.require(VIRTIO_F_SUSPEND))
    index, buffers = driver.request()
    ring = driver.rings[index]
    head = ring.chain(buffers)
    ring.make_available(head)
    driver.write(VIRTIO_MMIO_QUEUE_NOTIFY, index)
    driver.status = S_DRIVER_OK | VIRTIO_CONFIG_S_SUSPEND
    assert driver.status == S_SUSPENDED
    assert [each for each, _ in ring.reap()] == [head]
    assert driver.read(VIRTIO_MMIO_INTERRUPT_STATUS) == VIRTIO_MMIO_INT_VRING
    before = contents(driver, ring)
    ring.make_available(ring.chain(driver.request()[1]))
    driver.notify(index)
    assert ring.reap() == []
    assert contents(driver, ring)[: 16 * ring.size] != before[: 16 * ring.size]


@clauses("C031", "C086")
def test_a_suspended_device_can_be_reset(driver: Driver) -> None:
    """A reset ends suspension, and a new start makes a working device."""
    suspended(driver)
    driver.reset()
    assert driver.status == 0
    driver.start()
    assert driver.serves()
