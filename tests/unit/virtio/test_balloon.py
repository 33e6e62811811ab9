"""The balloon: what becomes of pages, what the host writes down, and how a target reaches the driver."""

import struct
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.errors import DeviceError
from devices.state import StateError
from devices.virtio.balloon import Balloon, BalloonAnomalies
from devices.virtio.constants import VIRTIO_MMIO_CONFIG, VIRTIO_MMIO_CONFIG_GENERATION, VIRTIO_MMIO_INT_CONFIG
from devices.virtio.kernels import MAX_PFNS
from hv.conformance.dut import RAM_BASE, RAM_SIZE
from hv.conformance.ours import Slot
from hv.conformance.ring import Buffer
from tests.harness.virtio_driver import Driver

INFLATE, DEFLATE = 0, 1
PAGE = 4096
PAGES = RAM_SIZE // PAGE
FIRST_PFN = RAM_BASE // PAGE
SPARE = 512
"""The first page that the driver's own structures do not use."""


def started(balloon: Balloon) -> Driver:
    """Return a driver whose balloon is up, with a page for PFNs at the start of RAM."""
    driver = Driver(Slot(balloon))
    driver.take(MAX_PFNS * 4 + PAGE)
    driver.start()
    return driver


def tell(driver: Driver, queue: int, pages: Sequence[int], tail: bytes = b"") -> tuple[int, int]:
    """Send pages of RAM (by index) in one request, with stray bytes after the PFNs."""
    data = b"".join(struct.pack("<I", FIRST_PFN + page) for page in pages) + tail
    driver.memory.write(RAM_BASE, data)
    return driver.submit(queue, [Buffer(RAM_BASE, len(data))])


def books(balloon: Balloon) -> set[int]:
    """Return the pages that the host has."""
    return set(np.flatnonzero(balloon.ballooned).tolist())


def test_an_inflated_page_is_gone() -> None:
    """Its contents read zero, its memory is the host's again, and its neighbours are untouched."""
    balloon = Balloon()
    driver = started(balloon)
    driver.memory.write(RAM_BASE + SPARE * PAGE, b"\xaa" * 8 * PAGE)
    tell(driver, INFLATE, [SPARE + 6])  # from here on, no page of the driver's own is new
    resident = driver.memory.resident_bytes()
    assert tell(driver, INFLATE, [SPARE + 1, SPARE + 3, SPARE + 2])[1] == 0
    assert driver.memory.resident_bytes() == resident - 3 * PAGE
    left = driver.memory.read(RAM_BASE + SPARE * PAGE, 8 * PAGE)
    assert [set(left[at : at + PAGE]) for at in range(0, len(left), PAGE)] == [
        {0xAA if page in (0, 4, 5, 7) else 0} for page in range(8)
    ]
    assert books(balloon) == {SPARE + 1, SPARE + 2, SPARE + 3, SPARE + 6}
    assert balloon.counters.inflated_pages == 4
    assert balloon.counters.discarded_bytes == 4 * PAGE
    assert (RAM_BASE + (SPARE + 1) * PAGE, 3 * PAGE) in driver.slot.written
    assert balloon.anomalies == BalloonAnomalies()


def test_a_deflated_page_is_the_drivers_again() -> None:
    """It leaves the books, reads zero, and keeps what is then written to it."""
    balloon = Balloon()
    driver = started(balloon)
    tell(driver, INFLATE, [SPARE, SPARE + 1])
    tell(driver, DEFLATE, [SPARE])
    addr = RAM_BASE + SPARE * PAGE
    assert driver.memory.read(addr, PAGE) == bytes(PAGE)
    driver.memory.write(addr, b"mine")
    assert driver.memory.read(addr, 4) == b"mine"
    assert books(balloon) == {SPARE + 1}
    assert (balloon.counters.deflate_requests, balloon.counters.deflated_pages) == (1, 1)
    assert balloon.anomalies == BalloonAnomalies()


@pytest.mark.parametrize("first", [True, False])
def test_a_target_set_early_is_there_when_the_driver_comes(first: bool) -> None:
    """A target set before the driver is up makes no interrupt; one set later does, once for each change."""
    balloon = Balloon()
    driver = Driver(Slot(balloon))
    if first:
        balloon.set_target(100)
    driver.start()
    assert driver.interrupts() == 0
    generation = driver.read(VIRTIO_MMIO_CONFIG_GENERATION)
    balloon.set_target(100)
    assert driver.interrupts() == (0 if first else VIRTIO_MMIO_INT_CONFIG)
    assert (driver.read(VIRTIO_MMIO_CONFIG_GENERATION) == generation) == first
    assert driver.config(0) == 100


