"""Available buffers: when a device looks, what it says of notifications; and legacy rings."""

import pytest

from devices.virtio.constants import (
    VIRTIO_MMIO_GUEST_PAGE_SIZE,
    VIRTIO_MMIO_QUEUE_ALIGN,
    VIRTIO_MMIO_QUEUE_NUM,
    VIRTIO_MMIO_QUEUE_PFN,
    VIRTIO_MMIO_QUEUE_SEL,
    VIRTIO_RING_F_EVENT_IDX,
)
from hv.conformance.driver import Driver
from hv.conformance.marks import clauses
from hv.conformance.ring import Ring

NO_NOTIFY = 1  # VRING_USED_F_NO_NOTIFY


@clauses("C163", "C164", interface="both")
def test_used_flags_are_0_or_1(driver: Driver) -> None:
    """Without EVENT_IDX the used ring's flags say nothing but whether notifications are wanted."""
    driver.start()
    for _ in range(4):
        assert driver.rings[0].used_flags in (0, NO_NOTIFY)
        assert driver.serves()


@clauses("C165", interface="both")
def test_with_event_idx_used_flags_are_0(driver: Driver) -> None:
    """With EVENT_IDX the used ring's flags stay 0."""
    driver.start(driver.require(VIRTIO_RING_F_EVENT_IDX))
    for _ in range(4):
        assert driver.rings[0].used_flags == 0
        assert driver.serves()


@clauses("C164", "C172", interface="both")
def test_a_driver_may_heed_used_flags(driver: Driver) -> None:
    """A driver that notifies only while flags is 0 has all its chains back."""
    driver.start()
    ring = driver.rings[0]
    for _ in range(10):
        index, buffers = driver.request()
        ring.make_available(ring.chain(buffers))
        if ring.used_flags == 0:
            driver.notify(index)
    assert len(ring.reap()) == 10


@clauses("C166", "C172", interface="both")
def test_a_driver_may_heed_avail_event(driver: Driver) -> None:
    """A driver that notifies only when it passes avail_event has all its chains back."""
    driver.start(driver.require(VIRTIO_RING_F_EVENT_IDX))
    ring = driver.rings[0]
    for _ in range(10):
        index, buffers = driver.request()
        placed = ring.avail_idx
        ring.make_available(ring.chain(buffers))
        if ring.avail_event == placed:
            driver.notify(index)
    assert len(ring.reap()) == 10


@clauses("C167", interface="both")
def test_notifications_without_a_buffer_do_nothing(driver: Driver) -> None:
    """Notifying idle queues, often, gives nothing back, and the device works on."""
    driver.start()
    for _ in range(5):
        for index in driver.rings:
            driver.notify(index)
    assert all(ring.used_idx == 0 for ring in driver.rings.values())
    assert driver.status == driver.working
    assert driver.serves()


@clauses("C170", interface="both")
def test_a_chain_without_a_notification_is_served_once(driver: Driver) -> None:
    """A chain that was published may be taken at once or when notified, and comes back one time."""
    driver.start()
    index, buffers = driver.request()
    ring = driver.rings[index]
    head = ring.chain(buffers)
    ring.make_available(head)
    driver.dut.settle()
    early = ring.reap()
    driver.notify(index)
    assert [each for each, _ in [*early, *ring.reap()]] == [head]


@clauses("C170", interface="both")
def test_a_batch_is_served_with_one_notification(driver: Driver) -> None:
    """Ten chains that were published together are all served after one notification, round the ring."""
    driver.start(size=32)
    ring = driver.rings[0]
    for _ in range(4):
        heads = [ring.chain(driver.request()[1]) for _ in range(10)]
        ring.make_available(*heads)
        driver.notify(0)
        assert sorted(head for head, _ in ring.reap()) == sorted(heads)


@clauses("C119", "C121", interface="legacy")
@pytest.mark.parametrize("size", [4, 16, 128])
@pytest.mark.parametrize("align", [256, 4096])
def test_a_legacy_ring_is_one_piece(driver: Driver, size: int, align: int) -> None:
    """The used ring is where size and alignment put it, and all of it is little-endian as the guest is."""
    driver.negotiate(0)
    ring = Ring(driver.dut, driver.take(3 * 4096), size, align)
    driver.write(VIRTIO_MMIO_QUEUE_SEL, 0)
    driver.write(VIRTIO_MMIO_QUEUE_NUM, size)
    driver.write(VIRTIO_MMIO_QUEUE_ALIGN, align)
    driver.write(VIRTIO_MMIO_QUEUE_PFN, ring.desc // 4096)
    driver.rings[0] = ring
    driver.status = driver.working
    for _ in range(size + 1):
        assert driver.serves()
    assert driver.dut.read_memory(ring.used + 2, 2) == (size + 1).to_bytes(2, "little")


@clauses("C027", "C119", interface="legacy")
@pytest.mark.parametrize("page_size", [512, 4096, 0x1_0000])
def test_a_legacy_ring_is_found_by_the_guests_page_size(driver: Driver, page_size: int) -> None:
    """QueuePFN counts in pages of the size that the driver told before, and reads back."""
    driver.negotiate(0)
    driver.write(VIRTIO_MMIO_GUEST_PAGE_SIZE, page_size)
    ring = Ring(driver.dut, driver.take(2 * 4096, 0x1_0000), 16, 4096)
    driver.write(VIRTIO_MMIO_QUEUE_SEL, 0)
    driver.write(VIRTIO_MMIO_QUEUE_NUM, 16)
    driver.write(VIRTIO_MMIO_QUEUE_ALIGN, 4096)
    driver.write(VIRTIO_MMIO_QUEUE_PFN, ring.desc // page_size)
    assert driver.read(VIRTIO_MMIO_QUEUE_PFN) == ring.desc // page_size
    driver.rings[0] = ring
    driver.status = driver.working
    assert driver.serves()
