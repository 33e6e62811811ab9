"""Queues through the registers: set-up, notifications, suppression, resets, and rings that break."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.state import StateError
from devices.virtio.balloon import Balloon
from devices.virtio.constants import (
    VIRTIO_CONFIG_S_NEEDS_RESET,
    VIRTIO_F_RING_RESET,
    VIRTIO_MMIO_INT_CONFIG,
    VIRTIO_MMIO_INT_VRING,
    VIRTIO_MMIO_QUEUE_DESC_LOW,
    VIRTIO_MMIO_QUEUE_NOTIFY,
    VIRTIO_MMIO_QUEUE_NUM,
    VIRTIO_MMIO_QUEUE_NUM_MAX,
    VIRTIO_MMIO_QUEUE_READY,
    VIRTIO_MMIO_QUEUE_RESET,
    VIRTIO_MMIO_QUEUE_SEL,
    VIRTIO_MMIO_STATUS,
    VIRTIO_RING_F_EVENT_IDX,
    VIRTIO_RING_F_INDIRECT_DESC,
    VRING_DESC_F_WRITE,
)
from hv.conformance.driver import F_VERSION_1, S_DRIVER_OK, S_FEATURES_OK
from hv.conformance.dut import RAM_BASE, RAM_SIZE
from hv.conformance.ours import Slot
from hv.conformance.ring import Buffer, Ring
from tests.harness.virtio_driver import Driver

EVENT_IDX = 1 << VIRTIO_RING_F_EVENT_IDX
INDIRECT_DESC = 1 << VIRTIO_RING_F_INDIRECT_DESC
RING_RESET = 1 << VIRTIO_F_RING_RESET
NOTHING = [Buffer(RAM_BASE, 4)]
"""A buffer whose one PFN is outside RAM: a request that only comes back."""


def started(features: int = 0, size: int = 16) -> Driver:
    """Return a driver whose balloon is up."""
    driver = Driver(Slot(Balloon()))
    driver.take(4096)  # what the requests of these tests point at
    driver.start(features, size)
    return driver


def offer(driver: Driver, count: int, index: int = 0) -> None:
    """Make chains available without a notification."""
    ring = driver.rings[index]
    for _ in range(count):
        ring.make_available(ring.chain(NOTHING))


def test_a_queue_that_is_not_there_reads_0_and_takes_nothing() -> None:
    """QueueNumMax and QueueReady of a queue that is missing or beyond the last are 0 whatever is written."""
    driver = started()
    before = driver.slot.mmio.save()
    for index in (4, 5, 0xFFFF_FFFF):
        driver.set_layout(index, 8, RAM_BASE, RAM_BASE, RAM_BASE)
        for register in (VIRTIO_MMIO_QUEUE_READY, VIRTIO_MMIO_QUEUE_RESET):
            driver.write(register, 1)
        driver.write(VIRTIO_MMIO_QUEUE_NOTIFY, index)
        assert driver.read(VIRTIO_MMIO_QUEUE_NUM_MAX) == 0
        assert driver.read(VIRTIO_MMIO_QUEUE_READY) == 0
        assert driver.slot.mmio.save() == before | {"queue_sel": index}


GOOD = (16, RAM_BASE, RAM_BASE + 0x1000, RAM_BASE + 0x2000)
END = RAM_BASE + RAM_SIZE


@pytest.mark.parametrize(
    ("layout", "reason"),
    [
        ((0, *GOOD[1:]), "queue size 0"),
        ((3, *GOOD[1:]), "queue size 3"),
        ((256, *GOOD[1:]), "queue size 256"),
        ((16, RAM_BASE + 8, *GOOD[2:]), "descriptor table at .* not aligned to 16"),
        ((16, GOOD[1], RAM_BASE + 1, GOOD[3]), "available ring at .* not aligned to 2"),
        ((16, *GOOD[1:3], RAM_BASE + 2), "used ring at .* not aligned to 4"),
        ((16, 0, *GOOD[2:]), "descriptor table at .* not in RAM"),
        ((16, END - 16 * 16 + 16, *GOOD[2:]), "descriptor table at .* not in RAM"),
        ((16, GOOD[1], END - 36, GOOD[3]), "available ring at .* not in RAM"),
        ((16, *GOOD[1:3], END - 132), "used ring at .* not in RAM"),
        ((16, (1 << 64) - 16, *GOOD[2:]), "descriptor table at .* not in RAM"),
    ],
)
def test_a_queue_that_cannot_work_is_refused(layout: tuple[int, int, int, int], reason: str) -> None:
    """QueueReady stays 0 and the device needs a reset; before DRIVER_OK there is no interrupt."""
    driver = Driver(Slot(Balloon()))
    driver.negotiate(F_VERSION_1)
    driver.set_layout(1, *layout)
    driver.write(VIRTIO_MMIO_QUEUE_READY, 1)
    assert driver.read(VIRTIO_MMIO_QUEUE_READY) == 0
    assert driver.read(VIRTIO_MMIO_STATUS) == S_FEATURES_OK | VIRTIO_CONFIG_S_NEEDS_RESET
    assert driver.interrupts() == 0
    assert re.search(f"queue 1: .*{reason}", driver.slot.mmio.fault)


@pytest.mark.parametrize("size", [1, 2, 64, 128])
def test_a_queue_may_end_where_ram_ends(size: int) -> None:
    """Each part of the ring may be the very last bytes of RAM."""
    lengths = (16 * size, 6 + 2 * size, 6 + 8 * size)
    for part, align in enumerate((16, 2, 4)):
        driver = Driver(Slot(Balloon()))
        driver.negotiate(F_VERSION_1)
        places = [RAM_BASE, RAM_BASE + 0x1000, RAM_BASE + 0x2000]
        places[part] = (END - lengths[part]) & -align
        driver.set_layout(0, size, *places)
        driver.write(VIRTIO_MMIO_QUEUE_READY, 1)
        assert driver.read(VIRTIO_MMIO_QUEUE_READY) == 1


def test_a_queue_is_not_ready_before_the_features_are_settled() -> None:
    """How a ring is read depends on features, so QueueReady before FEATURES_OK is ignored."""
    driver = Driver(Slot(Balloon()))
    driver.write(VIRTIO_MMIO_STATUS, 3)
    driver.set_layout(0, *GOOD)
    driver.write(VIRTIO_MMIO_QUEUE_READY, 1)
    assert driver.read(VIRTIO_MMIO_QUEUE_READY) == 0
    assert driver.slot.mmio.fault == ""


def test_a_ready_queue_does_not_move() -> None:
    """Size and addresses written while QueueReady is 1 are ignored."""
    driver = started()
    before = driver.slot.mmio.save()
    driver.write(VIRTIO_MMIO_QUEUE_SEL, 0)
    driver.write(VIRTIO_MMIO_QUEUE_NUM, 4)
    driver.write(VIRTIO_MMIO_QUEUE_DESC_LOW, 0)
    driver.write(VIRTIO_MMIO_QUEUE_READY, 1)
    assert driver.slot.mmio.save() == before | {"queue_sel": 0}


def test_a_notification_only_records_until_the_host_serves() -> None:
    """The store to QueueNotify touches no memory; `service()` does, and then nothing is pending."""
    driver = started()
    offer(driver, 2)
    ring = driver.rings[0]
    before = driver.memory.ram.copy()
    driver.write(VIRTIO_MMIO_QUEUE_NOTIFY, 0)
    assert driver.slot.mmio.pending
    assert (driver.memory.ram == before).all()
    driver.slot.mmio.service()
    assert not driver.slot.mmio.pending
    assert len(ring.reap()) == 2


def test_spurious_notifications_are_harmless() -> None:
    """Notifications with nothing available, and of queues that do not exist, change no memory."""
    driver = started()
    before = driver.memory.ram.copy()
    for index in (0, 0, 1, 2, 0xFFFF, 0xFFFF_FFFF):
        driver.notify(index)
    assert (driver.memory.ram == before).all()
    assert driver.interrupts() == 0


def test_nothing_is_consumed_before_driver_ok() -> None:
    """A notification before DRIVER_OK waits for it: no buffer is used and no interrupt sent until then."""
    driver = Driver(Slot(Balloon()))
    driver.negotiate(F_VERSION_1)
    ring = driver.set_up_queue(0, 16)
    offer(driver, 1)
    driver.notify(0)
    assert not driver.slot.mmio.pending
    assert ring.reap() == []
    assert driver.interrupts() == 0
    driver.write(VIRTIO_MMIO_STATUS, S_DRIVER_OK)
    assert driver.slot.mmio.pending
    driver.slot.mmio.service()
    assert len(ring.reap()) == 1
    assert driver.interrupts() == VIRTIO_MMIO_INT_VRING


def test_a_queue_that_was_taken_away_is_left_alone_and_starts_anew() -> None:
    """With QueueReady 0 the device touches nothing; enabled again, the queue begins at its first entry."""
    driver = started()
    offer(driver, 3)
    driver.notify(0)
    ring = driver.rings[0]
    driver.write(VIRTIO_MMIO_QUEUE_SEL, 0)
    driver.write(VIRTIO_MMIO_QUEUE_READY, 0)
    offer(driver, 1)
    before = driver.memory.ram.copy()
    driver.notify(0)
    assert (driver.memory.ram == before).all()
    fresh = Ring(driver.slot, ring.desc, 16)
    driver.rings[0] = fresh
    driver.write(VIRTIO_MMIO_QUEUE_READY, 1)
    offer(driver, 1)
    driver.notify(0)
    assert len(fresh.reap()) == 1


def test_a_queue_reset_leaves_the_other_queue_alone() -> None:
    """With RING_RESET one queue goes back to its defaults, work that waited is gone, a new size is taken."""
    driver = started(RING_RESET)
    offer(driver, 1, index=0)
    offer(driver, 1, index=1)
    for index in (0, 1):
        driver.write(VIRTIO_MMIO_QUEUE_NOTIFY, index)
    driver.write(VIRTIO_MMIO_QUEUE_SEL, 0)
    driver.write(VIRTIO_MMIO_QUEUE_RESET, 1)
    assert driver.read(VIRTIO_MMIO_QUEUE_RESET) == 0
    assert driver.read(VIRTIO_MMIO_QUEUE_READY) == 0
    driver.slot.mmio.service()
    assert driver.rings[0].reap() == []
    assert len(driver.rings[1].reap()) == 1
    driver.set_up_queue(0, 4)
    assert driver.read(VIRTIO_MMIO_QUEUE_READY) == 1
    assert driver.read(VIRTIO_MMIO_QUEUE_RESET) == 0
    for _ in range(6):
        driver.submit(0, NOTHING)


def test_a_queue_reset_needs_its_feature() -> None:
    """Without RING_RESET a write to QueueReset does nothing."""
    driver = started()
    driver.write(VIRTIO_MMIO_QUEUE_SEL, 0)
    driver.write(VIRTIO_MMIO_QUEUE_RESET, 1)
    assert driver.read(VIRTIO_MMIO_QUEUE_READY) == 1


def test_a_broken_ring_needs_a_reset_and_says_so() -> None:
    """Good chains come back, the bad one stops the device with a config interrupt; a reset cures it."""
    driver = started()
    offer(driver, 1)
    ring = driver.rings[0]
    ring.descriptor(5, 0, 4, 0)
    ring.make_available(5)
    driver.notify(0)
    assert len(ring.reap()) == 1
    assert driver.read(VIRTIO_MMIO_STATUS) == S_DRIVER_OK | VIRTIO_CONFIG_S_NEEDS_RESET
    assert driver.interrupts() == VIRTIO_MMIO_INT_VRING | VIRTIO_MMIO_INT_CONFIG
    assert driver.slot.mmio.fault == "queue 0: a buffer is not in RAM (chain 5)"
    offer(driver, 1, index=1)
    driver.notify(1)
    assert not driver.slot.mmio.pending
    assert driver.rings[1].reap() == []
    driver.start()
    assert driver.slot.mmio.fault == ""
    driver.submit(0, NOTHING)


def test_an_available_index_that_runs_away_needs_a_reset() -> None:
    """An index more than a queue ahead is a broken ring, not a crash."""
    driver = started()
    driver.rings[0].set_avail_idx(17)
    driver.notify(0)
    assert driver.read(VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET
    assert driver.slot.mmio.fault == "queue 0: the available index is more than a queue ahead"


@pytest.mark.parametrize("readable", [0, 1, 2])
def test_an_indirect_table_may_follow_direct_descriptors(readable: int) -> None:
    """A chain may end in an indirect table, whose own WRITE flag means nothing."""
    driver = started(INDIRECT_DESC)
    table = driver.take(64)
    ring = driver.rings[0]
    head = ring.indirect_chain([NOTHING[0]] * 3, table, VRING_DESC_F_WRITE)
    for _ in range(readable):
        ring.descriptor(ring.next_desc, RAM_BASE, 4, 1, head)
        head = ring.next_desc
        ring.next_desc += 1
    ring.make_available(head)
    driver.notify(0)
    assert ring.reap() == [(head, 0)]


def test_no_interrupt_flag_is_honoured_without_event_idx() -> None:
    """NO_INTERRUPT suppresses, 0 does not, and used_event means nothing."""
    driver = started()
    ring = driver.rings[0]
    ring.set_used_event(500)
    driver.submit(0, NOTHING)
    assert driver.interrupts() == VIRTIO_MMIO_INT_VRING
    ring.set_avail_flags(1)
    driver.submit(0, NOTHING)
    assert driver.interrupts() == 0


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(-2, 6)), min_size=1, max_size=12))
def test_used_event_decides_with_event_idx(batches: list[tuple[int, int]]) -> None:
    """A batch interrupts exactly if it goes past the position in used_event; the flags mean nothing."""
    driver = started(EVENT_IDX, size=8)
    ring = driver.rings[0]
    ring.set_avail_flags(1)
    for count, ahead in batches:
        before = ring.used_idx
        ring.set_used_event(before + ahead)
        offer(driver, count)
        driver.notify(0)
        assert len(ring.reap()) == count
        assert driver.interrupts() == (VIRTIO_MMIO_INT_VRING if 0 <= ahead < count else 0)
        assert ring.avail_event == ring.avail_idx


def test_indices_wrap_at_16_bits() -> None:
    """With used_event 0 the driver hears of the first and of the 65,537th buffer, and of none between."""
    driver = started(EVENT_IDX, size=128)
    ring = driver.rings[0]
    head = ring.chain(NOTHING)
    heard = []
    done = 0
    while done <= 65536:
        count = min(128 if done else 1, 65537 - done)
        for _ in range(count):
            ring.make_available(head)
        driver.notify(0)
        done += count
        if driver.interrupts():
            heard.append(done)
    assert heard == [1, 65537]


@given(st.integers(0, 12), st.integers(0, 12))
def test_a_restored_queue_goes_on_where_the_saved_one_was(before: int, waiting: int) -> None:
    """Work that waited at the save is done after the restore, once, and both sides agree on the indices."""
    driver = started(EVENT_IDX)
    ring = driver.rings[0]
    ring.set_used_event(before)
    offer(driver, before)
    driver.notify(0)
    offer(driver, waiting)
    driver.write(VIRTIO_MMIO_QUEUE_NOTIFY, 0)
    state = driver.slot.mmio.save()
    other = Slot(Balloon())
    other.memory.ram[:] = driver.memory.ram
    other.mmio.restore(state)
    assert other.wire.level == driver.slot.wire.level
    driver.slot.mmio.service()
    other.mmio.service()
    assert other.mmio.save() == driver.slot.mmio.save()
    assert (other.memory.ram == driver.memory.ram).all()
    assert ring.used_idx == before + waiting


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("status",), 4, r"virtio\.status: 0x4 skips a step"),
        (("status",), 0x2F, r"virtio\.status: 0x2f"),
        (("status",), 0x1B, r"virtio\.suspended: goes with SUSPEND"),
        (("version",), 1, r"virtio\.version: 1 is outside 2\.\.2"),
        (("driver_features",), 1 << 33 | F_VERSION_1, r"virtio\.driver_features: the device does not offer"),
        (("driver_features",), 0, r"virtio\.driver_features"),
        (("device_id",), 2, r"virtio\.device_id: 2 is outside 5\.\.5"),
        (("notified",), 1 << 5, r"virtio\.notified"),
        (("queues", 0, "size"), 3, r"virtio\.queues\[0\]\.ring: queue size 3"),
        (("queues", 1, "addresses"), [0, 0, 0], r"virtio\.queues\[1\]\.ring: descriptor table at 0x0"),
        (("queues", 0, "ring", "next_used"), 100, r"queues\[0\]\.ring\.next_used: 100 is more than a queue"),
        (("queues", 0, "ring", "next_avail"), 65536, r"queues\[0\]\.ring\.next_avail: 65536 is outside"),
        (("device", "ballooned"), b"", r"balloon\.ballooned: 0 bytes, expected 512"),
        (("device", "counters", "inflated_pages"), -1, r"balloon\.counters\.inflated_pages"),
    ],
)
def test_a_hostile_state_is_refused(path: tuple[str | int, ...], value: object, message: str) -> None:
    """Restored state passes the same checks as a driver's registers, and a bad one changes nothing."""
    driver = started()
    state = driver.slot.mmio.save()
    owner = state
    for key in path[:-1]:
        owner = owner[key]  # type: ignore[index]
    owner[path[-1]] = value  # type: ignore[index]
    before = driver.slot.mmio.save()
    with pytest.raises(StateError, match=message):
        driver.slot.mmio.restore(state)
    assert driver.slot.mmio.save() == before
