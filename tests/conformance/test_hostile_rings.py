"""Drivers that lie in their rings: the device serves on or asks for a reset, and a good driver can take over.

A device may answer an offence as it likes, but for this: it writes nowhere else, and where it cannot go on it
says so. Legacy drivers know no DEVICE_NEEDS_RESET, so there a device may fall silent.
"""

import struct
from collections.abc import Callable

import pytest

from devices.virtio.constants import (
    VIRTIO_CONFIG_S_NEEDS_RESET,
    VIRTIO_MMIO_INT_CONFIG,
    VIRTIO_MMIO_INTERRUPT_STATUS,
    VIRTIO_MMIO_QUEUE_NUM,
    VIRTIO_MMIO_QUEUE_PFN,
    VIRTIO_MMIO_QUEUE_READY,
    VIRTIO_MMIO_QUEUE_SEL,
    VIRTIO_RING_F_INDIRECT_DESC,
    VRING_DESC_F_INDIRECT,
    VRING_DESC_F_NEXT,
    VRING_DESC_F_WRITE,
)
from hv.conformance.driver import F_VERSION_1, Driver
from hv.conformance.dut import RAM_BASE, RAM_SIZE
from hv.conformance.marks import clauses
from hv.conformance.ring import Buffer, layout

SIZE = 16
RAM_END = RAM_BASE + RAM_SIZE
CANARY = b"\x5a" * 4096

NEXT, WRITE, INDIRECT = VRING_DESC_F_NEXT, VRING_DESC_F_WRITE, VRING_DESC_F_INDIRECT

Offence = Callable[[Driver], None]
"""Puts something into queue 0 that must not be there, and makes it available."""


def one(addr: int, length: int, flags: int = 0, following: int = 0) -> Offence:
    """Return the offence that is one descriptor."""

    def offend(driver: Driver) -> None:
        ring = driver.rings[0]
        ring.descriptor(0, addr, length, flags, following)
        ring.make_available(0)

    return offend


def head(index: int) -> Offence:
    """Return the offence that is a head which there is not."""
    return lambda driver: driver.rings[0].make_available(index)


def jump(by: int) -> Offence:
    """Return the offence that is an available index that moves by a number that it cannot move by."""
    return lambda driver: driver.rings[0].set_avail_idx(driver.rings[0].avail_idx + by)


def circle(driver: Driver) -> None:
    """Have two descriptors lead to each other."""
    ring = driver.rings[0]
    page = driver.take(4096)
    ring.descriptor(0, page, 4, NEXT, 1)
    ring.descriptor(1, page, 4, NEXT, 0)
    ring.make_available(0)


def readable_last(driver: Driver) -> None:
    """Put a readable buffer behind a writable one."""
    ring = driver.rings[0]
    page = driver.take(4096)
    ring.descriptor(0, page, 16, NEXT | WRITE, 1)
    ring.descriptor(1, page, 16, 0)
    ring.make_available(0)


def table(*entries: tuple[int, int, int, int], count: int | None = None) -> Offence:
    """Return the offence that is an indirect table; an address of 0 stands for a page of its own.

    `count` repeats the first entry, each leading to the next.
    """

    def offend(driver: Driver) -> None:
        page = driver.take(4096)
        rows = list(entries)
        if count is not None:
            _, length, flags, _ = rows[0]
            rows = [(page, length, flags | NEXT * (i < count - 1), i + 1) for i in range(count)]
        data = b"".join(struct.pack("<QIHH", addr or page, *rest) for addr, *rest in rows)
        one(driver.put(data), len(data), INDIRECT)(driver)

    return offend


def over_itself(driver: Driver) -> None:
    """Name the ring itself as the buffer, for reading and for writing."""
    ring = driver.rings[0]
    ring.descriptor(0, ring.desc, 16 * SIZE, NEXT, 1)
    ring.descriptor(1, ring.desc, ring.end - ring.desc, WRITE)
    ring.make_available(0)


