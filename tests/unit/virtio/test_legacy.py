"""Virtio-mmio version 1 as a legacy driver meets it: what differs from version 2, and what must not."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.virtio.backends import MemoryBackend
from devices.virtio.balloon import Balloon
from devices.virtio.block import Block
from devices.virtio.constants import (
    VIRTIO_CONFIG_S_FEATURES_OK,
    VIRTIO_CONFIG_S_NEEDS_RESET,
    VIRTIO_CONFIG_S_SUSPEND,
    VIRTIO_F_ANY_LAYOUT,
    VIRTIO_F_NOTIFY_ON_EMPTY,
    VIRTIO_MMIO_CONFIG,
    VIRTIO_MMIO_DRIVER_FEATURES,
    VIRTIO_MMIO_DRIVER_FEATURES_SEL,
    VIRTIO_MMIO_GUEST_PAGE_SIZE,
    VIRTIO_MMIO_INT_CONFIG,
    VIRTIO_MMIO_INT_VRING,
    VIRTIO_MMIO_QUEUE_ALIGN,
    VIRTIO_MMIO_QUEUE_NOTIFY,
    VIRTIO_MMIO_QUEUE_NUM,
    VIRTIO_MMIO_QUEUE_NUM_MAX,
    VIRTIO_MMIO_QUEUE_PFN,
    VIRTIO_MMIO_QUEUE_READY,
    VIRTIO_MMIO_QUEUE_RESET,
    VIRTIO_MMIO_QUEUE_SEL,
    VIRTIO_MMIO_STATUS,
    VIRTIO_MMIO_VERSION,
    VIRTIO_RING_F_EVENT_IDX,
    VIRTIO_RING_F_INDIRECT_DESC,
)
from devices.virtio.device import VirtioDevice
from devices.virtio.empty import EmptySlot
from devices.virtio.queue import QueueLayout
from hv.conformance.driver import S_DRIVER
from hv.conformance.dut import RAM_BASE, RAM_SIZE
from hv.conformance.ours import Slot
from hv.conformance.ring import Buffer, Ring
from tests.harness.virtio_driver import Driver

EVENT_IDX = 1 << VIRTIO_RING_F_EVENT_IDX
INDIRECT_DESC = 1 << VIRTIO_RING_F_INDIRECT_DESC
NOTIFY_ON_EMPTY = 1 << VIRTIO_F_NOTIFY_ON_EMPTY
ANY_LAYOUT = 1 << VIRTIO_F_ANY_LAYOUT
PAGE = 4096
NOTHING = [Buffer(RAM_BASE, 4)]
"""A buffer whose one PFN is outside RAM: a request that only comes back."""


def fresh(device: VirtioDevice | None = None) -> Driver:
    """Return a driver that has not touched its device yet, a balloon unless told otherwise."""
    driver = Driver(Slot(device or Balloon(), interface="legacy"))
    driver.take(PAGE)  # what the requests of these tests point at
    return driver


def started(features: int = 0) -> Driver:
    """Return a driver whose balloon is up."""
    driver = fresh()
    driver.start(features)
    return driver


def place(driver: Driver, size: int, align: int, pfn: int, page_size: int = PAGE) -> None:
    """Write the registers that place queue 0."""
    driver.write(VIRTIO_MMIO_GUEST_PAGE_SIZE, page_size)
    driver.write(VIRTIO_MMIO_QUEUE_SEL, 0)
    driver.write(VIRTIO_MMIO_QUEUE_NUM, size)
    driver.write(VIRTIO_MMIO_QUEUE_ALIGN, align)
    driver.write(VIRTIO_MMIO_QUEUE_PFN, pfn)


def test_every_slot_says_that_it_is_legacy() -> None:
    """Version reads 1, with a device in the slot or without."""
    assert fresh().read(VIRTIO_MMIO_VERSION) == 1
    assert EmptySlot(1).read(VIRTIO_MMIO_VERSION, 4) == 1


@pytest.mark.parametrize(
    ("device", "own"),
    [(Balloon(), 1), (Block(MemoryBackend(bytes(512)), "disk"), 0b110111001010100)],
    ids=["balloon", "block"],
)
def test_what_is_offered_fits_into_one_word(device: VirtioDevice, own: int) -> None:
    """The ring's features and those of the legacy interface, neither bit 30 nor one above it."""
    driver = fresh(device)
    driver.legacy = False  # so that it looks at all the words
    assert driver.offered() & ~0xFFFFFF == NOTIFY_ON_EMPTY | ANY_LAYOUT | INDIRECT_DESC | EVENT_IDX
    assert driver.offered() & own == own


