"""Free page reporting: reported pages are the host's memory again, unless they have a poison to keep."""

import pytest

from devices.virtio.balloon import ALL_FEATURES, Balloon, BalloonAnomalies
from devices.virtio.constants import VIRTIO_MMIO_CONFIG
from hv.conformance.driver import S_DRIVER_OK
from hv.conformance.ours import Slot
from hv.conformance.ring import Buffer
from tests.harness.virtio_driver import Driver

REPORTING = 4
F_POISON, F_REPORTING = 1 << 4, 1 << 5
F_VERSION_1 = 1 << 32
PAGE = 4096
POISON_VAL = VIRTIO_MMIO_CONFIG + 12


def started(balloon: Balloon, features: int = F_REPORTING, poison: int = 0) -> Driver:
    """Return a driver that reports pages."""
    driver = Driver(Slot(balloon))
    assert driver.negotiate(F_VERSION_1 | features)
    driver.slot.mmio.write(POISON_VAL, 4, poison)
    driver.set_up_queues(size=32)
    driver.status = S_DRIVER_OK
    return driver


def filled(driver: Driver, pages: int) -> int:
    """Return the address of pages full of 0xaa."""
    return driver.put(b"\xaa" * pages * PAGE)


@pytest.mark.parametrize(
    ("features", "poison"), [(F_REPORTING, 0), (F_REPORTING | F_POISON, 0), (F_REPORTING, 0xAAAA_AAAA)]
)
def test_reported_pages_are_given_back(features: int, poison: int) -> None:
    """They cost nothing and read zero from the acknowledgement on, and what is written then stays."""
    balloon = Balloon(ALL_FEATURES)
    driver = started(balloon, features, poison)
    addr = filled(driver, 8)
    resident = driver.memory.resident_bytes()
    chain = [Buffer(addr + PAGE, 2 * PAGE, writable=True), Buffer(addr + 4 * PAGE, PAGE, writable=True)]
    assert driver.submit(REPORTING, chain)[1] == 0
    assert driver.memory.resident_bytes() == resident - 3 * PAGE
    left = driver.memory.read(addr, 8 * PAGE)
    assert [page for page in range(8) if left[page * PAGE]] == [0, 3, 5, 6, 7]
    driver.memory.write(addr + PAGE, b"mine")
    assert driver.memory.read(addr + PAGE, 4) == b"mine"
    counters = balloon.counters
    assert (counters.report_requests, counters.reported_pages) == (1, 3)
    assert counters.reported_bytes_discarded == 3 * PAGE
    assert not balloon.ballooned.any()
    assert balloon.anomalies == BalloonAnomalies()


def test_poisoned_pages_stay_as_they_are() -> None:
    """With a poison other than zero a reported page keeps every byte, and the report comes back."""
    balloon = Balloon(ALL_FEATURES)
    driver = started(balloon, F_REPORTING | F_POISON, 0xAAAA_AAAA)
    addr = filled(driver, 4)
    assert driver.submit(REPORTING, [Buffer(addr, 4 * PAGE, writable=True)])[1] == 0
    assert driver.memory.read(addr, 4 * PAGE) == b"\xaa" * 4 * PAGE
    assert (balloon.counters.reported_pages, balloon.counters.reported_bytes_discarded) == (4, 0)


def test_only_whole_pages_that_may_be_written_are_reported() -> None:
    """Parts of pages and memory for reading keep their contents, and the report comes back."""
    balloon = Balloon(ALL_FEATURES)
    driver = started(balloon)
    addr = filled(driver, 4)
    driver.submit(REPORTING, [Buffer(addr, PAGE), Buffer(addr + PAGE + 1, 2 * PAGE, writable=True)])
    left = driver.memory.read(addr, 4 * PAGE)
    assert [page for page in range(4) if not left[page * PAGE]] == [2]
    assert balloon.counters.reported_pages == 1
    assert balloon.anomalies == BalloonAnomalies(odd_pages=1)
