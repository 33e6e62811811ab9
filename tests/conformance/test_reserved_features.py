"""Reserved Feature Bits: order, platforms, and the two bits that only legacy devices have."""

import struct

from devices.virtio.constants import (
    VIRTIO_BLK_S_OK,
    VIRTIO_BLK_T_IN,
    VIRTIO_F_ANY_LAYOUT,
    VIRTIO_F_IN_ORDER,
    VIRTIO_F_NOTIFY_ON_EMPTY,
    VIRTIO_MMIO_INT_VRING,
    VIRTIO_MMIO_INTERRUPT_STATUS,
    VRING_AVAIL_F_NO_INTERRUPT,
)
from hv.conformance.driver import Driver
from hv.conformance.marks import clauses
from hv.conformance.ring import Buffer

ACCESS_PLATFORM = 33
PAGE_SIZE = 4096
OLD = b"\xaa"


@clauses("C102")
def test_no_platform_translation_is_asked_for(driver: Driver) -> None:
    """A device that is served by physical addresses offers no ACCESS_PLATFORM."""
    assert not driver.offered() >> ACCESS_PLATFORM & 1
    driver.start()
    assert driver.serves()


@clauses("C102", device="block")
def test_a_disk_writes_where_the_descriptors_say(driver: Driver) -> None:
    """A sector that is read comes to the physical address of its buffer, and nothing around it changes."""
    driver.start()
    around = driver.put(OLD * 3 * PAGE_SIZE)
    sector = around + PAGE_SIZE
    header = driver.put(struct.pack("<IIQ", VIRTIO_BLK_T_IN, 0, 0))
    driver.submit(0, [Buffer(header, 16), Buffer(sector, 512, True), Buffer(sector + 512, 1, True)])
    written = bytes(512) + bytes([VIRTIO_BLK_S_OK])
    expected = OLD * PAGE_SIZE + written + OLD * (2 * PAGE_SIZE - len(written))
    assert driver.dut.read_memory(around, 3 * PAGE_SIZE) == expected


@clauses("C104")
def test_buffers_come_back_in_order(driver: Driver) -> None:
    """With IN_ORDER eight chains made available at once come back in the order of the available ring."""
    driver.start(driver.require(VIRTIO_F_IN_ORDER), size=32)
    heads = []
    for _ in range(8):
        index, buffers = driver.request()
        heads.append(driver.rings[index].chain(buffers))
    ring = driver.rings[index]
    ring.make_available(*heads)
    driver.notify(index)
    assert [head for head, _ in ring.reap()] == heads


@clauses("C108", "C109", interface="legacy")
def test_running_out_of_chains_notifies_in_spite_of_suppression(driver: Driver) -> None:
    """With NOTIFY_ON_EMPTY the last chain's use is notified though the driver asked for silence."""
    if not driver.offered() >> VIRTIO_F_NOTIFY_ON_EMPTY & 1:
        return  # it MAY be offered
    driver.start(driver.require(VIRTIO_F_NOTIFY_ON_EMPTY))
    driver.rings[0].set_avail_flags(VRING_AVAIL_F_NO_INTERRUPT)
    assert driver.serves()
    assert driver.read(VIRTIO_MMIO_INTERRUPT_STATUS) == VIRTIO_MMIO_INT_VRING


@clauses("C110", interface="legacy")
def test_any_layout_is_offered(driver: Driver) -> None:
    """A legacy device offers ANY_LAYOUT, and serves a driver that accepted it."""
    driver.start(driver.require(VIRTIO_F_ANY_LAYOUT))
    assert driver.serves()
