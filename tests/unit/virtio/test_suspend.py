"""VIRTIO_F_SUSPEND: a device that a driver stops and goes on with (spec: "Device Suspend")."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.virtio.balloon import Balloon
from devices.virtio.constants import (
    VIRTIO_CONFIG_S_FAILED,
    VIRTIO_CONFIG_S_NEEDS_RESET,
    VIRTIO_CONFIG_S_SUSPEND,
    VIRTIO_F_SUSPEND,
    VIRTIO_MMIO_CONFIG,
    VIRTIO_MMIO_CONFIG_GENERATION,
    VIRTIO_MMIO_INT_CONFIG,
    VIRTIO_MMIO_INT_VRING,
    VIRTIO_MMIO_QUEUE_NOTIFY,
    VIRTIO_MMIO_QUEUE_READY,
    VIRTIO_MMIO_QUEUE_SEL,
    VIRTIO_MMIO_STATUS,
)
from hv.conformance.driver import F_VERSION_1, S_DRIVER, S_DRIVER_OK, S_FEATURES_OK
from hv.conformance.dut import RAM_BASE
from hv.conformance.ours import Slot
from hv.conformance.ring import Buffer
from tests.harness.virtio_driver import Driver

F_SUSPEND = 1 << VIRTIO_F_SUSPEND
S_SUSPEND = VIRTIO_CONFIG_S_SUSPEND
S_SUSPENDED = S_FEATURES_OK | S_SUSPEND
NOTHING = [Buffer(RAM_BASE, 4)]
"""A buffer whose one PFN is outside RAM: a request that only comes back."""

ACTUAL = 4


def started(features: int = F_SUSPEND) -> Driver:
    """Return a driver whose balloon is up, and has nothing to tell."""
    driver = Driver(Slot(Balloon()))
    driver.take(4096)  # what the requests point at
    driver.start(features)
    driver.interrupts()
    return driver


def suspended() -> Driver:
    """Return a driver whose balloon is suspended."""
    driver = started()
    driver.status = S_DRIVER_OK | S_SUSPEND
    assert driver.status == S_SUSPENDED
    return driver


def set_target(driver: Driver, pages: int) -> None:
    """Have the host ask for a balloon."""
    balloon = driver.slot.device
    assert isinstance(balloon, Balloon)
    balloon.set_target(pages)


def offer(driver: Driver, index: int = 0) -> None:
    """Make a chain available and notify, without letting the host work."""
    ring = driver.rings[index]
    ring.make_available(ring.chain(NOTHING))
    driver.write(VIRTIO_MMIO_QUEUE_NOTIFY, index)


def test_a_driver_suspends_and_resumes() -> None:
    """SUSPEND takes DRIVER_OK away, DRIVER_OK takes SUSPEND away, and the device serves as before."""
    driver = started()
    driver.submit(0, NOTHING)
    for _ in range(2):
        driver.status = S_DRIVER_OK | S_SUSPEND
        assert driver.status == S_SUSPENDED
        driver.status = S_SUSPENDED
        assert driver.status == S_SUSPENDED
        driver.status = S_DRIVER_OK | S_SUSPEND  # a driver clears no bit
        assert driver.status == S_DRIVER_OK
        driver.submit(0, NOTHING)


@given(st.lists(st.sampled_from((0x10, 0x1B, 0x1F, 0xF, 0xB, 4, 0x14, 0x9F, 0x50)), max_size=12))
def test_a_live_device_goes_back_and_forth(writes: list[int]) -> None:
    """The device is live or suspended, and from each the bit that it lacks leads to the other."""
    driver = started()
    live = True
    for value in writes:
        driver.status = value
        live = bool(value & 4) if not live else not value & S_SUSPEND
        assert driver.status & ~VIRTIO_CONFIG_S_FAILED == (S_DRIVER_OK if live else S_SUSPENDED)


@pytest.mark.parametrize("status", [0, 1, S_DRIVER, S_FEATURES_OK])
def test_suspend_means_nothing_before_the_device_is_up(status: int) -> None:
    """SUSPEND is ignored before DRIVER_OK, also in the write that sets DRIVER_OK."""
    driver = Driver(Slot(Balloon()))
    driver.accept(F_VERSION_1 | F_SUSPEND)
    if status:
        driver.status = status
    driver.status = status | S_SUSPEND
    assert driver.status == status
    driver.status = S_DRIVER_OK | S_SUSPEND
    assert driver.status == S_DRIVER_OK


def test_suspend_needs_its_feature() -> None:
    """Without VIRTIO_F_SUSPEND the bit is ignored."""
    driver = started(0)
    driver.status = S_DRIVER_OK | S_SUSPEND
    assert driver.status == S_DRIVER_OK
    driver.submit(0, NOTHING)


def test_what_was_notified_is_done_first() -> None:
    """Until the buffers are used and the driver was told, DRIVER_OK stays beside SUSPEND."""
    driver = started()
    for index in (0, 1):
        offer(driver, index)
    driver.write(VIRTIO_MMIO_STATUS, S_DRIVER_OK | S_SUSPEND)
    assert driver.status == S_DRIVER_OK | S_SUSPEND
    driver.slot.settle()
    assert driver.status == S_SUSPENDED
    assert [len(driver.rings[index].reap()) for index in (0, 1)] == [1, 1]
    assert driver.interrupts() == VIRTIO_MMIO_INT_VRING


def test_queues_are_left_alone_until_the_driver_resumes() -> None:
    """Notifications of a suspended device wait: no byte of RAM changes, nothing interrupts; then all runs."""
    driver = suspended()
    offer(driver)
    before = driver.memory.ram.copy()
    driver.slot.settle()
    assert not driver.slot.mmio.pending
    assert (driver.memory.ram == before).all()
    assert driver.interrupts() == 0
    driver.status = S_DRIVER_OK
    assert len(driver.rings[0].reap()) == 1
    assert driver.interrupts() == VIRTIO_MMIO_INT_VRING


@given(st.lists(st.integers(0, 3), max_size=3))
def test_the_configuration_space_stands_still(targets: list[int]) -> None:
    """A suspended device shows no change and takes none; the resumed one shows it, and says so once."""
    driver = suspended()
    generation = driver.read(VIRTIO_MMIO_CONFIG_GENERATION)
    for target in targets:
        set_target(driver, target)
        driver.write_config(ACTUAL, 99)
        assert driver.config(0) == driver.config(ACTUAL) == 0
        assert driver.read(VIRTIO_MMIO_CONFIG_GENERATION) == generation
        assert not driver.slot.irq()
    driver.status = S_DRIVER_OK
    changed = driver.slot.device.config_generation != generation
    assert driver.interrupts() == changed * VIRTIO_MMIO_INT_CONFIG
    assert driver.config(0) == (targets[-1] if targets else 0)
    assert driver.config(ACTUAL) == 0
    assert (driver.read(VIRTIO_MMIO_CONFIG_GENERATION) != generation) == changed
    driver.write_config(ACTUAL, 1)
    assert driver.config(ACTUAL) == 1


def test_a_reset_ends_it() -> None:
    """A reset of a suspended device leaves nothing of it behind, and shows the configuration of now."""
    driver = suspended()
    offer(driver)
    set_target(driver, 5)
    driver.reset()
    assert driver.status == 0
    assert driver.config(0) == 5
    assert not driver.slot.mmio.pending
    driver.start(F_SUSPEND)
    assert driver.interrupts() == 0
    driver.submit(0, NOTHING)


def test_a_device_that_breaks_meanwhile_says_so_when_it_resumes() -> None:
    """A queue that cannot work makes a suspended device need a reset; DRIVER_OK brings the notification."""
    driver = suspended()
    driver.write(VIRTIO_MMIO_QUEUE_SEL, 0)
    driver.write(VIRTIO_MMIO_QUEUE_READY, 0)
    driver.set_layout(0, 3, 0, 0, 0)
    driver.write(VIRTIO_MMIO_QUEUE_READY, 1)
    assert driver.status == S_SUSPENDED | VIRTIO_CONFIG_S_NEEDS_RESET
    assert driver.interrupts() == 0
    driver.status = S_DRIVER_OK
    assert driver.status == S_DRIVER_OK | VIRTIO_CONFIG_S_NEEDS_RESET
    assert driver.interrupts() == VIRTIO_MMIO_INT_CONFIG


@pytest.mark.parametrize("settled", [False, True])
def test_a_suspended_device_is_saved_and_goes_on_elsewhere(settled: bool) -> None:
    """Before and after SUSPEND takes effect, a restored device shows and does what the saved one would."""
    driver = started()
    offer(driver)
    driver.write(VIRTIO_MMIO_STATUS, S_DRIVER_OK | S_SUSPEND)
    if settled:
        driver.slot.settle()
        offer(driver)
        set_target(driver, 7)
    other = Slot(Balloon())
    other.memory.ram[:] = driver.memory.ram
    other.mmio.restore(driver.slot.mmio.save())
    for slot in (driver.slot, other):
        slot.settle()
        assert slot.read(VIRTIO_MMIO_CONFIG, 4) == 0
        slot.write(VIRTIO_MMIO_STATUS, 4, S_DRIVER_OK)
        slot.settle()
    assert other.mmio.save() == driver.slot.mmio.save()
    assert (other.memory.ram == driver.memory.ram).all()
    assert other.irq() == driver.slot.irq()
    assert other.read(VIRTIO_MMIO_CONFIG, 4) == 7 * settled
