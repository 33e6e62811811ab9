"""The block device: features, cache, ranges that are cleared, and requests that only zoned disks know."""

import struct

import pytest

from devices.virtio.constants import (
    VIRTIO_BLK_F_CONFIG_WCE,
    VIRTIO_BLK_F_DISCARD,
    VIRTIO_BLK_F_FLUSH,
    VIRTIO_BLK_F_WRITE_ZEROES,
    VIRTIO_BLK_S_OK,
    VIRTIO_BLK_S_UNSUPP,
    VIRTIO_BLK_T_DISCARD,
    VIRTIO_BLK_T_IN,
    VIRTIO_BLK_T_OUT,
    VIRTIO_BLK_T_WRITE_ZEROES,
    VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP,
    VIRTIO_CONFIG_S_ACKNOWLEDGE,
)
from hv.conformance.driver import F_VERSION_1, S_DRIVER, Driver
from hv.conformance.marks import clauses
from hv.conformance.ring import Buffer

SECTOR = 512
OLD = b"\xaa" * SECTOR
UNMAP = VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP
WRITEBACK = 32
ZONED = 17
ZONE_REQUESTS = (15, 16, 18, 20, 22, 24, 26)


def ask(driver: Driver, kind: int, data: bytes = b"", sector: int = 0) -> int:
    """Make a request that brings data, and return its status."""
    header = driver.put(struct.pack("<IIQ", kind, 0, sector) + data)
    status = driver.put(b"\xff")
    driver.submit(0, [Buffer(header, 16 + len(data)), Buffer(status, 1, True)])
    return driver.dut.read_memory(status, 1)[0]


def clear(driver: Driver, kind: int, sector: int, sectors: int, flags: int = 0) -> int:
    """Ask for a range to be discarded or zeroed, and return the status."""
    return ask(driver, kind, struct.pack("<QII", sector, sectors, flags))


def contents(driver: Driver, sector: int) -> bytes:
    """Read a sector."""
    header = driver.put(struct.pack("<IIQ", VIRTIO_BLK_T_IN, 0, sector))
    data, status = driver.take(SECTOR), driver.put(b"\xff")
    driver.submit(0, [Buffer(header, 16), Buffer(data, SECTOR, True), Buffer(status, 1, True)])
    assert driver.dut.read_memory(status, 1)[0] == VIRTIO_BLK_S_OK
    return driver.dut.read_memory(data, SECTOR)


@clauses("C290", device="block", interface="both")
def test_a_disk_can_be_flushed(driver: Driver) -> None:
    """FLUSH is offered."""
    assert driver.offered() >> VIRTIO_BLK_F_FLUSH & 1


@clauses("C291", device="block", interface="both")
def test_a_cache_that_can_be_chosen_can_be_flushed(driver: Driver) -> None:
    """A disk that offers CONFIG_WCE offers FLUSH."""
    assert driver.require(VIRTIO_BLK_F_CONFIG_WCE)
    assert driver.offered() >> VIRTIO_BLK_F_FLUSH & 1


@clauses("C292", device="block")
def test_who_cannot_flush_is_written_through(driver: Driver) -> None:
    """With CONFIG_WCE and without FLUSH `writeback` is 0 when the features are agreed."""
    assert driver.negotiate(F_VERSION_1 | driver.require(VIRTIO_BLK_F_CONFIG_WCE))
    assert driver.config(WRITEBACK, 1) == 0


@clauses("C293", device="block", interface="both")
def test_padding_is_zero(driver: Driver) -> None:
    """unused0 and unused1 read 0, whatever was negotiated."""
    driver.start(driver.offered())
    assert [driver.config(at, 1) for at in (33, 57, 58, 59)] == [0, 0, 0, 0]


@clauses("C294", device="block", interface="both")
def test_a_disk_without_zones_is_not_zoned(driver: Driver) -> None:
    """ZONED is not offered: the disk under test has no zones."""
    assert not driver.offered() >> ZONED & 1