def test_a_target_outlives_a_reset_and_is_seen_without_a_new_interrupt() -> None:
    """After a reset num_pages still reads what the host wants, and nobody is interrupted meanwhile."""
    balloon = Balloon()
    driver = started(balloon)
    balloon.set_target(100)
    driver.reset()
    balloon.set_target(200)
    assert balloon.target_pages == 200
    assert not driver.slot.wire.level
    driver.start()
    assert driver.config(0) == 200
    assert driver.interrupts() == 0


@pytest.mark.parametrize("pages", [-1, 1 << 32])
def test_a_target_that_does_not_fit_is_refused(pages: int) -> None:
    """A number that num_pages cannot hold is the host's mistake, in one line."""
    with pytest.raises(DeviceError, match=f"balloon target of {pages} pages: must be 0 to 4294967295"):
        Balloon().set_target(pages)


@given(
    offset=st.one_of(st.integers(0, 12), st.integers(0, 0xEFF)),
    size=st.sampled_from((1, 2, 4, 8)),
    value=st.integers(0, (1 << 64) - 1),
)
def test_only_actual_can_be_written(offset: int, size: int, value: int) -> None:
    """A write changes the bytes of `actual` that it covers; num_pages and what is behind stay as they are."""
    balloon = Balloon(features=())
    balloon.set_target(0x1234_5678)
    driver = Driver(Slot(balloon))
    expected = bytearray(struct.pack("<II", 0x1234_5678, 0))
    for i, byte in enumerate((value & (1 << 8 * size) - 1).to_bytes(size, "little")):
        if 4 <= offset + i < 8:
            expected[offset + i] = byte
    driver.slot.mmio.write(VIRTIO_MMIO_CONFIG + offset, size, value)
    assert driver.config(0, 8) == int.from_bytes(expected, "little")
    claimed = int.from_bytes(expected[4:], "little") if offset <= 7 < offset + size else 0
    assert balloon.actual_pages == claimed
    assert driver.config(offset, 1) == (expected[offset] if offset < 8 else 0)


def test_must_tell_host_is_the_hosts_choice() -> None:
    """The feature can be offered and left out; a driver works either way."""
    for balloon, bit in ((Balloon(("must-tell-host",)), 1), (Balloon(()), 0)):
        driver = Driver(Slot(balloon))
        driver.start(bit)
        assert balloon.features == bit
        tell(driver, INFLATE, [SPARE])


def test_requests_that_contradict_the_books_are_counted_and_returned() -> None:
    """Double inflates and stray deflates change nothing but their counters."""
    balloon = Balloon()
    driver = started(balloon)
    tell(driver, INFLATE, [SPARE, SPARE, SPARE + 1])
    tell(driver, INFLATE, [SPARE + 1])
    tell(driver, DEFLATE, [SPARE + 2, SPARE, SPARE])
    assert books(balloon) == {SPARE + 1}
    assert balloon.anomalies == BalloonAnomalies(double_inflates=2, stray_deflates=2)
    assert (balloon.counters.inflated_pages, balloon.counters.deflated_pages) == (2, 1)


@pytest.mark.parametrize("queue", [INFLATE, DEFLATE])
def test_pages_outside_ram_are_counted_and_the_rest_is_done(queue: int) -> None:
    """PFNs on either side of RAM are skipped; RAM's first and last page are pages like others."""
    balloon = Balloon()
    driver = started(balloon)
    balloon.ballooned[:] = queue == DEFLATE
    tell(driver, queue, [-1, -FIRST_PFN, PAGES - 1, PAGES, (1 << 32) - 1 - FIRST_PFN, SPARE])
    changed = {SPARE, PAGES - 1}
    assert books(balloon) == (changed if queue == INFLATE else set(range(PAGES)) - changed)
    assert balloon.anomalies == BalloonAnomalies(pfns_outside_ram=4)


@pytest.mark.parametrize("queue", [INFLATE, DEFLATE])
@pytest.mark.parametrize(
    ("pages", "tail", "anomalies"),
    [
        ([], b"", BalloonAnomalies(empty_buffers=1)),
        ([], b"abc", BalloonAnomalies(empty_buffers=1, odd_buffers=1)),
        ([SPARE], b"a", BalloonAnomalies(odd_buffers=1)),
    ],
)
def test_buffers_of_odd_lengths_come_back(
    queue: int, pages: list[int], tail: bytes, anomalies: BalloonAnomalies
) -> None:
    """Empty and odd buffers are returned with length 0; whole PFNs in them count."""
    balloon = Balloon()
    driver = started(balloon)
    balloon.ballooned[:] = queue == DEFLATE
    assert tell(driver, queue, pages, tail)[1] == 0
    assert balloon.anomalies == anomalies
    assert int((balloon.ballooned != (queue == DEFLATE)).sum()) == len(pages)