def twice(driver: Driver) -> None:
    """Make one chain available that is available already."""
    ring = driver.rings[0]
    first = ring.chain(driver.request()[1])
    ring.make_available(first, first)


PAGE = RAM_BASE + RAM_SIZE // 2
OFFENCES: dict[str, Offence] = {
    "available index beyond the ring": jump(SIZE + 1),
    "available index half way round": jump(0x8000),
    "available index back": jump(-1),
    "head behind the table": head(SIZE),
    "head far behind the table": head(0xFFFF),
    "next behind the table": one(PAGE, 4, NEXT, SIZE),
    "descriptor after itself": one(PAGE, 4, NEXT, 0),
    "two descriptors in a circle": circle,
    "readable after writable": readable_last,
    "buffer without bytes": one(PAGE, 0),
    "buffer below RAM": one(RAM_BASE - 4096, 4096),
    "buffer at address 0": one(0, 4096, WRITE),
    "buffer behind RAM": one(RAM_END, 4096, WRITE),
    "buffer over the end of RAM": one(RAM_END - 16, 32, WRITE),
    "buffer at the end of the address space": one((1 << 64) - 16, 16, WRITE),
    "buffer round the end of the address space": one((1 << 64) - 16, 32, WRITE),
    "buffer of 4 GiB": one(PAGE, 0xFFFF_FFFF, WRITE),
    "the same chain twice": twice,
    "the ring as its own buffer": over_itself,
    "flags that mean nothing": one(PAGE, 4, 0xFFF8),
}
INDIRECT_OFFENCES: dict[str, Offence] = {
    "table behind RAM": one(RAM_END, 16, INDIRECT),
    "table over the end of RAM": one(RAM_END - 16, 32, INDIRECT),
    "table at the end of the address space": one((1 << 64) - 16, 16, INDIRECT),
    "table of 4 GiB": one(PAGE, 0xFFFF_FFF0, INDIRECT),
    "table with a next descriptor": one(PAGE, 16, INDIRECT | NEXT, 1),
    "table in a table": table((PAGE, 16, INDIRECT, 0)),
    "next behind the inner table": table((0, 4, NEXT, 5)),
    "circle in the inner table": table((0, 4, NEXT, 1), (0, 4, NEXT, 0)),
    "table longer than the queue": table((0, 4, 0, 0), count=SIZE + 1),
    "table of the ring itself": lambda driver: one(driver.rings[0].desc, 16 * SIZE, INDIRECT)(driver),
}


def chain(*buffers: tuple[bytes, bool]) -> Offence:
    """Return the offence that is a chain of buffers with contents, writable or not."""

    def offend(driver: Driver) -> None:
        placed = [Buffer(driver.put(data), len(data), writable) for data, writable in buffers]
        driver.rings[0].make_available(driver.rings[0].chain(placed))

    return offend


def its_own_ring(driver: Driver) -> None:
    """Give the page away that the ring is in."""
    chain((struct.pack("<I", driver.rings[0].desc >> 12), False))(driver)


PFN = struct.pack("<I", PAGE >> 12)
BALLOON_OFFENCES: dict[str, Offence] = {
    "page numbers that are no pages": chain((struct.pack("<4I", 0, 1, RAM_END >> 12, 0xFFFF_FFFF), False)),
    "the last page and the one behind": chain(
        (struct.pack("<2I", (RAM_END >> 12) - 1, RAM_END >> 12), False)
    ),
    "a page over and over": chain((PFN * 32768, False)),
    "half a page number": chain((PFN[:2], False)),
    "a page number and a half": chain((PFN + PFN[:2], False)),
    "page numbers to be written": chain((PFN, True)),
    "the page of the ring": its_own_ring,
}

