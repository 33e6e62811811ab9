"""One S4 image, two machines: hibernate here or on QEMU, resume here or on QEMU, from the same disk."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hv import board
from hv.images import FIRMWARE, GUEST
from hv.machine import Machine
from hv.stop import StopReason
from tests.harness.guest import Guest, booted, config, make_disk
from tests.harness.qemu import Qemu

pytestmark = pytest.mark.peers

RAM_MIB = 96
TOUCH = 4000
TARGET = 6000

Fingerprint = int | str


LESS = "gpio_keys.off virtio.features_off=0,3,35,38,43"
"""What QEMU's board and devices have not: an image is resumed only with all that its kernel had agreed on."""


def sleep_here(disk: Path) -> Fingerprint:
    """Boot our machine, touch, inflate, hibernate to the disk; return the touched pages' fingerprint."""
    with booted(config(RAM_MIB, disk, LESS)) as guest:
        guest.type("mkswap")
        guest.type("swapon")
        fingerprint = guest.type(f"touch {TOUCH}").values["fingerprint"]
        guest.inflate(TARGET)
        guest.type_last("hibernate", StopReason.POWEROFF)
    return fingerprint


def sleep_on_qemu(disk: Path) -> Fingerprint:
    """Do the same on QEMU, the target set through QMP."""
    with Qemu(FIRMWARE, GUEST, RAM_MIB * board.MIB, disk=disk) as qemu:
        qemu.console.wait_for_prompt()
        qemu.console.shell("mkswap")
        qemu.console.shell("swapon")
        fingerprint = qemu.console.shell(f"touch {TOUCH}")["fingerprint"]
        qemu.set_balloon(TARGET)
        qemu.wait_balloon(TARGET)
        qemu.console.send("hibernate\n")
        assert qemu.wait_exit() == 0
    return fingerprint


def wake_here(disk: Path) -> dict[str, int | str]:
    """Resume on our machine, the host's target kept; return what the guest finds."""
    with Machine(config(RAM_MIB, disk, balloon=TARGET)) as machine:
        guest = Guest(machine)
        guest.wait_for_line("PM: resumed from vda")
        guest.wait_for_balloon()
        guest.boot()
        return guest.type("balloon").values | guest.type("verify").values


def wake_on_qemu(disk: Path) -> dict[str, int | str]:
    """Resume on QEMU, the target set again through QMP; return what the guest finds."""
    with Qemu(FIRMWARE, GUEST, RAM_MIB * board.MIB, disk=disk) as qemu:
        qemu.console.expect("PM: resumed from vda")
        qemu.console.wait_for_prompt()
        qemu.set_balloon(TARGET)
        qemu.wait_balloon(TARGET)
        return qemu.console.shell("balloon") | qemu.console.shell("verify")


@pytest.mark.parametrize("wake", [wake_here, wake_on_qemu])
@pytest.mark.parametrize("sleep", [sleep_here, sleep_on_qemu])
def test_an_image_resumes_on_either_machine(
    sleep: Callable[[Path], Fingerprint], wake: Callable[[Path], dict[str, int | str]], tmp_path: Path
) -> None:
    """Touched memory comes back intact and the balloon to its target, whoever wrote the image."""
    disk = make_disk(tmp_path / "swap.img", (RAM_MIB + 16) * board.MIB)
    fingerprint = sleep(disk)
    found = wake(disk)
    assert found["fingerprint"] == fingerprint
    assert (found["touched_pages"], found["bad_pages"]) == (TOUCH, 0)
    assert found["num_pages"] == found["actual_pages"] == TARGET
