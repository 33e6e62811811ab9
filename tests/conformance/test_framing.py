"""Message Framing and the descriptor table: buffers cut in any way, and what a device must leave alone."""

import struct
from collections.abc import Sequence

import pytest

from devices.virtio.constants import VIRTIO_BLK_S_OK, VIRTIO_BLK_T_IN, VIRTIO_BLK_T_OUT
from hv.conformance.driver import Driver
from hv.conformance.marks import clauses
from hv.conformance.ring import Buffer

SECTOR = 512
OLD = b"\xaa"


def cut(addr: int, lengths: Sequence[int], writable: bool = False) -> list[Buffer]:
    """Return buffers of these lengths, one behind the other in memory."""
    buffers = []
    for length in lengths:
        buffers.append(Buffer(addr, length, writable))
        addr += length
    return buffers


def block_request(driver: Driver, kind: int, sector: int) -> int:
    """Place the header of a disk request and return its address."""
    return driver.put(struct.pack("<IIQ", kind, 0, sector))


@clauses("C122", device="block", interface="both")
@pytest.mark.parametrize(
    ("header", "data"),
    [((16,), (512,)), ((1, 15), (1, 511)), ((8, 4, 4), (256, 128, 64, 64)), ((16,), (511, 1))],
    ids=["whole", "odd", "many", "one left"],
)
def test_a_disk_takes_requests_cut_in_any_way(
    driver: Driver, header: tuple[int, ...], data: tuple[int, ...]
) -> None:
    """A sector that is written and read back through buffers cut anywhere is the same."""
    driver.start()
    contents = bytes(range(256)) * 2
    source, target, status = driver.put(contents), driver.put(bytes(SECTOR)), driver.put(b"\xff")
    write = cut(block_request(driver, VIRTIO_BLK_T_OUT, 3), header)
    driver.submit(0, [*write, *cut(source, data), Buffer(status, 1, True)])
    assert driver.dut.read_memory(status, 1)[0] == VIRTIO_BLK_S_OK
    read = cut(block_request(driver, VIRTIO_BLK_T_IN, 3), header)
    driver.submit(0, [*read, *cut(target, data, True), Buffer(status, 1, True)])
    assert driver.dut.read_memory(status, 1)[0] == VIRTIO_BLK_S_OK
    assert driver.dut.read_memory(target, SECTOR) == contents


@clauses("C122", device="block", interface="both")
def test_header_and_data_may_share_a_buffer(driver: Driver) -> None:
    """Header and data in one readable buffer, data and status in one writable one: two descriptors do."""
    driver.start()
    contents = b"thaw" * 128
    both = driver.put(struct.pack("<IIQ", VIRTIO_BLK_T_OUT, 0, 5) + contents)
    status = driver.put(b"\xff")
    driver.submit(0, [Buffer(both, 16 + SECTOR), Buffer(status, 1, True)])
    target = driver.put(OLD * (SECTOR + 1))
    header = block_request(driver, VIRTIO_BLK_T_IN, 5)
    driver.submit(0, [Buffer(header, 16), Buffer(target, SECTOR + 1, True)])
    assert driver.dut.read_memory(target, SECTOR + 1) == contents + bytes([VIRTIO_BLK_S_OK])