READ, BEYOND = struct.pack("<IIQ", 0, 0, 0), struct.pack("<IIQ", 0, 0, 1 << 55)
DISCARD, WRITE_ZEROES = struct.pack("<IIQ", 11, 0, 0), struct.pack("<IIQ", 13, 0, 0)
RANGES = ((0, 0xFFFF_FFFF, 0), (1 << 55, 1, 0), (0, 1, 0xFFFF_FFFE))
ALL, FAR, ODD = (struct.pack("<QII", *each) for each in RANGES)
SECTOR, ROOM = (bytes(512), True), (b"\xff", True)
BLOCK_OFFENCES: dict[str, Offence] = {
    "a header that is too short": chain((READ[:15], False), SECTOR, ROOM),
    "no header": chain(SECTOR, ROOM),
    "no room for the status": chain((READ, False)),
    "nothing to read into": chain((READ, False), ROOM),
    "half a sector": chain((READ, False), (bytes(256), True), ROOM),
    "a sector far behind the disk": chain((BEYOND, False), SECTOR, ROOM),
    "more sectors to discard than there are": chain((DISCARD + ALL, False), ROOM),
    "sectors to clear far behind the disk": chain((WRITE_ZEROES + FAR, False), ROOM),
    "sectors to clear with odd flags": chain((WRITE_ZEROES + ODD, False), ROOM),
    "nothing to discard": chain((DISCARD, False), ROOM),
    "half a range to clear": chain((WRITE_ZEROES + ALL[:8], False), ROOM),
    "a thousand ranges to clear": chain((WRITE_ZEROES + 1000 * ALL, False), ROOM),
    "a request that there is not": chain((struct.pack("<IIQ", 0xDEAD, 0, 0), False), SECTOR, ROOM),
}

PLACES = {
    "address 0": 0,
    "below RAM": RAM_BASE - 4096,
    "over the end of RAM": RAM_END - 16,
    "behind RAM": RAM_END,
    "at the end of the address space": (1 << 64) - 4096,
}


def survives(driver: Driver, features: int, offence: Offence) -> None:
    """Have the device take an offence, see what it says, and that a good driver can take over."""
    driver.start(features, SIZE)
    before = driver.put(CANARY)
    offence(driver)
    after = driver.put(CANARY)
    driver.notify(0)
    status = driver.status
    if status & VIRTIO_CONFIG_S_NEEDS_RESET:
        assert status == driver.working | VIRTIO_CONFIG_S_NEEDS_RESET
        assert driver.read(VIRTIO_MMIO_INTERRUPT_STATUS) & VIRTIO_MMIO_INT_CONFIG, "nobody heard of it"
    elif not driver.legacy:
        assert status == driver.working
        assert serves_on(driver), "the device neither serves on nor asks for a reset"
    for canary in (before, after):
        assert driver.dut.read_memory(canary, len(CANARY)) == CANARY, "the device wrote elsewhere"
    driver.start()
    assert driver.serves(), "a good driver is not served after a reset"


def serves_on(driver: Driver) -> bool:
    """Return whether a good request behind the offence comes back, whatever else does, or ends in a reset."""
    ring = driver.rings[0]
    ring.reap()
    ring.next_desc = SIZE // 2
    index, buffers = driver.request()
    good = ring.chain(buffers)
    ring.make_available(good)
    driver.notify(index)
    return good in [each for each, _ in ring.reap()] or bool(driver.status & VIRTIO_CONFIG_S_NEEDS_RESET)


@clauses("C007", "C008", "C031", interface="both")
@pytest.mark.parametrize("offence", OFFENCES.values(), ids=OFFENCES)
def test_a_lie_in_the_ring_does_no_harm(driver: Driver, offence: Offence) -> None:
    """The device serves on or asks for a reset, writes nowhere else, and serves the next driver."""
    survives(driver, 0, offence)


@clauses("C007", "C008", "C031", interface="both")
@pytest.mark.parametrize("offence", INDIRECT_OFFENCES.values(), ids=INDIRECT_OFFENCES)
def test_a_lie_in_an_indirect_table_does_no_harm(driver: Driver, offence: Offence) -> None:
    """The same where the lie is a table, or in one."""
    survives(driver, driver.require(VIRTIO_RING_F_INDIRECT_DESC), offence)