def test_what_came_with_version_2_is_not_there() -> None:
    """Registers of version 2 read 0 and take nothing; FEATURES_OK and SUSPEND stay clear."""
    driver = started()
    state = driver.slot.mmio.save()
    for register in (VIRTIO_MMIO_QUEUE_READY, *range(0x80, 0xC4, 4), 0xFC):
        for value in (0, 1):
            driver.write(register, value)
            assert driver.read(register) == 0
    assert driver.slot.mmio.save() == state
    driver.status = driver.working | VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_SUSPEND
    assert driver.status == driver.working
    driver.write(VIRTIO_MMIO_QUEUE_RESET, 1)
    driver.submit(0, NOTHING)


@given(
    size=st.sampled_from((1, 2, 16, 64, 128)),
    align=st.sampled_from((4, 16, 512, 4096, 8192)),
    page_shift=st.sampled_from((0, 4, 12, 16)),
    page=st.integers(1, 8),
)
def test_a_queue_is_one_run_of_pages(size: int, align: int, page_shift: int, page: int) -> None:
    """Descriptors, available ring, padding up to QueueAlign, used ring, at any page of any size."""
    driver = fresh()
    driver.reset()
    driver.status = S_DRIVER
    at = RAM_BASE + (page << max(page_shift, 4))
    ring = Ring(driver.slot, at, size, align)
    driver.rings[0] = ring
    place(driver, size, align, at >> page_shift, 1 << page_shift)
    driver.status = driver.working
    assert driver.read(VIRTIO_MMIO_QUEUE_PFN) == at >> page_shift
    for _ in range(size + 1):
        driver.submit(0, NOTHING)
    assert driver.slot.mmio.fault == ""


@given(st.integers(0, 15), st.integers(0, 16), st.integers(0, 1 << 40))
def test_the_layout_is_the_specifications(size_shift: int, align_shift: int, at: int) -> None:
    """The used ring begins at the first multiple of QueueAlign behind the available ring's used_event."""
    size, align = 1 << size_shift, 1 << align_shift
    layout = QueueLayout.contiguous(size, at, align)
    assert (layout.desc, layout.avail) == (at, at + 16 * size)
    assert layout.used % align == 0
    assert 0 <= layout.used - (layout.avail + 6 + 2 * size) < align


GOOD_PFN = RAM_BASE // PAGE