@clauses("C295", device="block", interface="legacy")
@pytest.mark.parametrize("mode", [0, 1])
def test_no_step_of_a_legacy_driver_changes_the_cache(driver: Driver, mode: int) -> None:
    """`writeback` that was chosen before the first status bit is the same behind the last one."""
    features = driver.require(VIRTIO_BLK_F_CONFIG_WCE)
    driver.reset()
    driver.write_config(WRITEBACK, mode, 1)
    driver.accept(features)
    for status in (VIRTIO_CONFIG_S_ACKNOWLEDGE, S_DRIVER, driver.working):
        driver.status = status
        assert driver.config(WRITEBACK, 1) == mode, f"status {status:#x} changed the cache's mode"


@clauses("C296", device="block", interface="legacy")
def test_no_feature_of_a_legacy_driver_changes_the_cache(driver: Driver) -> None:
    """`writeback` stays what it is when CONFIG_WCE is chosen without FLUSH, and when both are dropped."""
    features = driver.require(VIRTIO_BLK_F_CONFIG_WCE)
    driver.status = S_DRIVER
    before = driver.config(WRITEBACK, 1)
    for chosen in (features, 0, features | 1 << VIRTIO_BLK_F_FLUSH):
        driver.accept(chosen)
        assert driver.config(WRITEBACK, 1) == before, f"features {chosen:#x} changed the cache's mode"


@clauses("C298", device="block", interface="both")
@pytest.mark.parametrize("flags", [2, 1 << 31, UNMAP | 4], ids=hex)
def test_flags_that_nobody_knows_are_not_supported(driver: Driver, flags: int) -> None:
    """Discard and write zeroes with such a flag are UNSUPP."""
    driver.start(driver.require(VIRTIO_BLK_F_DISCARD, VIRTIO_BLK_F_WRITE_ZEROES))
    for kind in (VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES):
        assert clear(driver, kind, 0, 1, flags) == VIRTIO_BLK_S_UNSUPP


@clauses("C299", device="block", interface="both")
def test_a_discard_cannot_unmap(driver: Driver) -> None:
    """Discard with `unmap`, which is for write zeroes, is UNSUPP."""
    driver.start(driver.require(VIRTIO_BLK_F_DISCARD))
    assert clear(driver, VIRTIO_BLK_T_DISCARD, 0, 1, UNMAP) == VIRTIO_BLK_S_UNSUPP


@clauses("C300", "C301", "C302", device="block", interface="both")
@pytest.mark.parametrize("flags", [0, UNMAP], ids=["kept", "unmapped"])
def test_zeroed_sectors_read_zero(driver: Driver, flags: int) -> None:
    """Sectors that were zeroed, deallocated or not, read zero; those beside them are what they were."""
    driver.start(driver.require(VIRTIO_BLK_F_DISCARD, VIRTIO_BLK_F_WRITE_ZEROES))
    assert ask(driver, VIRTIO_BLK_T_OUT, OLD * 8, 8) == VIRTIO_BLK_S_OK
    assert clear(driver, VIRTIO_BLK_T_WRITE_ZEROES, 9, 5, flags) == VIRTIO_BLK_S_OK
    assert clear(driver, VIRTIO_BLK_T_DISCARD, 32, 8) == VIRTIO_BLK_S_OK
    assert [contents(driver, sector) for sector in range(8, 16)] == [
        OLD if sector in (8, 14, 15) else bytes(SECTOR) for sector in range(8, 16)
    ]


@clauses("C305", device="block", interface="both")
@pytest.mark.parametrize("kind", ZONE_REQUESTS)
def test_requests_for_zones_are_not_supported(driver: Driver, kind: int) -> None:
    """Without ZONED a request of the zoned kind is UNSUPP, and the disk serves on."""
    driver.start()
    assert ask(driver, kind) == VIRTIO_BLK_S_UNSUPP
    assert driver.serves()
