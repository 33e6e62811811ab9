"""MMIO Device Register Layout: identity, interrupts, configuration generation, queues that are not ready."""

from devices.virtio.constants import (
    VIRTIO_MMIO_CONFIG_GENERATION,
    VIRTIO_MMIO_DEVICE_ID,
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
    VIRTIO_MMIO_SHM_SEL,
    VIRTIO_MMIO_VERSION,
)
from hv.conformance.driver import F_VERSION_1, Driver
from hv.conformance.dut import DEVICES
from hv.conformance.marks import clauses
from hv.conformance.ring import Ring


@clauses("C175", interface="both")
def test_the_magic_value_is_virt(driver: Driver) -> None:
    """MagicValue is 0x74726976, and DeviceID says what the device is."""
    assert driver.read(VIRTIO_MMIO_MAGIC_VALUE) == 0x74726976
    assert driver.read(VIRTIO_MMIO_DEVICE_ID) == DEVICES[driver.device]


@clauses("C176")
def test_the_version_is_2(driver: Driver) -> None:
    """A modern device's Version is 2."""
    assert driver.read(VIRTIO_MMIO_VERSION) == 2


@clauses("C027", interface="legacy")
def test_a_legacy_devices_version_is_1(driver: Driver) -> None:
    """A legacy device's Version is 1."""
    assert driver.read(VIRTIO_MMIO_VERSION) == 1


@clauses("C177", "C178", interface="both")
def test_a_used_buffer_shows_until_it_is_acknowledged(driver: Driver) -> None:
    """Bit 0 of InterruptStatus, and that alone, stands from a used buffer to its acknowledgement."""
    driver.start()
    assert driver.read(VIRTIO_MMIO_INTERRUPT_STATUS) == 0
    assert driver.serves()
    for _ in range(2):  # reading takes nothing back
        assert driver.read(VIRTIO_MMIO_INTERRUPT_STATUS) == VIRTIO_MMIO_INT_VRING
        assert driver.dut.irq()
    driver.write(VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_VRING)
    assert driver.read(VIRTIO_MMIO_INTERRUPT_STATUS) == 0
    assert not driver.dut.irq()


@clauses("C177", "C178", device="balloon", interface="both")
def test_events_are_acknowledged_one_by_one(driver: Driver) -> None:
    """A configuration change is bit 1; acknowledging one event leaves the other, and the line high."""
    driver.start()
    driver.dut.set_target(5)
    assert driver.read(VIRTIO_MMIO_INTERRUPT_STATUS) == VIRTIO_MMIO_INT_CONFIG
    assert driver.serves()
    assert driver.read(VIRTIO_MMIO_INTERRUPT_STATUS) == VIRTIO_MMIO_INT_CONFIG | VIRTIO_MMIO_INT_VRING
    driver.write(VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_VRING)
    assert driver.read(VIRTIO_MMIO_INTERRUPT_STATUS) == VIRTIO_MMIO_INT_CONFIG
    assert driver.dut.irq()
    driver.write(VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_CONFIG)
    assert driver.read(VIRTIO_MMIO_INTERRUPT_STATUS) == 0
    assert not driver.dut.irq()


@clauses("C177")
def test_acknowledging_other_events_takes_nothing_back(driver: Driver) -> None:
    """InterruptACK clears the bits that are written, and no others."""
    driver.start()
    assert driver.serves()
    driver.write(VIRTIO_MMIO_INTERRUPT_ACK, 0xFFFF_FFFF & ~VIRTIO_MMIO_INT_VRING)
    assert driver.read(VIRTIO_MMIO_INTERRUPT_STATUS) == VIRTIO_MMIO_INT_VRING
    assert driver.dut.irq()


@clauses("C178", interface="both")
def test_nothing_is_pending_on_a_device_that_did_nothing(driver: Driver) -> None:
    """Initialization, and a notification without a buffer, are no events."""
    assert driver.read(VIRTIO_MMIO_INTERRUPT_STATUS) == 0
    driver.start()
    driver.notify(0)
    assert driver.read(VIRTIO_MMIO_INTERRUPT_STATUS) == 0
    assert not driver.dut.irq()


@clauses("C181", device="balloon")
def test_the_generation_changes_with_the_configuration(driver: Driver) -> None:
    """ConfigGeneration is another after num_pages changed, and the same while nothing changes."""
    driver.start()
    before = driver.read(VIRTIO_MMIO_CONFIG_GENERATION)
    assert driver.config(0) == 0
    assert driver.read(VIRTIO_MMIO_CONFIG_GENERATION) == before
    driver.dut.set_target(9)
    assert driver.config(0) == 9
    assert driver.read(VIRTIO_MMIO_CONFIG_GENERATION) != before


def contents(driver: Driver, ring: Ring) -> bytes:
    """Return a ring's memory."""
    return driver.dut.read_memory(ring.desc, ring.end - ring.desc)


@clauses("C182")
def test_a_queue_that_was_never_ready_is_not_touched(driver: Driver) -> None:
    """With sizes and addresses but QueueReady 0 a queue's chain is not served, whatever is notified."""
    assert driver.negotiate(F_VERSION_1)
    ring = Ring(driver.dut, driver.take(4096), 16)
    driver.set_layout(0, 16, ring.desc, ring.avail, ring.used)
    driver.status = driver.working
    ring.make_available(ring.chain(driver.request()[1]))
    before = contents(driver, ring)
    driver.notify(0)
    assert contents(driver, ring) == before, "the device touched a queue that is not ready"
    assert driver.read(VIRTIO_MMIO_INTERRUPT_STATUS) == 0


@clauses("C182")
def test_a_queue_that_was_taken_away_is_not_touched(driver: Driver) -> None:
    """After 0 was written to QueueReady it reads 0, and a chain made available then is not served."""
    driver.start()
    assert driver.serves()
    ring = driver.rings[0]
    driver.write(VIRTIO_MMIO_QUEUE_SEL, 0)
    driver.write(VIRTIO_MMIO_QUEUE_READY, 0)
    assert driver.read(VIRTIO_MMIO_QUEUE_READY) == 0
    ring.make_available(ring.chain(driver.request()[1]))
    before = contents(driver, ring)
    driver.notify(0)
    assert contents(driver, ring) == before, "the device touched a queue that is not ready"


@clauses("C052")
def test_there_is_no_shared_memory(driver: Driver) -> None:
    """No region of shared memory exists: length and base of each read all ones."""
    words = (
        VIRTIO_MMIO_SHM_LEN_LOW,
        VIRTIO_MMIO_SHM_LEN_HIGH,
        VIRTIO_MMIO_SHM_BASE_LOW,
        VIRTIO_MMIO_SHM_BASE_HIGH,
    )
    for region in (0, 1, 255):
        driver.write(VIRTIO_MMIO_SHM_SEL, region)
        assert [driver.read(word) for word in words] == [0xFFFF_FFFF] * 4