@pytest.mark.parametrize(
    ("queue", "reason"),
    [
        ((16, PAGE, GOOD_PFN, 0), "guest page size 0 is no power of two"),
        ((16, PAGE, GOOD_PFN, 4095), "guest page size 4095 is no power of two"),
        ((16, 0, GOOD_PFN), "used ring alignment 0 is no power of two"),
        ((16, 4097, GOOD_PFN), "used ring alignment 4097 is no power of two"),
        ((16, 2, RAM_BASE + 2, 1), "descriptor table at .* not aligned to 16"),
        ((0, PAGE, GOOD_PFN), "queue size 0"),
        ((3, PAGE, GOOD_PFN), "queue size 3"),
        ((256, PAGE, GOOD_PFN), "queue size 256"),
        ((16, PAGE, 1), "descriptor table at 0x1000 is not in RAM"),
        ((16, PAGE, GOOD_PFN + RAM_SIZE // PAGE - 1), "used ring at .* is not in RAM"),
        ((16, 1 << 31, GOOD_PFN), "used ring at 0x100000000 is not in RAM"),
        ((128, PAGE, 0xFFFF_FFFF, 1 << 31), "descriptor table at 0x7fffffff80000000 is not in RAM"),
    ],
)
def test_a_queue_that_cannot_work_is_refused(queue: tuple[int, ...], reason: str) -> None:
    """QueuePFN reads 0, the device needs a reset, and says why; the reset cures it."""
    driver = fresh()
    driver.reset()
    place(driver, *queue)
    assert driver.read(VIRTIO_MMIO_QUEUE_PFN) == 0
    assert driver.status == VIRTIO_CONFIG_S_NEEDS_RESET
    assert driver.interrupts() == 0
    assert re.search(f"queue 0: {reason}", driver.slot.mmio.fault)
    driver.start()
    driver.submit(0, NOTHING)


def test_a_queue_that_is_not_there_takes_nothing() -> None:
    """QueueNumMax and QueuePFN of a queue beyond the last are 0 whatever is written."""
    driver = started()
    before = driver.slot.mmio.save()
    driver.write(VIRTIO_MMIO_QUEUE_SEL, 7)
    for register in (VIRTIO_MMIO_QUEUE_NUM, VIRTIO_MMIO_QUEUE_ALIGN, VIRTIO_MMIO_QUEUE_PFN):
        driver.write(register, 4096)
    assert driver.read(VIRTIO_MMIO_QUEUE_NUM_MAX) == driver.read(VIRTIO_MMIO_QUEUE_PFN) == 0
    assert driver.slot.mmio.save() == before | {"queue_sel": 7}


def test_a_queue_in_use_does_not_move_until_the_driver_lets_go() -> None:
    """Size, alignment and place of a queue in use stand; QueuePFN 0 takes it away, and it starts anew."""
    driver = started()
    driver.submit(0, NOTHING)
    ring = driver.rings[0]
    before = driver.slot.mmio.save()
    place(driver, 4, 8, GOOD_PFN)
    assert driver.slot.mmio.save() == before | {"queue_sel": 0}
    driver.write(VIRTIO_MMIO_QUEUE_PFN, 0)
    assert driver.read(VIRTIO_MMIO_QUEUE_PFN) == 0
    ring.make_available(ring.chain(NOTHING))
    driver.notify(0)
    assert ring.reap() == []
    driver.rings[0] = Ring(driver.slot, ring.desc, 16, PAGE)
    driver.write(VIRTIO_MMIO_QUEUE_PFN, ring.desc // PAGE)
    driver.submit(0, NOTHING)


def test_a_reset_takes_the_queues_and_leaves_the_page_size() -> None:
    """Status 0 zeroes every QueuePFN; GuestPageSize stays: Linux writes it once, before its first reset."""
    driver = started()
    driver.status = 0
    for index in (0, 1):
        driver.write(VIRTIO_MMIO_QUEUE_SEL, index)
        assert driver.read(VIRTIO_MMIO_QUEUE_PFN) == 0
    ring = driver.set_up_queue(0, 16)
    assert driver.read(VIRTIO_MMIO_QUEUE_PFN) == ring.desc // PAGE


def test_a_driver_may_begin_before_it_says_that_it_is_ready() -> None:
    """Without a status bit or a feature the device serves; the features that follow are heeded at once."""
    driver = fresh()
    driver.reset()
    driver.write(VIRTIO_MMIO_GUEST_PAGE_SIZE, PAGE)
    ring = driver.set_up_queue(0, 16)
    driver.submit(0, NOTHING)
    assert driver.interrupts() == VIRTIO_MMIO_INT_VRING
    driver.status = S_DRIVER
    driver.accept(EVENT_IDX | INDIRECT_DESC)
    head = ring.indirect_chain(NOTHING, driver.take(64))
    ring.make_available(head)
    driver.notify(0)
    assert ring.reap() == [(head, 0)]
    assert ring.avail_event == 2
    assert driver.interrupts() == 0  # used_event is 0, and has been passed
    driver.status = driver.working
    driver.accept(0)
    ring.make_available(ring.indirect_chain(NOTHING, driver.take(64)))
    driver.notify(0)
    assert driver.status == driver.working


def test_a_disk_before_its_driver_is_ready_has_the_features_so_far() -> None:
    """A request that depends on a negotiated feature goes by the features at that time."""

    class Counting(MemoryBackend):
        flushes = 0

        def flush(self) -> None:
            self.flushes += 1

    backend = Counting(bytes(512))
    driver = fresh(Block(backend, "disk"))
    driver.reset()
    driver.write(VIRTIO_MMIO_GUEST_PAGE_SIZE, PAGE)
    driver.set_up_queue(0, 16)
    write = [Buffer(driver.put((1).to_bytes(16, "little")), 16), Buffer(driver.take(512), 512)]
    for accepted, flushes in ((0, 1), (1 << 9, 1), (0, 2)):
        driver.accept(accepted)
        driver.submit(0, [*write, Buffer(driver.take(1), 1, True)])
        assert backend.flushes == flushes


@given(st.integers(0, (1 << 32) - 1), st.integers(0, (1 << 32) - 1))
def test_of_the_features_it_takes_what_it_offers(low: int, high: int) -> None:
    """A bit that was not offered is not taken, silently: there is no FEATURES_OK to say it with."""
    driver = fresh()
    for word, value in enumerate((low, high)):
        driver.write(VIRTIO_MMIO_DRIVER_FEATURES_SEL, word)
        driver.write(VIRTIO_MMIO_DRIVER_FEATURES, value)
    assert driver.slot.mmio.save()["driver_features"] == low & driver.offered()


def test_configuration_may_be_written_first_and_byte_by_byte() -> None:
    """`actual` is taken before any step of the initialization, when its last byte has been written."""
    balloon = Balloon()
    driver = fresh(balloon)
    for i, byte in enumerate((0x78, 0x56, 0x34)):
        driver.slot.write(VIRTIO_MMIO_CONFIG + 4 + i, 1, byte)
        assert balloon.actual_pages == 0
    driver.slot.write(VIRTIO_MMIO_CONFIG + 7, 1, 0x12)
    assert balloon.actual_pages == 0x12345678
    assert [driver.config(4 + i, 1) for i in range(4)] == [0x78, 0x56, 0x34, 0x12]


def test_the_host_is_heard_of_from_driver_ok_on() -> None:
    """A new target interrupts a driver that is ready, and none before; the configuration has it at once."""
    balloon = Balloon()
    driver = fresh(balloon)
    driver.reset()
    driver.write(VIRTIO_MMIO_GUEST_PAGE_SIZE, PAGE)
    driver.set_up_queue(0, 16)
    driver.submit(0, NOTHING)
    driver.interrupts()
    balloon.set_target(3)
    assert driver.interrupts() == 0
    assert driver.config(0) == 3
    driver.status = S_DRIVER
    driver.status = driver.working
    balloon.set_target(4)
    assert driver.interrupts() == VIRTIO_MMIO_INT_CONFIG


@pytest.mark.parametrize("event_idx", [0, EVENT_IDX])
@pytest.mark.parametrize("on_empty", [0, NOTIFY_ON_EMPTY])
def test_an_empty_queue_is_told_of_if_the_driver_wants_it(event_idx: int, on_empty: int) -> None:
    """NOTIFY_ON_EMPTY interrupts when nothing is available any more, however notifications are suppressed."""
    driver = started(event_idx | on_empty)
    ring = driver.rings[0]
    ring.set_avail_flags(1)
    ring.set_used_event(-2)
    driver.submit(0, NOTHING)
    assert driver.interrupts() == (VIRTIO_MMIO_INT_VRING if on_empty else 0)


@given(st.integers(0, 4), st.booleans())
def test_a_legacy_device_goes_on_elsewhere(before: int, ready: bool) -> None:
    """Restored with work waiting, before DRIVER_OK or after, it does and saves what the first one does."""
    driver = fresh()
    driver.negotiate(EVENT_IDX)
    ring = driver.set_up_queue(0, 16)
    if ready:
        driver.status = driver.working
    for _ in range(before):
        driver.submit(0, NOTHING)
    ring.make_available(ring.chain(NOTHING))
    driver.write(VIRTIO_MMIO_QUEUE_NOTIFY, 0)
    other = Slot(Balloon(), interface="legacy")
    other.memory.ram[:] = driver.memory.ram
    other.mmio.restore(driver.slot.mmio.save())
    for slot in (driver.slot, other):
        slot.settle()
    assert other.mmio.save() == driver.slot.mmio.save()
    assert (other.memory.ram == driver.memory.ram).all()
    assert ring.used_idx == before + 1
    other.write(VIRTIO_MMIO_STATUS, 4, 0)
    other.write(VIRTIO_MMIO_QUEUE_PFN, 4, ring.desc // PAGE)
    assert other.read(VIRTIO_MMIO_QUEUE_PFN, 4) == ring.desc // PAGE
