"""Page Poison and Free Page Reporting: what a device may do to pages that the driver calls free."""

import pytest

from devices.virtio.constants import VIRTIO_BALLOON_F_PAGE_POISON, VIRTIO_BALLOON_F_REPORTING
from hv.conformance.driver import F_VERSION_1, S_FEATURES_OK, Driver
from hv.conformance.marks import clauses
from hv.conformance.ring import Buffer

PAGE_SIZE = 4096
REPORTING = 4
POISON_VAL = 12
OLD, NEW = b"\xaa" * PAGE_SIZE, b"\x55" * PAGE_SIZE


def poisoned(driver: Driver, value: int, *features: int) -> Driver:
    """Start a device with PAGE_POISON and more, and write poison_val before DRIVER_OK."""
    bits = driver.require(VIRTIO_BALLOON_F_PAGE_POISON, *features)
    assert driver.negotiate(bits if driver.legacy else bits | F_VERSION_1)
    driver.set_up_queues()
    driver.write_config(POISON_VAL, value)
    driver.status = driver.working
    return driver


@clauses("C281", device="balloon", interface="both")
@pytest.mark.parametrize("value", [0, 1, 0xAAAA_AAAA])
def test_a_poison_value_is_taken(driver: Driver, value: int) -> None:
    """Whatever the device makes of poison_val, it reads back, and the balloon works."""
    poisoned(driver, value)
    assert driver.config(POISON_VAL) == value
    assert driver.serves()


@clauses("C288", device="balloon", interface="both")
def test_a_reported_page_is_the_guests_after_the_report(driver: Driver) -> None:
    """Without PAGE_POISON a reported page may change until its report is acknowledged, and not after."""
    driver.start(driver.require(VIRTIO_BALLOON_F_REPORTING))
    page, neighbour = driver.put(OLD), driver.put(OLD)
    driver.submit(REPORTING, [Buffer(page, PAGE_SIZE, True)])
    driver.dut.write_memory(page, NEW)
    assert driver.serves()
    assert driver.dut.read_memory(page, PAGE_SIZE) == NEW
    assert driver.dut.read_memory(neighbour, PAGE_SIZE) == OLD


@clauses("C289", device="balloon", interface="both")
@pytest.mark.parametrize("value", [0, 0xAAAA_AAAA, 0x0000_00FF])
def test_a_reported_page_keeps_its_poison(driver: Driver, value: int) -> None:
    """With PAGE_POISON a reported page has poison_val in every word, before and after."""
    poisoned(driver, value, VIRTIO_BALLOON_F_REPORTING)
    poison = value.to_bytes(4, "little") * (PAGE_SIZE // 4)
    pages = [driver.put(poison) for _ in range(4)]
    driver.submit(REPORTING, [Buffer(page, PAGE_SIZE, True) for page in pages])
    assert [driver.dut.read_memory(page, PAGE_SIZE) == poison for page in pages] == [True] * 4


@clauses("C289", device="balloon")
def test_poison_of_an_earlier_driver_is_forgotten(driver: Driver) -> None:
    """After a reset a driver that poisons with zero has its reported pages read zero."""
    poisoned(driver, 0xAAAA_AAAA, VIRTIO_BALLOON_F_REPORTING)
    poisoned(driver, 0, VIRTIO_BALLOON_F_REPORTING)
    page = driver.put(bytes(PAGE_SIZE))
    driver.submit(REPORTING, [Buffer(page, PAGE_SIZE, True)])
    assert driver.dut.read_memory(page, PAGE_SIZE) == bytes(PAGE_SIZE)
    assert driver.status & S_FEATURES_OK == S_FEATURES_OK
