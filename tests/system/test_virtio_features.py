"""The guest's virtio core takes what it is offered, and does without what it is not."""

import re
from pathlib import Path

import pytest

from devices.virtio.constants import (
    VIRTIO_F_IN_ORDER,
    VIRTIO_F_NOTIFICATION_DATA,
    VIRTIO_F_RING_RESET,
    VIRTIO_F_SUSPEND,
    VIRTIO_F_VERSION_1,
    VIRTIO_RING_F_EVENT_IDX,
    VIRTIO_RING_F_INDIRECT_DESC,
)
from hv import board
from hv.config import Disk, MachineConfig
from hv.stop import StopReason
from tests.harness.guest import Guest, booted, make_disk

RAM = 64 * board.MIB
TARGET = 3000

DECLINABLE = (
    VIRTIO_RING_F_INDIRECT_DESC,
    VIRTIO_RING_F_EVENT_IDX,
    VIRTIO_F_IN_ORDER,
    VIRTIO_F_NOTIFICATION_DATA,
    VIRTIO_F_RING_RESET,
    VIRTIO_F_SUSPEND,
)
COMMON = sum(1 << bit for bit in (*DECLINABLE, VIRTIO_F_VERSION_1))


def negotiated(guest: Guest) -> list[int]:
    """The common feature bits of each device, as the guest's driver has them."""
    lines = "\n".join(guest.type("virtio").lines)
    return [int(bits, 16) & COMMON for bits in re.findall(r"features (\w+)", lines)]


def a_day(disk: Path, append: str, legacy: bool = False) -> list[int]:
    """Balloon and disk at work, a nap, a hibernation and a resume; return the feature bits of each device."""
    make_disk(disk, RAM // 2 + board.MIB)
    config = MachineConfig(
        ram=RAM, disks=(Disk(disk, slot=0),), append=append, balloon=TARGET, legacy_virtio=legacy
    )
    with booted(config) as guest:
        bits = negotiated(guest)
        guest.wait_for_balloon()
        guest.type("suspend 10")
        guest.type("mkswap")
        guest.type("swapon")
        guest.type("touch 1000")
        guest.inflate(TARGET // 2)
        guest.inflate(TARGET)
        guest.type_last("hibernate", StopReason.POWEROFF)
    with booted(config) as guest:
        assert "PM: resumed from vda" in guest.machine.console.text()
        assert guest.type("verify").number("bad_pages") == 0
        guest.wait_for_balloon()
        assert negotiated(guest) == bits
    return bits


@pytest.mark.parametrize("declined", [(), *((bit,) for bit in DECLINABLE), DECLINABLE], ids=str)
def test_what_is_declined_is_done_without(declined: tuple[int, ...], tmp_path: Path) -> None:
    """Each common feature, and all of them, can be declined: the guest lives through a day all the same."""
    append = f"virtio.features_off={','.join(map(str, declined))}"
    left = COMMON & ~sum(1 << bit for bit in declined)
    assert a_day(tmp_path / "disk", append) == [left, left]


def test_the_legacy_interface(tmp_path: Path) -> None:
    """On version 1 only two of them exist, and everything works."""
    left = 1 << VIRTIO_RING_F_INDIRECT_DESC | 1 << VIRTIO_RING_F_EVENT_IDX
    assert a_day(tmp_path / "disk", "", legacy=True) == [left, left]


def test_version_1_cannot_be_declined() -> None:
    """The argument is refused with a clear line, and the bits before it count."""
    config = MachineConfig(ram=RAM, append=f"virtio.features_off={VIRTIO_F_IN_ORDER},{VIRTIO_F_VERSION_1}")
    with booted(config) as guest:
        assert '"32": not a bit that can be declined' in guest.machine.console.text()
        assert negotiated(guest) == [COMMON & ~(1 << VIRTIO_F_IN_ORDER)]
