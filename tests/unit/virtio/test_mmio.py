"""The MMIO transport as a driver meets it: identity, features, status, interrupts."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.virtio.backends import MemoryBackend
from devices.virtio.balloon import Balloon
from devices.virtio.block import Block
from devices.virtio.constants import (
    VIRTIO_CONFIG_S_ACKNOWLEDGE,
    VIRTIO_CONFIG_S_FAILED,
    VIRTIO_F_IN_ORDER,
    VIRTIO_F_NOTIFICATION_DATA,
    VIRTIO_F_RING_RESET,
    VIRTIO_F_SUSPEND,
    VIRTIO_MMIO_CONFIG,
    VIRTIO_MMIO_DEVICE_FEATURES,
    VIRTIO_MMIO_DEVICE_FEATURES_SEL,
    VIRTIO_MMIO_DEVICE_ID,
    VIRTIO_MMIO_DRIVER_FEATURES,
    VIRTIO_MMIO_DRIVER_FEATURES_SEL,
    VIRTIO_MMIO_INT_CONFIG,
    VIRTIO_MMIO_INT_VRING,
    VIRTIO_MMIO_INTERRUPT_ACK,
    VIRTIO_MMIO_INTERRUPT_STATUS,
    VIRTIO_MMIO_MAGIC_VALUE,
    VIRTIO_MMIO_QUEUE_READY,
    VIRTIO_MMIO_QUEUE_SEL,
    VIRTIO_MMIO_SHM_BASE_HIGH,
    VIRTIO_MMIO_SHM_BASE_LOW,
    VIRTIO_MMIO_SHM_LEN_HIGH,
    VIRTIO_MMIO_SHM_LEN_LOW,
    VIRTIO_MMIO_STATUS,
    VIRTIO_MMIO_VENDOR_ID,
    VIRTIO_MMIO_VERSION,
    VIRTIO_RING_F_EVENT_IDX,
    VIRTIO_RING_F_INDIRECT_DESC,
)
from hv.conformance.driver import F_VERSION_1, S_DRIVER, S_DRIVER_OK, S_FEATURES_OK
from hv.conformance.dut import RAM_BASE
from hv.conformance.ours import Slot
from hv.conformance.ring import Buffer
from tests.harness.virtio_driver import Driver

OFFERED_BY_ALL = F_VERSION_1 | sum(
    1 << bit
    for bit in (
        VIRTIO_RING_F_INDIRECT_DESC,
        VIRTIO_RING_F_EVENT_IDX,
        VIRTIO_F_IN_ORDER,
        VIRTIO_F_NOTIFICATION_DATA,
        VIRTIO_F_RING_RESET,
        VIRTIO_F_SUSPEND,
    )
)


def balloon_driver() -> Driver:
    """Return a driver that has not touched its balloon yet."""
    return Driver(Slot(Balloon()))


def block_driver() -> Driver:
    """Return a driver that has not touched its disk yet."""
    return Driver(Slot(Block(MemoryBackend(bytes(4096)), "disk")))


def offered(driver: Driver) -> int:
    """Return all feature words that the device offers."""
    features = 0
    for word in range(6):
        driver.write(VIRTIO_MMIO_DEVICE_FEATURES_SEL, word)
        features |= driver.read(VIRTIO_MMIO_DEVICE_FEATURES) << 32 * word
    return features


@pytest.mark.parametrize(("make", "device_id"), [(balloon_driver, 5), (block_driver, 2)])
def test_a_slot_says_what_it_is(make: Callable[[], Driver], device_id: int) -> None:
    """Magic, version and device id let a driver find the device; ours is not the legacy interface."""
    driver = make()
    assert driver.read(VIRTIO_MMIO_MAGIC_VALUE) == 0x74726976
    assert driver.read(VIRTIO_MMIO_VERSION) == 2
    assert driver.read(VIRTIO_MMIO_DEVICE_ID) == device_id
    assert driver.read(VIRTIO_MMIO_VENDOR_ID) != 0


def test_there_is_no_shared_memory() -> None:
    """A region that does not exist has length -1 and base all ones."""
    driver = balloon_driver()
    for register in (
        VIRTIO_MMIO_SHM_LEN_LOW,
        VIRTIO_MMIO_SHM_LEN_HIGH,
        VIRTIO_MMIO_SHM_BASE_LOW,
        VIRTIO_MMIO_SHM_BASE_HIGH,
    ):
        assert driver.read(register) == 0xFFFF_FFFF


@given(
    offset=st.integers(0, VIRTIO_MMIO_CONFIG - 1),
    size=st.sampled_from((1, 2, 4, 8)),
    value=st.integers(0, (1 << 64) - 1),
)
def test_only_aligned_words_reach_a_register(offset: int, size: int, value: int) -> None:
    """A register access of another width or alignment reads 0 and changes nothing."""
    driver = balloon_driver()
    driver.start()
    before = driver.slot.mmio.save()
    if size != 4 or offset % 4:
        driver.slot.mmio.write(offset, size, value)
        assert driver.slot.mmio.read(offset, size) == 0
        assert driver.slot.mmio.save() == before


@pytest.mark.parametrize(
    ("driver", "own"), [(balloon_driver(), 0b011011), (block_driver(), 0b110111001010100)]
)
def test_the_device_offers_what_it_does_and_nothing_else(driver: Driver, own: int) -> None:
    """The feature words are the device's own bits and those of ring and transport; higher words are 0."""
    assert offered(driver) == OFFERED_BY_ALL | own


