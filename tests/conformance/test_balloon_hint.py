"""Free Page Hinting: rounds that the host begins, and which pages it may leave out of a copy."""

import struct
from itertools import pairwise

from devices.virtio.constants import (
    VIRTIO_BALLOON_CMD_ID_DONE,
    VIRTIO_BALLOON_CMD_ID_STOP,
    VIRTIO_BALLOON_F_FREE_PAGE_HINT,
    VIRTIO_MMIO_CONFIG_GENERATION,
    VIRTIO_MMIO_INT_CONFIG,
)
from hv.conformance.driver import Driver
from hv.conformance.marks import clauses
from hv.conformance.ring import Buffer

PAGE_SIZE = 4096
FREE_PAGE = 3
CMD_ID = 8  # offset of free_page_hint_cmd_id
OLD, NEW = b"\xaa" * PAGE_SIZE, b"\x55" * PAGE_SIZE


def started(driver: Driver) -> Driver:
    """Start a device with hinting."""
    driver.start(driver.require(VIRTIO_BALLOON_F_FREE_PAGE_HINT))
    return driver


def say(driver: Driver, command: int) -> None:
    """Send a command ID, in the guest's byte order."""
    driver.submit(FREE_PAGE, [Buffer(driver.put(struct.pack("<I", command)), 4)])


def hint(driver: Driver, page: int) -> None:
    """Name a page as free."""
    driver.submit(FREE_PAGE, [Buffer(page, PAGE_SIZE, True)])


@clauses("C270", device="balloon", interface="both")
def test_no_round_is_on_unless_the_host_begins_one(driver: Driver) -> None:
    """Before any round the command ID reads STOP, and a page that is named then keeps its contents."""
    started(driver)
    assert driver.config(CMD_ID) == VIRTIO_BALLOON_CMD_ID_STOP
    page = driver.put(OLD)
    ring = driver.rings[FREE_PAGE]
    ring.make_available(ring.chain([Buffer(page, PAGE_SIZE, True)]))
    driver.notify(FREE_PAGE)  # the buffer may come back or wait for a round
    assert driver.dut.read_memory(page, PAGE_SIZE) == OLD


@clauses("C270", device="balloon", interface="both")
def test_a_round_that_is_broken_off_reads_stop(driver: Driver) -> None:
    """The command ID is 2 or more in a round, and STOP as soon as the host cannot use hints."""
    started(driver).dut.start_hinting()
    assert driver.config(CMD_ID) >= 2
    assert driver.interrupts() & VIRTIO_MMIO_INT_CONFIG
    driver.dut.stop_hinting()
    assert driver.config(CMD_ID) == VIRTIO_BALLOON_CMD_ID_STOP
    assert driver.interrupts() & VIRTIO_MMIO_INT_CONFIG


@clauses("C270", device="balloon", interface="both")
def test_a_reset_ends_the_round(driver: Driver) -> None:
    """Without a driver nobody hints: after a reset the command ID reads STOP, and no page is hinted."""
    page = driver.put(OLD)
    started(driver).dut.start_hinting()
    say(driver, driver.config(CMD_ID))
    hint(driver, page)
    driver.reset()
    assert driver.config(CMD_ID) == VIRTIO_BALLOON_CMD_ID_STOP
    assert not driver.dut.hinted(page)


@clauses("C271", device="balloon", interface="both")
def test_a_command_id_is_not_used_again(driver: Driver) -> None:
    """Rounds that begin before the driver said STOP each have a command ID of their own."""
    started(driver)
    seen = []
    for _ in range(5):
        driver.dut.start_hinting()
        seen.append(driver.config(CMD_ID))
        say(driver, seen[-1])
        driver.dut.stop_hinting()
    assert len(set(seen)) == 5
    assert min(seen) >= 2


