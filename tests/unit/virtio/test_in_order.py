"""VIRTIO_F_IN_ORDER and VIRTIO_F_NOTIFICATION_DATA: what a driver negotiates to spare the ring."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.virtio.backends import MemoryBackend
from devices.virtio.balloon import Balloon
from devices.virtio.block import Block
from devices.virtio.constants import (
    VIRTIO_BLK_T_IN,
    VIRTIO_F_IN_ORDER,
    VIRTIO_F_NOTIFICATION_DATA,
    VIRTIO_MMIO_QUEUE_NOTIFY,
    VIRTIO_RING_F_EVENT_IDX,
)
from hv.conformance.dut import RAM_BASE
from hv.conformance.ours import Slot
from hv.conformance.ring import Buffer, Ring
from tests.harness.virtio_driver import Driver

IN_ORDER = 1 << VIRTIO_F_IN_ORDER
EVENT_IDX = 1 << VIRTIO_RING_F_EVENT_IDX
NOTIFICATION_DATA = 1 << VIRTIO_F_NOTIFICATION_DATA
NOTHING = [Buffer(RAM_BASE, 4)]
"""A buffer whose one PFN is outside RAM: a request that only comes back."""


def balloon(features: int) -> Driver:
    """Return a driver whose balloon is up."""
    driver = Driver(Slot(Balloon()))
    driver.take(4096)  # what the requests point at
    driver.start(features)
    return driver


def elements(ring: Ring, since: int) -> list[tuple[int, int, int]]:
    """Return (position, head, written) of the used elements from a position on, as an in-order driver does.

    It knows in which order it made chains available, here 0, 1, 2 and so on, and so how many an element is
    for.
    """
    found = []
    position = since
    while position != ring.used_idx:
        at = ring.used + 4 + 8 * (position % ring.size)
        head, written = struct.unpack("<II", ring.dut.read_memory(at, 8))
        found.append((position, head, written))
        position += (head - position) % ring.size + 1
    return found


@given(st.lists(st.integers(0, 16), max_size=6), st.booleans())
def test_one_element_stands_for_a_batch(counts: list[int], event_idx: bool) -> None:
    """A batch of requests without answers is one used element: the first's place, the last's id."""
    driver = balloon(IN_ORDER | event_idx * EVENT_IDX)
    ring = driver.rings[0]
    done = 0
    for count in counts:
        driver.memory.write(ring.used + 4, b"\xee" * 8 * ring.size)
        ring.set_used_event(done)
        ring.make_available(*(ring.chain(NOTHING) for _ in range(count)))
        driver.notify(0)
        assert ring.used_idx == done + count
        assert elements(ring, done) == [(done, (done + count - 1) % 16, 0)] * (count > 0)
        untouched = driver.memory.read(ring.used + 4, 8 * ring.size).count(b"\xee" * 8)
        assert untouched == ring.size - (count > 0)
        assert bool(driver.interrupts()) == (count > 0)
        done += count


def test_without_the_feature_every_chain_has_its_element() -> None:
    """A driver that declined IN_ORDER finds each head in the used ring."""
    driver = balloon(0)
    ring = driver.rings[0]
    heads = [ring.chain(NOTHING) for _ in range(5)]
    ring.make_available(*heads)
    driver.notify(0)
    assert ring.reap() == [(head, 0) for head in heads]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=5))
def test_a_buffer_to_fill_has_its_own_element(sectors: list[int]) -> None:
    """A skipped chain counts as written completely, so a disk's request is never skipped."""
    driver = Driver(Slot(Block(MemoryBackend(bytes(2 * 512)), "disk")))
    driver.start(IN_ORDER, size=16)
    ring = driver.rings[0]
    lengths = []
    heads = []
    for sector in sectors:
        header = driver.put(struct.pack("<IIQ", VIRTIO_BLK_T_IN, 0, sector))
        room = driver.take(513)
        heads.append(ring.chain([Buffer(header, 16), Buffer(room, 512, True), Buffer(room + 512, 1, True)]))
        lengths.append(513 if sector < 2 else 0)
    ring.make_available(*heads)
    driver.notify(0)
    assert ring.reap() == list(zip(heads, lengths, strict=True))


@pytest.mark.parametrize("next_off", [0, 1, 0x7FFF, 0x8000, 0xFFFF])
def test_a_notification_may_say_how_far_the_driver_is(next_off: int) -> None:
    """With NOTIFICATION_DATA the lower half names the queue, and the ring itself says what is available."""
    driver = balloon(NOTIFICATION_DATA)
    ring = driver.rings[1]
    ring.make_available(ring.chain(NOTHING))
    driver.notify(next_off << 16 | 1)
    assert len(ring.reap()) == 1
    driver.notify(next_off << 16 | 2)
    assert not driver.slot.mmio.pending


def test_without_the_feature_a_notification_is_a_queue_and_nothing_else() -> None:
    """A value with an upper half is no queue's number."""
    driver = balloon(0)
    driver.write(VIRTIO_MMIO_QUEUE_NOTIFY, 1 << 16)
    assert not driver.slot.mmio.pending