@given(st.integers(0, (1 << 64) - 1))
def test_any_subset_with_version_1_is_accepted_and_again_after_a_reset(choice: int) -> None:
    """FEATURES_OK stays for every choice of offered features, also the second time (a resume does that)."""
    driver = balloon_driver()
    features = offered(driver) & choice | F_VERSION_1
    assert driver.negotiate(features)
    assert driver.negotiate(features)


@given(st.sets(st.integers(0, 127), min_size=1))
def test_a_feature_that_was_not_offered_is_refused(bits: set[int]) -> None:
    """FEATURES_OK stays clear for a bit that the device did not offer, and DRIVER_OK with it."""
    driver = balloon_driver()
    asked = F_VERSION_1 | sum(1 << bit for bit in bits)
    assert driver.negotiate(asked) == (asked & ~offered(driver) == 0)
    if driver.read(VIRTIO_MMIO_STATUS) == S_DRIVER:
        driver.write(VIRTIO_MMIO_STATUS, S_DRIVER_OK)
        assert driver.read(VIRTIO_MMIO_STATUS) == S_DRIVER


def test_a_legacy_driver_is_refused() -> None:
    """Without VERSION_1 there is no FEATURES_OK."""
    assert not balloon_driver().negotiate(OFFERED_BY_ALL & ~F_VERSION_1)


def test_features_are_final_once_they_are_accepted() -> None:
    """A write to DriverFeatures after FEATURES_OK changes nothing."""
    driver = balloon_driver()
    assert driver.negotiate(F_VERSION_1)
    before = driver.slot.mmio.save()
    for word in range(4):
        driver.write(VIRTIO_MMIO_DRIVER_FEATURES_SEL, word)
        driver.write(VIRTIO_MMIO_DRIVER_FEATURES, 0xFFFF_FFFF)
    assert driver.slot.mmio.save() == before | {"driver_features_sel": 3}


@given(
    st.lists(st.sampled_from((0, 1, 3, 0xB, 0xF, 4, 8, 0x80, 0x81, 0x40, 0xFF, 0x10, 1 << 31)), max_size=12)
)
def test_status_only_grows_until_a_reset(writes: list[int]) -> None:
    """A write sets no bit that it does not name, clears none, and no step comes before the one it needs.

    So it is without VIRTIO_F_SUSPEND; with it a driver can go back and forth at the end.
    """
    driver = balloon_driver()
    driver.negotiate(F_VERSION_1)
    status = S_FEATURES_OK
    for value in writes:
        driver.write(VIRTIO_MMIO_STATUS, value)
        now = driver.read(VIRTIO_MMIO_STATUS)
        if value == 0:
            assert now == 0
        else:
            assert now & status == status
            assert now & ~(status | value) == 0
            assert now & ~VIRTIO_CONFIG_S_FAILED in (0, 1, 3, S_FEATURES_OK, S_DRIVER_OK)
        status = now


