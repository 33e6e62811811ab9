"""Memory Statistics: buffers of tagged values, which the device reads and keeps until it wants fresh ones."""

import struct

from devices.virtio.constants import VIRTIO_BALLOON_F_STATS_VQ
from hv.conformance.driver import Driver
from hv.conformance.marks import clauses
from hv.conformance.ring import Buffer

STATS = 2
SWAP_IN, MAJOR_FAULTS, FREE_MEMORY, TOTAL_MEMORY = 0, 2, 4, 5


def give(driver: Driver, *entries: tuple[int, int]) -> int:
    """Make a buffer of (tag, value) entries available, notify, and return the head."""
    data = b"".join(struct.pack("<HQ", tag, value) for tag, value in entries)
    ring = driver.rings[STATS]
    head = ring.chain([Buffer(driver.put(data), len(data))])
    ring.make_available(head)
    driver.notify(STATS)
    return head


def primed(driver: Driver) -> Driver:
    """Start a device with statistics, and give it a first buffer and have that back."""
    driver.start(driver.require(VIRTIO_BALLOON_F_STATS_VQ))
    head = give(driver, (FREE_MEMORY, 1))
    driver.dut.request_stats()
    assert [each for each, _ in driver.rings[STATS].reap()] == [head]
    return driver


@clauses("C255", device="balloon", interface="both")
def test_unknown_tags_are_passed_over(driver: Driver) -> None:
    """Entries with tags that nobody knows change nothing, wherever they are."""
    primed(driver)
    give(driver, (0x7FFF, 1), (FREE_MEMORY, 4096), (0xFFFF, 2), (TOTAL_MEMORY, 8192), (16, 3))
    stats = driver.dut.stats()
    assert (stats.get("free_memory"), stats.get("total_memory")) == (4096, 8192)
    assert len(stats) == 2


@clauses("C256", device="balloon", interface="both")
def test_tags_come_in_any_order(driver: Driver) -> None:
    """Entries from the highest tag to the lowest are read as well as the other way round."""
    values = {SWAP_IN: 11, MAJOR_FAULTS: 1 << 40, FREE_MEMORY: (1 << 63) + 1, TOTAL_MEMORY: 44}
    expected = {"swap_in": 11, "major_faults": 1 << 40, "free_memory": (1 << 63) + 1, "total_memory": 44}
    primed(driver)
    for entries in (sorted(values.items()), sorted(values.items(), reverse=True)):
        give(driver, *entries)
        assert dict(driver.dut.stats()) == expected
        driver.dut.request_stats()
        assert len(driver.rings[STATS].reap()) == 1


@clauses("C258", device="balloon", interface="legacy")
def test_legacy_statistics_are_the_guests_endian(driver: Driver) -> None:
    """Tag and value are little-endian, as the guest is, down to the last byte."""
    primed(driver)
    give(driver, (FREE_MEMORY, 0x0102_0304_0506_0708))
    assert driver.dut.stats().get("free_memory") == 0x0102_0304_0506_0708


@clauses("C259", device="balloon", interface="legacy")
def test_the_first_legacy_buffer_is_not_read(driver: Driver) -> None:
    """What is in the first buffer after initialization is no statistics yet; the second one counts."""
    driver.start(driver.require(VIRTIO_BALLOON_F_STATS_VQ))
    before = driver.dut.stats()
    give(driver, (FREE_MEMORY, 0xDEAD_0000))
    assert driver.dut.stats() == before
    driver.dut.request_stats()
    assert len(driver.rings[STATS].reap()) == 1
    give(driver, (FREE_MEMORY, 0xBEEF_0000))
    assert driver.dut.stats().get("free_memory") == 0xBEEF_0000


@clauses("C259", device="balloon", interface="legacy")
def test_the_first_buffer_of_every_driver_is_not_read(driver: Driver) -> None:
    """After a reset it is the new driver's first buffer that is passed over."""
    primed(driver)
    driver.reset()
    driver.start(driver.require(VIRTIO_BALLOON_F_STATS_VQ))
    give(driver, (FREE_MEMORY, 0xDEAD_0000))
    assert driver.dut.stats().get("free_memory") != 0xDEAD_0000


@clauses("C033", device="balloon", interface="both")
def test_the_buffer_is_kept_until_fresh_figures_are_wanted(driver: Driver) -> None:
    """The device holds the buffer, gives it back when asked, and has none to give after a reset."""
    driver.start(driver.require(VIRTIO_BALLOON_F_STATS_VQ))
    ring = driver.rings[STATS]
    head = give(driver, (FREE_MEMORY, 1))
    assert ring.reap() == []
    driver.dut.request_stats()
    assert [each for each, _ in ring.reap()] == [head]
    give(driver, (FREE_MEMORY, 2))
    driver.reset()
    driver.dut.request_stats()
    assert ring.reap() == []
    assert not driver.dut.irq()


@clauses("C255", device="balloon", interface="both")
def test_odd_buffers_do_no_harm(driver: Driver) -> None:
    """A buffer that ends within an entry is read as far as it goes, or not, and comes back when asked for."""
    primed(driver)
    ring = driver.rings[STATS]
    for length in (1, 9, 11, 15):
        head = ring.chain([Buffer(driver.put(bytes(16)), length)])
        ring.make_available(head)
        driver.notify(STATS)
        driver.dut.request_stats()
        assert [each for each, _ in ring.reap()] == [head], f"{length} bytes"
    give(driver, (TOTAL_MEMORY, 77))
    assert driver.dut.stats().get("total_memory") == 77
