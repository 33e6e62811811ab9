"""Linux and the toy kernel hibernate on QEMU, as they do here, and an image of Linux's crosses over."""

import errno
from pathlib import Path

import pytest

from hv.config import Disk, MachineConfig
from hv.machine import Machine
from hv.shell import GuestShell
from tests.harness.guest import make_disk
from tests.harness.guests import QemuGuest, linux, toy
from tests.harness.kit import find_kit

pytestmark = [pytest.mark.peers, pytest.mark.campaign]

TARGET = 8192


@pytest.fixture(params=["toy", "linux"])
def guest(request: pytest.FixtureRequest) -> QemuGuest:
    """A kernel for QEMU."""
    return toy() if request.param == "toy" else linux(find_kit())


def sleep(guest: QemuGuest, disk: Path) -> int | str:
    """Hibernate on QEMU with a balloon; return the fingerprint of the touched pages."""
    with guest.machine(disk) as qemu:
        guest.boot(qemu)
        for line in guest.swap:
            qemu.console.shell(line)
        fingerprint = qemu.console.shell(guest.touch)["fingerprint"]
        qemu.set_balloon(TARGET)
        qemu.wait_balloon(TARGET)
        qemu.console.send(f"{guest.hibernate}\n")
        assert qemu.wait_exit() == 0
    return fingerprint


def test_a_cycle_on_qemu(guest: QemuGuest, tmp_path: Path) -> None:
    """Memory comes back; the balloon stays empty until the host sets its target, and then fills."""
    disk = make_disk(tmp_path / "swap.img", guest.ram // 2 + (16 << 20))
    fingerprint = sleep(guest, disk)
    with guest.machine(disk) as qemu:
        qemu.console.wait_for_prompt()
        assert qemu.query_balloon() == 0
        qemu.set_balloon(TARGET)
        qemu.wait_balloon(TARGET)
        assert qemu.console.shell(guest.verify)["fingerprint"] == fingerprint


def test_no_swap_on_qemu(guest: QemuGuest) -> None:
    """The hibernation fails with ENODEV, and the balloon is as large as it was."""
    with guest.machine(None) as qemu:
        guest.boot(qemu)
        qemu.set_balloon(TARGET)
        qemu.wait_balloon(TARGET)
        status = -errno.ENODEV if guest.name == "toy" else 1
        qemu.console.shell(guest.hibernate, status)
        qemu.wait_balloon(TARGET)


def test_an_image_that_linux_wrote_on_qemu_resumes_here(tmp_path: Path) -> None:
    """Memory is intact, the balloon goes to its target; QEMU's disk had features that ours lacks."""
    kit = find_kit()
    disk = make_disk(tmp_path / "swap.img", 320 << 20)
    guest = linux(kit)
    fingerprint = sleep(guest, disk)
    config = MachineConfig(
        ram=guest.ram,
        kernel=kit.kernel,
        initrd=kit.initrd,
        append=guest.append,
        disks=(Disk(disk, slot=0),),
        balloon=TARGET,
    )
    with Machine(config) as machine:
        shell = GuestShell(machine)
        shell.wait_for_prompt()
        assert shell.command("workload").values["fingerprint"] == fingerprint
        balloon = machine.balloon
        assert balloon is not None
        machine.run(machine.now_ns + 10**10, until=lambda: balloon.actual_pages == TARGET)
        assert balloon.actual_pages == TARGET
        assert shell.command("dmesg | grep -c 'device refuses features'").lines[-1] == "1"