def test_all_steps_can_come_in_one_write() -> None:
    """A driver that writes 0xf after choosing its features is up, one that writes DRIVER_OK alone is not."""
    driver = balloon_driver()
    driver.write(VIRTIO_MMIO_STATUS, 4)
    assert driver.read(VIRTIO_MMIO_STATUS) == 0
    driver.write(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1)
    driver.write(VIRTIO_MMIO_DRIVER_FEATURES, 1)
    driver.write(VIRTIO_MMIO_STATUS, S_DRIVER_OK)
    assert driver.read(VIRTIO_MMIO_STATUS) == S_DRIVER_OK


def test_failed_can_come_at_any_time_and_initialization_goes_on() -> None:
    """Linux sets FAILED again after the reset of a restore, and then goes through the steps."""
    driver = balloon_driver()
    failed = VIRTIO_CONFIG_S_FAILED
    driver.write(VIRTIO_MMIO_STATUS, failed | VIRTIO_CONFIG_S_ACKNOWLEDGE)
    driver.write(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1)
    driver.write(VIRTIO_MMIO_DRIVER_FEATURES, 1)
    driver.write(VIRTIO_MMIO_STATUS, failed | S_FEATURES_OK)
    assert driver.read(VIRTIO_MMIO_STATUS) == failed | S_FEATURES_OK


def test_an_event_stays_in_interrupt_status_until_it_is_acknowledged() -> None:
    """The wire is high while a bit is set; acknowledging one event leaves the other."""
    balloon = Balloon()
    driver = Driver(Slot(balloon))
    driver.start()
    wire = driver.slot.wire
    assert not wire.level
    driver.submit(0, [Buffer(RAM_BASE, 4)])
    balloon.set_target(7)
    both = VIRTIO_MMIO_INT_VRING | VIRTIO_MMIO_INT_CONFIG
    assert driver.read(VIRTIO_MMIO_INTERRUPT_STATUS) == both
    driver.write(VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_VRING)
    assert driver.read(VIRTIO_MMIO_INTERRUPT_STATUS) == VIRTIO_MMIO_INT_CONFIG
    assert wire.level
    driver.write(VIRTIO_MMIO_INTERRUPT_ACK, 0xFFFF_FFFF)
    assert driver.read(VIRTIO_MMIO_INTERRUPT_STATUS) == 0
    assert not wire.level


def test_a_reset_takes_everything_back_at_once() -> None:
    """After a write of 0 to Status nothing of the driver is left: rings, interrupts, work that waited."""
    driver = balloon_driver()
    fresh = driver.slot.mmio.save()
    driver.start()
    driver.submit(0, [Buffer(RAM_BASE, 4)])
    ring = driver.rings[0]
    ring.make_available(ring.chain([Buffer(RAM_BASE, 4)]))
    driver.write(0x50, 0)
    assert driver.slot.mmio.pending
    driver.reset()
    assert not driver.slot.wire.level
    assert not driver.slot.mmio.pending
    assert {**driver.slot.mmio.save(), "device": None} == {**fresh, "device": None}
    before = driver.memory.ram.copy()
    driver.slot.mmio.service()
    assert (driver.memory.ram == before).all()
    for index in range(2):
        driver.write(VIRTIO_MMIO_QUEUE_SEL, index)
        assert driver.read(VIRTIO_MMIO_QUEUE_READY) == 0


def test_the_host_is_called_for_what_it_should_look_at() -> None:
    """Notifications, status and configuration writes kick; other registers do not."""
    driver = balloon_driver()
    slot = driver.slot
    driver.start()
    slot.kicks = 0
    driver.write(VIRTIO_MMIO_QUEUE_SEL, 1)
    driver.write(VIRTIO_MMIO_INTERRUPT_ACK, 3)
    assert slot.kicks == 0
    driver.write(0x50, 0)
    driver.write(VIRTIO_MMIO_STATUS, S_DRIVER_OK)
    driver.write(VIRTIO_MMIO_CONFIG + 4, 1)
    assert slot.kicks == 3
