"""Images that Linux wrote cross from QEMU to our machine and back, and from ours to QEMU."""

from pathlib import Path

import pytest

from devices.virtio.balloon import DEFAULT_FEATURES
from devices.virtio.constants import VIRTIO_F_NOTIFICATION_DATA
from hv import board
from hv.config import Disk, MachineConfig
from hv.images import FIRMWARE
from hv.linux.kit import Kit
from hv.machine import Machine
from hv.misbehave import fault
from hv.shell import GuestShell
from hv.stop import StopReason
from tests.harness.guest import make_disk
from tests.harness.kit import find_kit
from tests.harness.qemu import Qemu

pytestmark = [pytest.mark.peers, pytest.mark.campaign]

RAM = 512 * board.MIB
TARGET = 8192

LIKE_OURS = (
    "-cpu",
    "rv64,h=false,sstc=false," + ",".join(f"{name}=false" for name in ("zba", "zbb", "zbc", "zbs")),
)
"""A hart with no more instructions than ours, so that Linux patches none into its code."""

APPEND = "no_console_suspend loglevel=4 resume=/dev/vda no4lvl initcall_blacklist=gen_pci_driver_init"
"""Sv39, and no PCI host bridge: our board has none, and a resumed driver would look for it."""

CHANNEL = "exec /bin/channel"
"""A shell that GuestShell can talk to."""

SWAP = ("mkswap /dev/vda", "swapon /dev/vda")
FILL, VERIFY = "fill_pages 1000", "workload"
HIBERNATE = "echo shutdown >/sys/power/disk; echo disk >/sys/power/state"

USE_DISK = (
    "swapoff /dev/vda",
    "dd if=/dev/urandom of=/tmp/there bs=64k count=64",
    "dd if=/tmp/there of=/dev/vda bs=64k seek=1000 conv=fsync",
    "echo 3 >/proc/sys/vm/drop_caches",
    "dd if=/dev/vda of=/tmp/back bs=64k skip=1000 count=64 && cmp -s /tmp/there /tmp/back",
    "blkdiscard -o 65536000 -l 4194304 /dev/vda",
    "rm /tmp/there /tmp/back",
    *SWAP,
)
"""Write, flush, read and discard on a disk that is in use as swap, and use it so again."""


def on_qemu(kit: Kit, disk: Path) -> Qemu:
    """Power on a QEMU that is as much like our machine as it can be."""
    return Qemu(FIRMWARE, kit.kernel, RAM, append=APPEND, initrd=kit.initrd, disk=disk, arguments=LIKE_OURS)


def here(kit: Kit, disk: Path, append: str, balloon_features: frozenset[str]) -> MachineConfig:
    """Describe our machine."""
    return MachineConfig(
        ram=RAM,
        kernel=kit.kernel,
        initrd=kit.initrd,
        append=append,
        disks=(Disk(disk, slot=0),),
        balloon=TARGET,
        balloon_features=balloon_features,
    )


def use_disk(shell: GuestShell) -> None:
    """Have the guest use its disk."""
    for line in USE_DISK:
        assert shell.command(line).status == 0, line


def power_off(machine: Machine, shell: GuestShell) -> None:
    """Hibernate."""
    shell.enter(HIBERNATE)
    assert machine.run(machine.now_ns + 10**11).reason is StopReason.POWEROFF


def wake_on_qemu(kit: Kit, disk: Path, fingerprint: int | str) -> None:
    """Resume on QEMU: memory and disk are right, and the balloon follows a target."""
    with on_qemu(kit, disk) as qemu:
        qemu.console.wait_for_prompt()
        assert qemu.console.shell(VERIFY)["fingerprint"] == fingerprint
        for line in USE_DISK:
            qemu.console.shell(line)
        qemu.set_balloon(TARGET)
        qemu.wait_balloon(TARGET)


def test_an_image_that_linux_wrote_on_qemu_resumes_here_and_goes_back(tmp_path: Path) -> None:
    """Memory is intact, the balloon goes to its target, the disk works; and so again the other way round."""
    kit = find_kit()
    disk = make_disk(tmp_path / "swap.img", 320 << 20)
    with on_qemu(kit, disk) as qemu:
        qemu.console.expect("~ # ")
        qemu.console.send(f"{CHANNEL}\n")
        qemu.console.wait_for_prompt()
        for line in SWAP:
            qemu.console.shell(line)
        fingerprint = qemu.console.shell(FILL)["fingerprint"]
        qemu.set_balloon(TARGET)
        qemu.wait_balloon(TARGET)
        qemu.console.send(f"{HIBERNATE}\n")
        assert qemu.wait_exit() == 0
    with Machine(here(kit, disk, APPEND, DEFAULT_FEATURES)) as machine:
        shell = GuestShell(machine)
        shell.wait_for_prompt()
        assert shell.command(VERIFY).values["fingerprint"] == fingerprint
        balloon = machine.balloon
        assert balloon is not None
        machine.run(machine.now_ns + 10**10, until=lambda: balloon.actual_pages == TARGET)
        assert balloon.actual_pages == TARGET
        use_disk(shell)
        power_off(machine, shell)
    wake_on_qemu(kit, disk, fingerprint)


def test_an_image_that_linux_wrote_here_resumes_on_qemu(tmp_path: Path) -> None:
    """Memory, disk and balloon are right, if Linux was offered no feature that QEMU's devices lack."""
    kit = find_kit()
    disk = make_disk(tmp_path / "swap.img", 320 << 20)
    config = here(kit, disk, "no_console_suspend resume=/dev/vda", frozenset({"stats"}))
    with Machine(config) as machine:
        for device in ("disk", "balloon"):
            machine.misbehave(fault(f"{device}:features-withdrawn={VIRTIO_F_NOTIFICATION_DATA}"))
        machine.console.watch("~ # $", fresh=True)
        machine.run(10**11, until=lambda: machine.console.match is not None)
        shell = GuestShell(machine)
        shell.enter(CHANNEL)
        shell.wait_for_prompt()
        for line in SWAP:
            assert shell.command(line).status == 0
        fingerprint = shell.command(FILL).values["fingerprint"]
        power_off(machine, shell)
    wake_on_qemu(kit, disk, fingerprint)
