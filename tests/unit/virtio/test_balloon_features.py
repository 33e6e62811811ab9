"""What a balloon offers: queues and configuration fields come with their features, under either numbering."""

import struct

import pytest

from devices.errors import DeviceError
from devices.virtio.balloon import ALL_FEATURES, DEFAULT_FEATURES, Balloon, BalloonQueue
from devices.virtio.balloon.features import FEATURE_BITS
from devices.virtio.constants import (
    VIRTIO_F_RING_RESET,
    VIRTIO_MMIO_CONFIG,
    VIRTIO_MMIO_QUEUE_RESET,
    VIRTIO_MMIO_QUEUE_SEL,
)
from hv.conformance.driver import S_DRIVER_OK
from hv.conformance.ours import Slot
from hv.conformance.ring import Buffer
from tests.harness.virtio_driver import Driver

STATS, FREE_PAGE, REPORTING = BalloonQueue.STATS, BalloonQueue.FREE_PAGE, BalloonQueue.REPORTING
CMD_ID, POISON_VAL = 8, 12


def bits(*names: str) -> int:
    """Return features as bits."""
    return sum(1 << FEATURE_BITS[name] for name in names)


@pytest.mark.parametrize(
    ("features", "queues", "fields"),
    [
        ((), {0, 1}, 8),
        (("must-tell-host", "deflate-on-oom"), {0, 1}, 8),
        (("stats",), {0, 1, 2}, 8),
        (("stats", "free-page-hint"), {0, 1, 2, 3}, 12),
        (("page-poison",), {0, 1}, 16),
        (DEFAULT_FEATURES, {0, 1, 2, 3}, 16),
        (ALL_FEATURES, {0, 1, 2, 3, 4}, 16),
        # Number 3 is for a driver that counts queues without gaps, as Linux does.
        (("stats", "free-page-reporting"), {0, 1, 2, 3, 4}, 8),
    ],
)
def test_queues_and_fields_come_with_their_features(
    features: tuple[str, ...], queues: set[int], fields: int
) -> None:
    """QueueNumMax is 0 where there is no queue; the configuration ends with the last field there is."""
    balloon = Balloon(features)
    driver = Driver(Slot(balloon))
    assert {index for index in range(8) if driver.queue_max(index)} == queues
    assert len(balloon.config()) == fields


def test_a_feature_that_there_is_not_is_refused() -> None:
    """An unknown name is the host's mistake, in one line with those that there are."""
    with pytest.raises(DeviceError, match="balloon feature 'statistics': there are must-tell-host, stats, "):
        Balloon(("statistics",))


@pytest.mark.parametrize(
    ("features", "numbers"),
    [
        (("free-page-hint",), {3: FREE_PAGE}),
        (("free-page-hint",), {2: FREE_PAGE}),
        (("stats", "free-page-reporting"), {2: STATS, 4: REPORTING}),
        (("stats", "free-page-reporting"), {2: STATS, 3: REPORTING}),
        (("free-page-hint", "free-page-reporting"), {3: FREE_PAGE, 4: REPORTING}),
        (("free-page-hint", "free-page-reporting"), {2: FREE_PAGE, 3: REPORTING}),
        (("free-page-reporting",), {4: REPORTING}),
        (("free-page-reporting",), {2: REPORTING}),
    ],
)
def test_the_enabled_queues_say_how_a_driver_counts(
    features: tuple[str, ...], numbers: dict[int, BalloonQueue]
) -> None:
    """With a feature missing below another, the specification's numbers and Linux's both work."""
    balloon = Balloon(features)
    driver = Driver(Slot(balloon))
    assert driver.negotiate(1 << 32 | bits(*features))
    for index in (0, 1, *numbers):
        driver.set_up_queue(index, 8)
    driver.status = S_DRIVER_OK
    assert {number: balloon.role(number) for number in numbers} == numbers
    assert balloon.role(5) is None


def test_a_saved_device_knows_how_its_driver_counts() -> None:
    """What the driver showed when it was ready still holds after a restore, whatever it has done since."""
    features = ("free-page-hint", "free-page-reporting")
    slot = Slot(Balloon(features))
    driver = Driver(slot)
    assert driver.negotiate(1 << 32 | 1 << VIRTIO_F_RING_RESET | bits(*features))
    for index in (0, 1, 2, 3):
        driver.set_up_queue(index, 8)
    driver.status = S_DRIVER_OK
    driver.write(VIRTIO_MMIO_QUEUE_SEL, 2)
    driver.write(VIRTIO_MMIO_QUEUE_RESET, 1)
    restored = Balloon(features)
    Slot(restored).mmio.restore(slot.mmio.save())
    assert [restored.role(number) for number in (2, 3, 4)] == [FREE_PAGE, REPORTING, None]


def test_a_queue_that_was_not_negotiated_is_left_alone() -> None:
    """A driver that enables and notifies a queue without its feature gets nothing back, and no reset."""
    driver = Driver(Slot(Balloon(ALL_FEATURES)))
    assert driver.negotiate(1 << 32)
    for index in (0, 1, REPORTING):
        driver.set_up_queue(index, 8)
    driver.status = S_DRIVER_OK
    ring = driver.rings[REPORTING]
    ring.make_available(ring.chain([Buffer(driver.take(4096), 4096, writable=True)]))
    driver.notify(REPORTING)
    assert ring.reap() == []
    assert driver.status == S_DRIVER_OK


def test_a_poison_value_goes_with_its_feature() -> None:
    """It counts when the feature was negotiated, changes nothing without, and a reset zeroes it."""
    balloon = Balloon()
    driver = Driver(Slot(balloon))
    for features, poison in (((), 0), (("page-poison",), 0xAAAA_AAAA)):
        assert driver.negotiate(1 << 32 | bits(*features))
        driver.slot.mmio.write(VIRTIO_MMIO_CONFIG + POISON_VAL, 4, 0xAAAA_AAAA)
        driver.set_up_queues()
        driver.status = S_DRIVER_OK
        assert balloon.poison_val == driver.config(POISON_VAL) == poison
    driver.reset()
    assert balloon.poison_val == driver.config(POISON_VAL) == 0
    driver.start()
    driver.slot.mmio.write(VIRTIO_MMIO_CONFIG + POISON_VAL, 4, 1)
    assert balloon.poison_val == 0


def test_the_command_id_is_the_hosts() -> None:
    """A driver cannot write free_page_hint_cmd_id."""
    balloon = Balloon()
    driver = Driver(Slot(balloon))
    driver.start(bits("free-page-hint"))
    driver.slot.mmio.write(VIRTIO_MMIO_CONFIG + CMD_ID, 4, 7)
    assert driver.config(CMD_ID) == balloon.free_page_hint_cmd_id == 0


def test_a_claim_counts_with_its_last_byte() -> None:
    """A driver that writes `actual` byte by byte is believed when the most significant one is there."""
    balloon = Balloon()
    driver = Driver(Slot(balloon, interface="legacy"))
    driver.start()
    for at, byte in enumerate(struct.pack("<I", 0x1234_5678)):
        assert balloon.actual_pages == 0
        driver.slot.mmio.write(VIRTIO_MMIO_CONFIG + 4 + at, 1, byte)
    assert balloon.actual_pages == driver.config(4) == 0x1234_5678
