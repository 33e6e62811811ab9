"""Feature Bits: what a device may offer, and how it answers what a driver chooses."""

from devices.virtio.constants import VIRTIO_CONFIG_S_FEATURES_OK, VIRTIO_F_VERSION_1, VIRTIO_RING_F_EVENT_IDX
from hv.conformance.driver import F_VERSION_1, S_DRIVER, Driver
from hv.conformance.marks import clauses

DESCRIBED = {
    "balloon": range(6),
    "block": (1, 2, 4, 5, 6, 9, 10, 11, 12, 13, 14, 15, 16, 17),
}
"""Feature bits of each device type."""

RING_AND_TRANSPORT = (28, 29, 32, 33, 34, 35, 36, 38, 40, 43)
"""Reserved feature bits that a device over MMIO can support: neither SR_IOV (37), nor NOTIF_CONFIG_DATA (39)
and ADMIN_VQ (41), which need PCI."""

LEGACY = {"balloon": (24, 27, 28, 29, 30), "block": (0, 7, 24, 27, 28, 29, 30)}
"""Bits that are a legacy device's besides: NOTIFY_ON_EMPTY, ANY_LAYOUT, UNUSED; a disk's BARRIER and SCSI."""

REQUIRED = {"balloon": {}, "block": {11: 9}}
"""Feature -> the feature that it requires: CONFIG_WCE is about the cache that FLUSH flushes."""


def bits(features: int) -> list[int]:
    """Return the numbers of the bits that are set."""
    return [bit for bit in range(128) if features >> bit & 1]


@clauses("C019", interface="both")
def test_features_come_with_what_they_require(driver: Driver) -> None:
    """No feature is offered without the one that it requires; all beyond bit 31 require VERSION_1."""
    offered = driver.offered()
    for feature, required in REQUIRED[driver.device].items():
        assert not offered >> feature & 1 or offered >> required & 1
    assert not offered >> 32 or offered >> VIRTIO_F_VERSION_1 & 1


@clauses("C022", interface="both")
def test_only_described_features_are_offered(driver: Driver) -> None:
    """Every offered bit is one that the specification describes for this type or for every device."""
    general = LEGACY[driver.device] if driver.legacy else range(24, 50)
    known = {*DESCRIBED[driver.device], *general}
    assert [bit for bit in bits(driver.offered()) if bit not in known] == []


@clauses("C023", "C107")
def test_no_feature_of_another_transport_is_offered(driver: Driver) -> None:
    """Reserved bits, and those that need PCI, SR_IOV among them, are not offered over MMIO."""
    allowed = {*DESCRIBED[driver.device], *RING_AND_TRANSPORT}
    assert [bit for bit in bits(driver.offered()) if bit not in allowed] == []


@clauses("C020")
def test_any_subset_of_the_features_will_do(driver: Driver) -> None:
    """No feature, each alone, all but each, and all: the device takes the set and works with it."""
    offered = driver.offered() & ~F_VERSION_1
    single = [1 << bit for bit in bits(offered)]
    for chosen in (0, *single, *(offered & ~bit for bit in single), offered):
        assert driver.negotiate(chosen | F_VERSION_1), f"the device refuses {chosen:#x}"
        driver.set_up_queues()
        driver.status = driver.working
        assert driver.serves(), f"the device does not work with {chosen:#x}"


@clauses("C021")
def test_a_feature_that_was_not_offered_is_refused(driver: Driver) -> None:
    """FEATURES_OK stays clear when the driver chose a bit beyond the offered ones."""
    offered = driver.offered()
    for stranger in (23, 37, 41, 63, 100):
        if not offered >> stranger & 1:
            assert not driver.negotiate(F_VERSION_1 | 1 << stranger), f"the device takes bit {stranger}"
            assert driver.status == S_DRIVER


@clauses("C021")
def test_a_refused_driver_can_choose_again(driver: Driver) -> None:
    """After FEATURES_OK was refused, a reset and a valid choice make a working device."""
    driver.negotiate(1 << 41)
    driver.start()
    assert driver.serves()


@clauses("C024", interface="both")
def test_accepted_features_are_accepted_again(driver: Driver) -> None:
    """What was negotiated once is taken again after a reset of the device, and of the machine."""
    features = driver.offered()
    driver.start(features)
    assert driver.serves()
    driver.reset()
    driver.start(features)
    assert driver.serves()
    driver.dut.host_reset()
    assert driver.status == 0
    driver.start(features)
    assert driver.serves()


@clauses("C100")
def test_version_1_is_offered(driver: Driver) -> None:
    """A device of the modern interface offers VIRTIO_F_VERSION_1."""
    assert driver.offered() & F_VERSION_1


@clauses("C101")
def test_a_driver_without_version_1_is_refused_or_served(driver: Driver) -> None:
    """Without VERSION_1 FEATURES_OK stays clear; or the driver is served as a legacy one."""
    if driver.negotiate(0):
        driver.set_up_queues()
        driver.status = driver.working
        assert driver.serves()
    else:
        assert not driver.status & VIRTIO_CONFIG_S_FEATURES_OK


@clauses("C022")
def test_feature_words_beyond_the_last_are_empty(driver: Driver) -> None:
    """Bits from 64 on are for no device of these types: those words offer nothing, nor do words beyond."""
    words = (2, 3, 4, 5, 0x100, 0xFFFF_FFFF)
    assert {word: driver.feature_word(word) for word in words} == dict.fromkeys(words, 0)


@clauses("C021")
def test_features_are_final_once_they_are_agreed(driver: Driver) -> None:
    """What is written to DriverFeatures after FEATURES_OK changes nothing that was agreed."""
    late = driver.require(VIRTIO_RING_F_EVENT_IDX)
    assert driver.negotiate(F_VERSION_1)
    driver.accept(F_VERSION_1 | late)
    driver.set_up_queues()
    driver.status = driver.working
    driver.accept(1 << 41)
    assert driver.status == driver.working
    driver.rings[0].set_used_event(100)
    for _ in range(3):
        assert driver.serves()
        assert driver.interrupts(), "the device heeds used_event without EVENT_IDX"


@clauses("C026", "C027", "C029", interface="legacy")
def test_a_legacy_driver_is_served(driver: Driver) -> None:
    """A device of the legacy interface offers no VERSION_1, has no FEATURES_OK, serves a legacy ring."""
    assert not driver.feature_word(1) & F_VERSION_1 >> 32
    driver.start()
    assert not driver.status & VIRTIO_CONFIG_S_FEATURES_OK
    assert driver.serves()
