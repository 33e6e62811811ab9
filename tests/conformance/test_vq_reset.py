"""Virtqueue Reset, and QueueReset over MMIO: one queue is taken back and enabled again, the others go on."""

from devices.virtio.constants import (
    VIRTIO_F_RING_RESET,
    VIRTIO_MMIO_INTERRUPT_STATUS,
    VIRTIO_MMIO_QUEUE_READY,
    VIRTIO_MMIO_QUEUE_RESET,
    VIRTIO_MMIO_QUEUE_SEL,
)
from hv.conformance.driver import Driver
from hv.conformance.marks import clauses

PATIENCE = 1000
"""Reads of QueueReset until a reset counts as endless."""


def reset_queue(driver: Driver, index: int) -> None:
    """Reset a queue as a driver does: write 1, and read until it is 0; nothing is served on the way."""
    driver.write(VIRTIO_MMIO_QUEUE_SEL, index)
    driver.write(VIRTIO_MMIO_QUEUE_RESET, 1)
    for _ in range(PATIENCE):
        in_progress = driver.read(VIRTIO_MMIO_QUEUE_RESET)
        if not in_progress:
            return
        assert in_progress == 1
    raise AssertionError(f"QueueReset still reads 1 after {PATIENCE} reads")


@clauses("C183", "C184")
def test_queue_reset_reads_zero_until_it_is_used(driver: Driver) -> None:
    """QueueReset is 0 after a device reset, and after a queue was enabled."""
    features = driver.require(VIRTIO_F_RING_RESET)
    driver.reset()
    driver.write(VIRTIO_MMIO_QUEUE_SEL, 0)
    assert driver.read(VIRTIO_MMIO_QUEUE_RESET) == 0
    driver.start(features)
    driver.write(VIRTIO_MMIO_QUEUE_SEL, 0)
    assert driver.read(VIRTIO_MMIO_QUEUE_READY) == 1
    assert driver.read(VIRTIO_MMIO_QUEUE_RESET) == 0


@clauses("C185", "C186", "C187")
def test_a_queue_is_reset(driver: Driver) -> None:
    """QueueReset reads 1 or, when the reset is over, 0; then QueueReady reads 0 as well."""
    driver.start(driver.require(VIRTIO_F_RING_RESET))
    assert driver.serves()
    reset_queue(driver, 0)
    assert driver.read(VIRTIO_MMIO_QUEUE_READY) == 0
    assert driver.read(VIRTIO_MMIO_QUEUE_RESET) == 0


@clauses("C044", "C045")
def test_a_reset_queue_is_not_served(driver: Driver) -> None:
    """A chain that was waiting when its queue was reset is not carried out, and nobody is interrupted."""
    driver.start(driver.require(VIRTIO_F_RING_RESET))
    ring = driver.rings[0]
    ring.make_available(ring.chain(driver.request()[1]))
    reset_queue(driver, 0)
    before = driver.dut.read_memory(ring.desc, ring.end - ring.desc)
    driver.notify(0)
    assert driver.dut.read_memory(ring.desc, ring.end - ring.desc) == before, "a reset queue was served"
    assert driver.read(VIRTIO_MMIO_INTERRUPT_STATUS) == 0
    assert not driver.dut.irq()


@clauses("C046")
def test_a_reset_queue_begins_anew(driver: Driver) -> None:
    """After three requests and a reset the queue starts at the first entry of both rings."""
    driver.start(driver.require(VIRTIO_F_RING_RESET))
    for _ in range(3):
        assert driver.serves()
    reset_queue(driver, 0)
    ring = driver.set_up_queue(0, 16)
    ring.next_desc = 5  # a device that goes on at the fourth entry finds another head there
    assert driver.serves()
    assert ring.used_idx == 1


@clauses("C049")
def test_a_reset_queue_takes_another_size(driver: Driver) -> None:
    """Re-enabled with 4 descriptors instead of 16, the queue wraps after 4."""
    driver.start(driver.require(VIRTIO_F_RING_RESET), size=16)
    assert driver.serves()
    reset_queue(driver, 0)
    ring = driver.set_up_queue(0, 4)
    for _ in range(9):
        assert driver.serves()
    assert ring.used_idx == 9


@clauses("C044", device="balloon")
def test_the_other_queues_go_on(driver: Driver) -> None:
    """Resetting the inflate queue leaves the deflate queue at work."""
    driver.start(driver.require(VIRTIO_F_RING_RESET))
    assert driver.serves()
    reset_queue(driver, 0)
    buffers = driver.request()[1]
    driver.submit(1, buffers)
    assert driver.status == driver.working
