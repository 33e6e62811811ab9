"""Statistics: what is read from a buffer, who has it when, and how the host asks."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.virtio.balloon import Balloon, BalloonAnomalies
from devices.virtio.balloon.stats import STATISTICS, parse_statistics
from hv.conformance.ours import Slot
from hv.conformance.ring import Buffer
from tests.harness.virtio_driver import Driver

STATS = 2
F_STATS = 1 << 1
TAGS = st.integers(0, 0xFFFF)
VALUES = st.integers(0, (1 << 64) - 1)


def entries(*pairs: tuple[int, int]) -> bytes:
    """Return (tag, value) entries as a driver lays them out."""
    return b"".join(struct.pack("<HQ", *pair) for pair in pairs)


def send(driver: Driver, data: bytes) -> int:
    """Make a buffer of statistics available; return its head."""
    ring = driver.rings[STATS]
    head = ring.chain([Buffer(driver.put(data), len(data))])
    ring.make_available(head)
    driver.notify(STATS)
    return head


def started(balloon: Balloon, interface: str = "modern") -> Driver:
    """Return a driver that has negotiated statistics."""
    driver = Driver(Slot(balloon, interface=interface))
    driver.start(F_STATS)
    return driver


@given(st.lists(st.tuples(st.one_of(st.integers(0, 20), TAGS), VALUES), max_size=30), st.integers(0, 9))
def test_entries_come_in_any_order_and_unknown_ones_are_ignored(
    pairs: list[tuple[int, int]], tail: int
) -> None:
    """Of each known tag the last entry counts; unknown tags and a cut-off entry change nothing."""
    known = {STATISTICS[tag]: value for tag, value in pairs if tag < 16}
    assert parse_statistics(entries(*pairs) + b"\xff" * tail) == known


def test_all_sixteen_tags_have_their_names() -> None:
    """The numbers of VIRTIO_BALLOON_S_*."""
    named = parse_statistics(entries(*((tag, 100 + tag) for tag in range(16))))
    assert len(named) == 16
    assert (named["free_memory"], named["total_memory"], named["oom_kill"]) == (104, 105, 110)
    assert (named["available_memory"], named["disk_caches"], named["direct_reclaim"]) == (106, 107, 115)


def test_the_device_keeps_the_buffer_until_the_host_asks() -> None:
    """Statistics are read when they come; the buffer goes back, with length 0, for each request."""
    balloon = Balloon()
    driver = started(balloon)
    ring = driver.rings[STATS]
    assert balloon.stats is None
    for received in (1, 2, 3):
        head = send(driver, entries((4, received << 20)))
        assert balloon.stats == {"free_memory": received << 20}
        assert balloon.stats_received == received
        assert ring.reap() == []
        assert balloon.request_stats()
        driver.slot.settle()
        assert ring.reap() == [(head, 0)]
        assert driver.interrupts()
    assert balloon.anomalies == BalloonAnomalies()


def test_a_request_before_the_answer_asks_again_after_it() -> None:
    """The host may ask at any time; a buffer that is due is given back as soon as it comes, once."""
    balloon = Balloon()
    driver = started(balloon)
    for _ in range(3):
        assert balloon.request_stats()
        driver.slot.settle()
    head = send(driver, entries((5, 1)))
    assert driver.rings[STATS].reap() == [(head, 0)]
    send(driver, entries((5, 2)))
    assert driver.rings[STATS].reap() == []
    assert balloon.stats == {"total_memory": 2}


def test_nobody_is_asked_who_gives_no_statistics() -> None:
    """Without a driver, or with one that declined the feature, there is nobody to ask."""
    balloon = Balloon()
    driver = Driver(Slot(balloon))
    assert not balloon.request_stats()
    driver.start()
    assert not balloon.request_stats()


def test_a_legacy_drivers_first_buffer_is_ignored() -> None:
    """Its values may never have been set; the second buffer's count, also after another reset."""
    balloon = Balloon()
    driver = started(balloon, "legacy")
    for _ in range(2):
        head = send(driver, entries((4, 0xDEAD)))
        assert balloon.stats is None
        balloon.request_stats()
        driver.slot.settle()
        assert driver.rings[STATS].reap() == [(head, 0)]
        send(driver, entries((4, 5)))
        assert balloon.stats == {"free_memory": 5}
        driver.start(F_STATS)
        assert balloon.stats is None


def test_buffers_beside_the_one_that_is_kept_go_back() -> None:
    """A driver that makes more than one available gets the older ones back, and is counted."""
    balloon = Balloon()
    driver = started(balloon)
    first, second = send(driver, entries((4, 1))), send(driver, entries((4, 2)) + b"!")
    assert driver.rings[STATS].reap() == [(first, 0)]
    assert balloon.stats == {"free_memory": 2}
    assert balloon.anomalies == BalloonAnomalies(surplus_stats=1, odd_buffers=1)
    balloon.request_stats()
    driver.slot.settle()
    assert driver.rings[STATS].reap() == [(second, 0)]


def test_a_huge_buffer_is_read_as_far_as_it_makes_sense() -> None:
    """A buffer of many megabytes costs the host no more than a small one, and its head counts."""
    balloon = Balloon()
    driver = started(balloon)
    addr = driver.put(entries((4, 9), *((99, n) for n in range(1000))))
    ring = driver.rings[STATS]
    ring.make_available(ring.chain([Buffer(addr, 3 << 20)] * 16))
    driver.notify(STATS)
    assert balloon.stats == {"free_memory": 9}


@pytest.mark.parametrize("asked", [True, False])
def test_a_kept_buffer_goes_with_the_machine(asked: bool) -> None:
    """A device that takes over the state gives the buffer back when its host asks, or at once if it had."""
    balloon, other = Balloon(), Balloon()
    driver = started(balloon)
    head = send(driver, entries((4, 1)))
    if asked:
        balloon.request_stats()
    fresh = Slot(other)
    fresh.memory.write(driver.memory.base, driver.memory.read(driver.memory.base, driver.memory.size))
    fresh.mmio.restore(driver.slot.mmio.save())
    assert other.stats == {"free_memory": 1}
    if not asked:
        other.request_stats()
    fresh.settle()
    ring = driver.rings[STATS]
    used = fresh.memory.read(ring.used, 12)
    assert struct.unpack("<HHII", used) == (0, 1, head, 0)


def test_a_queue_reset_forgets_the_buffer() -> None:
    """A buffer of a queue that the driver took away is never given back into the next one."""
    balloon = Balloon()
    driver = Driver(Slot(balloon))
    driver.start(F_STATS | 1 << 40)
    send(driver, entries((4, 1)))
    driver.write(0x30, STATS)
    driver.write(0xC0, 1)
    driver.set_up_queue(STATS, 8)
    balloon.request_stats()
    driver.slot.settle()
    assert driver.rings[STATS].reap() == []