@clauses("C122", device="balloon", interface="both")
@pytest.mark.parametrize("lengths", [(16,), (4, 8, 4), (1, 3, 12), (2, 2, 2, 2, 2, 2, 2, 2)], ids=str)
def test_a_balloon_takes_page_numbers_cut_in_any_way(driver: Driver, lengths: tuple[int, ...]) -> None:
    """Four pages whose numbers lie in buffers cut anywhere go into the balloon, and come back whole."""
    driver.start()
    pages = driver.take(4 * 4096)
    numbers = driver.put(struct.pack("<4I", *range(pages // 4096, pages // 4096 + 4)))
    driver.submit(0, cut(numbers, lengths))
    driver.submit(1, cut(numbers, lengths))
    driver.dut.write_memory(pages, OLD * 4 * 4096)
    assert driver.serves()
    assert driver.dut.read_memory(pages, 4 * 4096) == OLD * 4 * 4096


@clauses("C123", device="balloon", interface="both")
@pytest.mark.parametrize("descriptors", [8, 16])
def test_a_long_chain_is_served_or_refused(driver: Driver, descriptors: int) -> None:
    """A chain as long as half the ring, and as all of it, is carried out; or the device asks for a reset."""
    driver.start(size=16)
    pages = driver.take(4096 * descriptors)
    numbers = driver.put(struct.pack(f"<{descriptors}I", *range(pages >> 12, (pages >> 12) + descriptors)))
    ring = driver.rings[0]
    head = ring.chain(cut(numbers, [4] * descriptors))
    ring.make_available(head)
    driver.notify(0)
    if driver.status == driver.working:
        assert [each for each, _ in ring.reap()] == [head]
        assert driver.serves()
    else:
        driver.start()
        assert driver.serves()


@clauses("C126", device="balloon", interface="both")
def test_page_numbers_are_not_written(driver: Driver) -> None:
    """The buffer with the page numbers, which is the driver's to write, is after both requests as it was."""
    driver.start()
    page = driver.take(4096)
    numbers = driver.put(struct.pack("<I", page >> 12) + OLD * 60)
    before = driver.dut.read_memory(numbers, 64)
    for queue in (0, 1):
        driver.submit(queue, [Buffer(numbers, 4)])
    assert driver.dut.read_memory(numbers, 64) == before


@clauses("C126", device="block", interface="both")
def test_a_readable_buffer_is_not_written(driver: Driver) -> None:
    """A read into a buffer that the driver marked as readable fails, or does nothing, and leaves it."""
    driver.start()
    header, status = block_request(driver, VIRTIO_BLK_T_IN, 0), driver.put(b"\xff")
    data = driver.put(OLD * SECTOR)
    before = driver.dut.read_memory(header, 16)
    driver.submit(0, [Buffer(header, 16), Buffer(data, SECTOR), Buffer(status, 1, True)])
    assert driver.dut.read_memory(data, SECTOR) == OLD * SECTOR
    assert driver.dut.read_memory(header, 16) == before


@clauses("C127", "C128", device="balloon", interface="both")
def test_page_numbers_in_a_writable_buffer_are_not_followed(driver: Driver) -> None:
    """A balloon acts on no page number that it would have to read from a buffer meant for writing."""
    driver.start()
    page = driver.put(OLD * 4096)
    numbers = driver.put(struct.pack("<I", page >> 12))
    ring = driver.rings[0]
    ring.make_available(ring.chain([Buffer(numbers, 4, True)]))
    driver.notify(0)
    assert driver.dut.read_memory(page, 4096) == OLD * 4096


@clauses("C127", "C128", device="block", interface="both")
def test_data_in_a_writable_buffer_reach_no_disk(driver: Driver) -> None:
    """A write whose data lie in a buffer meant for writing leaves the sector as it was."""
    driver.start()
    status, data = driver.put(b"\xff"), driver.put(OLD * SECTOR)
    header = block_request(driver, VIRTIO_BLK_T_OUT, 7)
    ring = driver.rings[0]
    ring.make_available(ring.chain([Buffer(header, 16), Buffer(data, SECTOR, True), Buffer(status, 1, True)]))
    driver.notify(0)
    driver.start()
    header = block_request(driver, VIRTIO_BLK_T_IN, 7)
    target = driver.put(OLD * SECTOR)
    driver.submit(0, [Buffer(header, 16), Buffer(target, SECTOR, True), Buffer(status, 1, True)])
    assert driver.dut.read_memory(target, SECTOR) == bytes(SECTOR)


@clauses("C129", interface="both")
def test_the_descriptor_table_is_not_written(driver: Driver) -> None:
    """After twenty requests, which wrap round the ring, the table has what the driver wrote."""
    driver.start(size=8)
    ring = driver.rings[0]
    for _ in range(20):
        index, buffers = driver.request()
        head = ring.chain(buffers)
        before = driver.dut.read_memory(ring.desc, 16 * ring.size)
        ring.make_available(head)
        driver.notify(index)
        assert [each for each, _ in ring.reap()] == [head]
        assert driver.dut.read_memory(ring.desc, 16 * ring.size) == before
