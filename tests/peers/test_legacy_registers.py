"""Our legacy virtio-mmio slot against QEMU's: what one driver does to both, and what it then sees of them.

Sequences are random and stay where QEMU 7.2 and the specification agree: QEMU keeps any bit of Status, resets
the whole device when one QueuePFN is cleared, and moves a queue that is in use. A test pins these.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.virtio.constants import (
    VIRTIO_CONFIG_S_ACKNOWLEDGE,
    VIRTIO_CONFIG_S_FEATURES_OK,
    VIRTIO_MMIO_GUEST_PAGE_SIZE,
    VIRTIO_MMIO_INTERRUPT_STATUS,
    VIRTIO_MMIO_QUEUE_ALIGN,
    VIRTIO_MMIO_QUEUE_NUM,
    VIRTIO_MMIO_QUEUE_PFN,
    VIRTIO_MMIO_QUEUE_SEL,
    VIRTIO_RING_F_EVENT_IDX,
)
from hv.conformance.driver import S_DRIVER, S_LEGACY_OK, Driver
from hv.conformance.dut import RAM_BASE, Dut
from hv.conformance.ours import BalloonSlot
from hv.conformance.qemu import QemuMaker
from hv.conformance.ring import Buffer, Ring
from tests.harness.qemu_process import find_qemu

pytestmark = pytest.mark.peers

PAGE = 4096
ACTUAL = 4
EVENT_IDX = 1 << VIRTIO_RING_F_EVENT_IDX
PLACES = {0: RAM_BASE + 0x10000, 1: RAM_BASE + 0x20000}
"""Where a queue's pages are, out of the way of what a driver takes."""


@pytest.fixture(scope="module")
def peer() -> Iterator[QemuMaker]:
    """QEMU, which makes a device as new whenever it is asked to."""
    find_qemu()
    with QemuMaker() as maker:
        yield maker


class Both:
    """One driver on two devices, on whose answers they agree."""

    def __init__(self, peer: QemuMaker) -> None:
        duts: tuple[Dut, Dut] = (BalloonSlot("legacy"), peer("balloon", "legacy"))
        self.drivers = [Driver(dut, "balloon", "legacy") for dut in duts]
        for driver in self.drivers:
            driver.take(PAGE)  # what the requests point at
            driver.write_config(ACTUAL, 0)  # this and RAM outlive a reset of QEMU's machine
            for place in PLACES.values():
                driver.dut.write_memory(place, bytes(4 * PAGE))

    def each(self, action: Callable[[Driver], object]) -> None:
        """Do the same with both, and look at all that a driver can see."""
        ours, theirs = ((action(driver), seen(driver)) for driver in self.drivers)
        assert ours == theirs


def seen(driver: Driver) -> list[object]:
    """Return status, interrupts, places of queues, configuration space in all widths, and the rings."""
    registers = [driver.status, driver.read(VIRTIO_MMIO_INTERRUPT_STATUS), driver.dut.irq()]
    for index in (*PLACES, 9):
        driver.write(VIRTIO_MMIO_QUEUE_SEL, index)
        registers.append(driver.read(VIRTIO_MMIO_QUEUE_PFN))
    config = [driver.config(at, size) for size in (1, 2, 4) for at in range(0, 8, size)]
    return [registers, config, [driver.dut.read_memory(place, 4 * PAGE) for place in PLACES.values()]]


def come_up(driver: Driver, features: int = 0) -> None:
    """Reset and initialise, without queues."""
    driver.reset()
    driver.status = VIRTIO_CONFIG_S_ACKNOWLEDGE
    driver.status = S_DRIVER
    driver.accept(features)
    driver.status = S_LEGACY_OK


