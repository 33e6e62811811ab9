"""The balloon's pages: given, taken back, and what of them may change; `actual` and `num_pages`."""

import struct

from devices.virtio.constants import VIRTIO_BALLOON_F_MUST_TELL_HOST
from hv.conformance.driver import F_VERSION_1, Driver
from hv.conformance.marks import clauses
from hv.conformance.ring import Buffer

PAGE_SIZE = 4096
INFLATE, DEFLATE = 0, 1
OLD, NEW = b"\xaa" * PAGE_SIZE, b"\x55" * PAGE_SIZE


def filled_page(driver: Driver) -> int:
    """Return the address of a fresh page that is not zero."""
    return driver.put(OLD)


def exchange(driver: Driver, queue: int, *pages: int) -> None:
    """Name pages on a queue, and wait until the device has acknowledged that."""
    numbers = driver.put(struct.pack(f"<{len(pages)}I", *(page // PAGE_SIZE for page in pages)))
    driver.submit(queue, [Buffer(numbers, 4 * len(pages))])


@clauses("C242", "C243", device="balloon", interface="both")
def test_a_page_that_was_given_is_the_hosts(driver: Driver) -> None:
    """An inflated page has its old contents or zeros; after its deflation it keeps what is written to it."""
    features = 1 << VIRTIO_BALLOON_F_MUST_TELL_HOST & driver.offered()
    driver.start(features)
    page, neighbour = filled_page(driver), filled_page(driver)
    exchange(driver, INFLATE, page)
    assert driver.dut.read_memory(page, PAGE_SIZE) in (OLD, bytes(PAGE_SIZE))
    exchange(driver, DEFLATE, page)
    driver.dut.write_memory(page, NEW)
    assert driver.serves()
    assert driver.dut.read_memory(page, PAGE_SIZE) == NEW
    assert driver.dut.read_memory(neighbour, PAGE_SIZE) == OLD


@clauses("C242", device="balloon", interface="both")
def test_only_the_named_pages_are_given(driver: Driver) -> None:
    """Of eight pages in a row the second, third and last are inflated; the others keep their contents."""
    driver.start()
    first = driver.put(OLD * 8)
    given = [first + index * PAGE_SIZE for index in (1, 2, 7)]
    exchange(driver, INFLATE, *given)
    for page in range(first, first + 8 * PAGE_SIZE, PAGE_SIZE):
        allowed = (OLD, bytes(PAGE_SIZE)) if page in given else (OLD,)
        assert driver.dut.read_memory(page, PAGE_SIZE) in allowed, f"page {(page - first) // PAGE_SIZE}"


@clauses("C225", device="balloon")
def test_a_driver_that_does_not_tell_is_served_or_refused(driver: Driver) -> None:
    """Without MUST_TELL_HOST FEATURES_OK stays clear, or the balloon works."""
    driver.require(VIRTIO_BALLOON_F_MUST_TELL_HOST)
    if driver.negotiate(F_VERSION_1):
        driver.set_up_queues()
        driver.status = driver.working
        assert driver.serves()


@clauses("C226", "C227", device="balloon", interface="legacy")
def test_a_legacy_driver_need_not_tell(driver: Driver) -> None:
    """Without MUST_TELL_HOST a page is used again at once, untold, and stays as the driver wrote it."""
    driver.start(0)
    page = filled_page(driver)
    exchange(driver, INFLATE, page)
    driver.dut.write_memory(page, NEW)
    assert driver.serves()
    assert driver.dut.read_memory(page, PAGE_SIZE) == NEW
    exchange(driver, DEFLATE, page)
    assert driver.dut.read_memory(page, PAGE_SIZE) == NEW


@clauses("C228", device="balloon", interface="legacy")
def test_the_configuration_is_little_endian(driver: Driver) -> None:
    """num_pages reads, and actual is written, lowest byte first."""
    driver.dut.set_target(0x0123)
    driver.start()
    assert [driver.config(at, 1) for at in range(4)] == [0x23, 0x01, 0, 0]
    for at, byte in enumerate((0x21, 0x03, 0, 0)):
        driver.write_config(4 + at, byte, 1)
    assert driver.config(4) == 0x0321
    assert driver.dut.actual() == 0x0321


@clauses("C246", device="balloon", interface="legacy")
def test_actual_counts_when_its_last_byte_is_there(driver: Driver) -> None:
    """A claim that is written byte by byte is the old one for the host until the highest byte came."""
    driver.start()
    driver.write_config(4, 0x10)
    seen = []
    for at, byte in enumerate((0x04, 0x03, 0, 0)):
        driver.write_config(4 + at, byte, 1)
        seen.append(driver.dut.actual())
    assert seen == [0x10, 0x10, 0x10, 0x0304]


@clauses("C246", device="balloon", interface="both")
def test_the_host_hears_of_actual(driver: Driver) -> None:
    """A claim that is written in one piece is the host's figure, and reads back."""
    driver.start()
    for pages in (1, 0x0321, 0):
        driver.write_config(4, pages)
        assert driver.dut.actual() == pages
        assert driver.config(4) == pages


@clauses("C126", "C167", device="balloon", interface="both")
def test_pages_that_make_no_sense_are_given_back(driver: Driver) -> None:
    """Numbers of no page, the same page twice, a page never given: each buffer comes back, none is harmed."""
    driver.start()
    page = filled_page(driver)
    nowhere = (0, 1, 0x7_FFFF, 0x8_1000, 0xFFFF_FFFF)
    numbers = driver.put(struct.pack("<5I", *nowhere))
    for queue in (INFLATE, DEFLATE):
        driver.submit(queue, [Buffer(numbers, 20)])
    exchange(driver, DEFLATE, page)
    exchange(driver, INFLATE, page, page)
    exchange(driver, INFLATE, page)
    for length in (0, 1, 3, 5, 7):
        ring = driver.rings[INFLATE]
        head = ring.chain([Buffer(numbers, length)])
        ring.make_available(head)
        driver.notify(INFLATE)
        back = [each for each, _ in ring.reap()]
        if length == 0 and not back:  # a buffer that is empty may be taken for a broken ring
            driver.start()
        else:
            assert back == [head], f"{length} bytes"
    assert driver.serves()
