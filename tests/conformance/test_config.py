"""Device Configuration Space: what can be read before the features are agreed."""

from devices.virtio.constants import VIRTIO_BALLOON_F_PAGE_POISON, VIRTIO_CONFIG_S_ACKNOWLEDGE
from hv.conformance.driver import S_DRIVER, Driver
from hv.conformance.dut import CAPACITY
from hv.conformance.marks import clauses

TARGET = 0x0123


@clauses("C041", device="balloon", interface="both")
def test_the_target_can_be_read_before_the_features_are_agreed(driver: Driver) -> None:
    """num_pages, set before there was a driver, reads the same before, during and after initialization."""
    driver.dut.set_target(TARGET)
    seen = [driver.config(0)]
    for status in (VIRTIO_CONFIG_S_ACKNOWLEDGE, S_DRIVER):
        driver.status = status
        seen.append(driver.config(0))
    driver.start()
    assert [*seen, driver.config(0)] == [TARGET] * 4


@clauses("C041", device="block", interface="both")
def test_the_capacity_can_be_read_before_the_features_are_agreed(driver: Driver) -> None:
    """The capacity reads the same before, during and after initialization."""
    seen = [driver.config(0)]
    for status in (VIRTIO_CONFIG_S_ACKNOWLEDGE, S_DRIVER):
        driver.status = status
        seen.append(driver.config(0))
    driver.start()
    assert [*seen, driver.config(0)] == [CAPACITY] * 4
    assert driver.config(4) == 0


@clauses("C042", device="block", interface="both")
def test_fields_of_offered_features_can_be_read_early(driver: Driver) -> None:
    """seg_max, geometry, blk_size and topology, of offered features, read early what they read later."""
    early = [driver.config(at) for at in (12, 16, 20, 24)]
    features = driver.require(2, 4, 6, 10)
    driver.start(features)
    assert [driver.config(at) for at in (12, 16, 20, 24)] == early
    assert early[0] > 0
    assert early[2] == 512


@clauses("C042", device="block", interface="both")
def test_limits_of_discard_and_write_zeroes_can_be_read_early(driver: Driver) -> None:
    """The most sectors and ranges, of DISCARD and WRITE_ZEROES, read early what they read later."""
    limits = (36, 40, 48, 52)
    early = [driver.config(at) for at in limits]
    driver.start(driver.require(13, 14))
    assert [driver.config(at) for at in limits] == early
    assert 0 not in early


@clauses("C041", device="balloon", interface="both")
def test_the_hosts_fields_are_not_the_drivers_to_write(driver: Driver) -> None:
    """num_pages and free_page_hint_cmd_id read what the host set, whatever a driver wrote there."""
    driver.dut.set_target(TARGET)
    driver.start(driver.offered())
    before = driver.config(0), driver.config(8)
    for offset in (0, 8):
        driver.write_config(offset, 0x0777)
    assert (driver.config(0), driver.config(8)) == before == (TARGET, 0)
    driver.write_config(4, 1)
    assert driver.config(0) == TARGET


@clauses("C041", interface="both")
def test_bytes_words_and_halves_agree(driver: Driver) -> None:
    """A field reads the same in accesses of one, two and four bytes."""
    whole = driver.config(0)
    assert driver.config(0, 2) | driver.config(2, 2) << 16 == whole
    assert sum(driver.config(at, 1) << 8 * at for at in range(4)) == whole


@clauses("C042", device="balloon", interface="both")
def test_the_poison_can_be_read_early(driver: Driver) -> None:
    """poison_val, which PAGE_POISON brings, reads early what an earlier driver wrote, or 0."""
    features = driver.require(VIRTIO_BALLOON_F_PAGE_POISON)
    driver.start(features)
    driver.write_config(12, 0xAAAA_AAAA)
    assert driver.config(12) == 0xAAAA_AAAA
    driver.reset()
    early = driver.config(12)
    driver.start(features)
    assert driver.config(12) == early
    assert early in (0, 0xAAAA_AAAA)