@clauses("C272", device="balloon", interface="both")
def test_pages_of_another_round_are_ignored(driver: Driver) -> None:
    """A page counts under the current command ID only: not before it came, nor under an old one."""
    early, stale, good, late = (driver.put(OLD) for _ in range(4))
    started(driver).dut.start_hinting()
    old = driver.config(CMD_ID)
    driver.dut.start_hinting()
    current = driver.config(CMD_ID)
    hint(driver, early)
    say(driver, old)
    hint(driver, stale)
    say(driver, current)
    hint(driver, good)
    say(driver, old)
    hint(driver, late)
    pages = (early, stale, good, late)
    assert [driver.dut.hinted(page) for page in pages] == [False, False, True, False]
    assert [driver.dut.read_memory(page, PAGE_SIZE) for page in (early, stale, late)] == [OLD] * 3


@clauses("C272", device="balloon", interface="both")
def test_pages_after_stop_are_ignored(driver: Driver) -> None:
    """A page that is named after the driver said STOP is under no command ID."""
    page = driver.put(OLD)
    started(driver).dut.start_hinting()
    say(driver, driver.config(CMD_ID))
    say(driver, VIRTIO_BALLOON_CMD_ID_STOP)
    hint(driver, page)
    assert not driver.dut.hinted(page)
    assert driver.dut.read_memory(page, PAGE_SIZE) == OLD


@clauses("C181", device="balloon")
def test_the_generation_changes_with_the_command_id(driver: Driver) -> None:
    """ConfigGeneration is another after each command ID, STOP and DONE."""
    host = started(driver).dut
    seen = [driver.read(VIRTIO_MMIO_CONFIG_GENERATION)]
    for change in (host.start_hinting, host.stop_hinting, host.start_hinting, host.finish_hinting):
        change()
        seen.append(driver.read(VIRTIO_MMIO_CONFIG_GENERATION))
    assert all(before != after for before, after in pairwise(seen)), f"generations {seen}"


@clauses("C273", device="balloon", interface="both")
def test_a_page_that_is_written_again_is_no_hint(driver: Driver) -> None:
    """A hinted page that the guest writes to is from then on a page like any other."""
    page = driver.put(OLD)
    started(driver).dut.start_hinting()
    say(driver, driver.config(CMD_ID))
    hint(driver, page)
    assert driver.dut.hinted(page)
    driver.dut.write_memory(page, NEW)
    assert not driver.dut.hinted(page)
    say(driver, VIRTIO_BALLOON_CMD_ID_STOP)
    driver.dut.finish_hinting()
    assert driver.dut.read_memory(page, PAGE_SIZE) == NEW


@clauses("C274", "C275", device="balloon", interface="both")
def test_after_done_hinted_pages_are_the_guests(driver: Driver) -> None:
    """DONE is reported with a notification; from then on no hinted page changes by itself."""
    pages = [driver.put(OLD) for _ in range(3)]
    started(driver).dut.start_hinting()
    say(driver, driver.config(CMD_ID))
    for page in pages:
        hint(driver, page)
    say(driver, VIRTIO_BALLOON_CMD_ID_STOP)
    driver.interrupts()
    driver.dut.finish_hinting()
    assert driver.config(CMD_ID) == VIRTIO_BALLOON_CMD_ID_DONE
    assert driver.interrupts() & VIRTIO_MMIO_INT_CONFIG
    assert not any(driver.dut.hinted(page) for page in pages)
    for page in pages:
        driver.dut.write_memory(page, NEW)
    assert driver.serves()
    assert [driver.dut.read_memory(page, PAGE_SIZE) for page in pages] == [NEW] * 3


@clauses("C277", device="balloon", interface="legacy")
def test_a_legacy_command_id_is_the_guests_endian(driver: Driver) -> None:
    """The command ID in a buffer is little-endian, as the guest is: the other way round it is another one."""
    swapped, right = driver.put(OLD), driver.put(OLD)
    started(driver).dut.start_hinting()
    current = driver.config(CMD_ID)
    driver.submit(FREE_PAGE, [Buffer(driver.put(struct.pack(">I", current)), 4)])
    hint(driver, swapped)
    say(driver, current)
    hint(driver, right)
    assert [driver.dut.hinted(page) for page in (swapped, right)] == [False, True]