def test_an_over_long_buffer_comes_back() -> None:
    """A request beyond the limit is done up to it, counted, and returned, so that its driver goes on."""
    balloon = Balloon()
    driver = started(balloon)
    tell(driver, INFLATE, [SPARE] * MAX_PFNS + [SPARE + 1] * 3)
    assert books(balloon) == {SPARE}
    assert balloon.anomalies == BalloonAnomalies(double_inflates=MAX_PFNS - 1, pfns_ignored=3)
    tell(driver, INFLATE, [SPARE + 1])
    assert books(balloon) == {SPARE, SPARE + 1}


def test_a_buffer_for_writing_holds_no_pages() -> None:
    """PFNs in a device-writable descriptor are not read."""
    balloon = Balloon()
    driver = started(balloon)
    driver.memory.write(RAM_BASE, struct.pack("<I", FIRST_PFN + SPARE))
    assert driver.submit(INFLATE, [Buffer(RAM_BASE, 4, writable=True)])[1] == 0
    assert books(balloon) == set()
    assert balloon.anomalies == BalloonAnomalies(empty_buffers=1)


def test_a_driver_that_balloons_its_own_ring_hurts_itself_only() -> None:
    """The ring's page is discarded like any other; the device keeps its place and the buffer comes back."""
    balloon = Balloon()
    driver = started(balloon)
    ring = driver.rings[INFLATE]
    page = (ring.desc - RAM_BASE) // PAGE
    driver.memory.write(RAM_BASE, struct.pack("<I", FIRST_PFN + page))
    ring.make_available(ring.chain([Buffer(RAM_BASE, 4)]))
    driver.notify(INFLATE)
    assert ring.reap() == [(0, 0)]
    assert books(balloon) == {page}


def test_the_books_outlive_a_reset() -> None:
    """A reset says nothing of pages: a driver that stays inflated over it still agrees with the host."""
    balloon = Balloon()
    driver = started(balloon)
    tell(driver, INFLATE, [SPARE, SPARE + 1])
    driver.slot.mmio.write(VIRTIO_MMIO_CONFIG + 4, 4, 2)
    driver.reset()
    assert books(balloon) == {SPARE, SPARE + 1}
    assert balloon.actual_pages == 2
    driver.start()
    tell(driver, DEFLATE, [SPARE, SPARE + 1])
    assert balloon.anomalies == BalloonAnomalies()
    assert books(balloon) == set()


@given(st.lists(st.tuples(st.booleans(), st.lists(st.integers(SPARE, SPARE + 40), max_size=30)), max_size=6))
def test_every_page_is_in_exactly_one_hand(requests: list[tuple[bool, list[int]]]) -> None:
    """After any requests the books are what they add up to, and a page just inflated reads zero."""
    balloon = Balloon()
    driver = started(balloon)
    model: set[int] = set()
    for inflate, pages in requests:
        driver.memory.write(RAM_BASE + SPARE * PAGE, b"\x55" * 41 * PAGE)
        tell(driver, INFLATE if inflate else DEFLATE, pages)
        model = model | set(pages) if inflate else model - set(pages)
        for page in range(SPARE, SPARE + 41):
            gone = inflate and page in pages
            assert driver.memory.read(RAM_BASE + page * PAGE, 1) == (b"\0" if gone else b"\x55")
    assert books(balloon) == model
    assert balloon.counters.inflated_pages - balloon.counters.deflated_pages == len(model)


def test_saved_books_open_again() -> None:
    """A fresh balloon that takes over the state has the same target, claim, books and counters."""
    balloon = Balloon()
    driver = started(balloon)
    balloon.set_target(3)
    tell(driver, INFLATE, [SPARE, PAGES - 1, PAGES])
    fresh = Balloon()
    fresh.attach(driver.memory)
    fresh.restore(balloon.save())
    assert fresh.save() == balloon.save()
    assert books(fresh) == {SPARE, PAGES - 1}


def test_books_of_other_ram_are_refused() -> None:
    """A map of ballooned pages that does not fit RAM is an error that names the field."""
    slot = Slot(Balloon(), ram_size=3 * PAGE)
    state = slot.mmio.device.save()
    state["ballooned"] = b"\x08"
    with pytest.raises(StateError, match=r"balloon\.ballooned: has flags beyond"):
        slot.mmio.device.restore(state)