def place(driver: Driver, index: int, size: int, align: int) -> None:
    """Place a queue, unless it is placed already."""
    if index not in driver.rings:
        driver.rings[index] = Ring(driver.dut, PLACES[index], size, align)
        driver.write(VIRTIO_MMIO_GUEST_PAGE_SIZE, PAGE)
        driver.write(VIRTIO_MMIO_QUEUE_SEL, index)
        driver.write(VIRTIO_MMIO_QUEUE_NUM, size)
        driver.write(VIRTIO_MMIO_QUEUE_ALIGN, align)
        driver.write(VIRTIO_MMIO_QUEUE_PFN, PLACES[index] // PAGE)


def serve(driver: Driver, index: int, pages: int) -> None:
    """Make chains of one page number available, as many as there is room for, and notify."""
    ring = driver.rings.get(index)
    if ring is not None:
        pfns = [driver.put((RAM_BASE // PAGE + 0x100 + i).to_bytes(4, "little")) for i in range(pages)]
        ring.make_available(*(ring.chain([Buffer(pfn, 4)]) for pfn in pfns[: ring.size]))
    driver.notify(index)


def claim(driver: Driver, at: int, size: int, value: int) -> None:
    """Write a part of `actual`."""
    driver.write_config(ACTUAL + (at & -size), value & (1 << 8 * size) - 1, size)


indices = st.sampled_from(tuple(PLACES))
queue_sizes = st.sampled_from((1, 2, 8, 64))
alignments = st.sampled_from((16, 256, PAGE))
values = st.integers(0, (1 << 32) - 1)
steps = st.one_of(
    st.tuples(st.just(come_up), st.sampled_from((0, EVENT_IDX))),
    st.tuples(st.sampled_from((Driver.reset, Driver.interrupts))),
    st.tuples(st.just(place), indices, queue_sizes, alignments),
    st.tuples(st.just(serve), indices, st.integers(0, 3)),
    st.tuples(st.just(claim), st.integers(0, 3), st.sampled_from((1, 2, 4)), values),
)


@given(st.lists(steps, max_size=12))
def test_a_driver_sees_the_same(peer: QemuMaker, actions: list[tuple[Any, ...]]) -> None:
    """Status, interrupts, QueuePFN, configuration bytes and rings are QEMU's after every step."""
    both = Both(peer)
    for action, *arguments in actions:
        both.each(lambda driver, act=action, given=arguments: act(driver, *given))  # type: ignore[misc]


def status_keeps(driver: Driver) -> int:
    """FEATURES_OK is no bit of the legacy interface."""
    driver.status = S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK
    return driver.status


def let_go(driver: Driver) -> int:
    """QueuePFN 0 says that the driver no longer uses that queue, and nothing else."""
    driver.status = S_DRIVER
    place(driver, 0, 8, PAGE)
    driver.write(VIRTIO_MMIO_QUEUE_PFN, 0)
    return driver.status


def moved(driver: Driver) -> int:
    """A queue in use stays where it is until the driver lets go of it."""
    place(driver, 0, 8, PAGE)
    driver.write(VIRTIO_MMIO_QUEUE_PFN, PLACES[1] // PAGE)
    return driver.read(VIRTIO_MMIO_QUEUE_PFN)


@pytest.mark.parametrize(
    ("prepare", "ours", "theirs"),
    [
        (status_keeps, S_DRIVER, S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK),
        (let_go, S_DRIVER, 0),
        (moved, PLACES[0] // PAGE, PLACES[1] // PAGE),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_departures(peer: QemuMaker, prepare: Callable[[Driver], int], ours: int, theirs: int) -> None:
    """Where QEMU 7.2 does otherwise, ours does what the specification says."""
    both = Both(peer)
    assert [prepare(driver) for driver in both.drivers] == [ours, theirs]


def test_the_page_size_outlives_a_reset(peer: QemuMaker) -> None:
    """A queue that is placed after a reset is where GuestPageSize of before says: Linux counts on that."""
    both = Both(peer)
    both.each(lambda driver: driver.write(VIRTIO_MMIO_GUEST_PAGE_SIZE, PAGE))
    both.each(come_up)
    for driver in both.drivers:
        driver.set_up_queue(0, 8)
        driver.submit(0, [Buffer(RAM_BASE, 4)])
    both.each(seen)