@clauses("C007", "C031", interface="both")
def test_a_table_without_its_feature_does_no_harm(driver: Driver) -> None:
    """INDIRECT that was not negotiated is refused, or served all the same."""
    driver.dut.write_memory(PAGE, struct.pack("<QIHH", PAGE + 4096, 4, 0, 0))
    survives(driver, 0, one(PAGE, 16, INDIRECT))


@clauses("C007", "C008", "C031", device="balloon", interface="both")
@pytest.mark.parametrize("offence", BALLOON_OFFENCES.values(), ids=BALLOON_OFFENCES)
def test_pages_that_cannot_be_given_do_no_harm(driver: Driver, offence: Offence) -> None:
    """The same where the ring is good, and what it asks of a balloon is not."""
    survives(driver, 0, offence)


@clauses("C007", "C008", "C031", device="block", interface="both")
@pytest.mark.parametrize("offence", BLOCK_OFFENCES.values(), ids=BLOCK_OFFENCES)
def test_requests_that_are_none_do_no_harm(driver: Driver, offence: Offence) -> None:
    """The same where the ring is good, and what it asks of a disk is not."""
    survives(driver, 0, offence)


@clauses("C007", "C031")
@pytest.mark.parametrize("part", range(3), ids=["table", "available", "used"])
@pytest.mark.parametrize("where", [*PLACES, "off its alignment"])
def test_a_ring_in_a_wrong_place_does_no_harm(driver: Driver, where: str, part: int) -> None:
    """One part of a ring is not in RAM, or not aligned: nothing else is written, and a reset cures it."""
    assert driver.negotiate(F_VERSION_1)
    ring = driver.take(4096)
    parts = [ring, *layout(ring, SIZE, 4)[:2]]
    parts[part] = PLACES.get(where, parts[part] + 1)
    canary = driver.put(CANARY)
    driver.set_layout(0, SIZE, *parts)
    driver.write(VIRTIO_MMIO_QUEUE_READY, 1)
    driver.status = driver.working
    driver.notify(0)
    assert driver.status in (driver.working, driver.working | VIRTIO_CONFIG_S_NEEDS_RESET)
    assert driver.dut.read_memory(canary, len(CANARY)) == CANARY
    driver.start()
    assert driver.serves()


@clauses("C031", interface="legacy")
@pytest.mark.parametrize(
    "pfn", [1, (RAM_BASE >> 12) - 1, RAM_END >> 12, (RAM_END >> 12) - 1, 0xFFFF_FFFF], ids=hex
)
def test_a_legacy_ring_in_a_wrong_place_does_no_harm(driver: Driver, pfn: int) -> None:
    """A page number of no RAM, and one whose used ring would be behind RAM; a reset cures it."""
    driver.negotiate(0)
    canary = driver.put(CANARY)
    driver.write(VIRTIO_MMIO_QUEUE_SEL, 0)
    driver.write(VIRTIO_MMIO_QUEUE_NUM, SIZE)
    driver.write(VIRTIO_MMIO_QUEUE_PFN, pfn)
    driver.status = driver.working
    driver.notify(0)
    assert driver.dut.read_memory(canary, len(CANARY)) == CANARY
    driver.start()
    assert driver.serves()


@clauses("C007", "C031", interface="both")
def test_two_queues_in_one_ring_do_no_harm(driver: Driver) -> None:
    """A balloon whose two queues are one piece of memory, or a disk whose queue is set up twice."""
    driver.negotiate(0 if driver.legacy else F_VERSION_1)
    ring = driver.set_up_queue(0, SIZE)
    driver.place_queue(1 if driver.device == "balloon" else 0, SIZE, ring.desc)
    driver.status = driver.working
    _, buffers = driver.request()
    ring.make_available(ring.chain(buffers))
    for index in driver.queues():
        driver.notify(index)
    assert driver.status in (driver.working, driver.working | VIRTIO_CONFIG_S_NEEDS_RESET)
    driver.start()
    assert driver.serves()
