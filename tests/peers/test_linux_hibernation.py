"""An image that Linux wrote on QEMU, on a QEMU that is as much like our machine as it can be."""

from pathlib import Path

import pytest

from hv import board
from hv.config import Disk, MachineConfig
from hv.images import FIRMWARE
from hv.linux.kit import Kit
from hv.machine import Machine
from hv.shell import GuestShell
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


def sleep(kit: Kit, disk: Path) -> int | str:
    """Hibernate on QEMU with a balloon; return the fingerprint of the touched pages."""
    with Qemu(
        FIRMWARE, kit.kernel, RAM, append=APPEND, initrd=kit.initrd, disk=disk, arguments=LIKE_OURS
    ) as qemu:
        console = qemu.console
        console.expect("~ # ")
        console.send("exec /bin/channel\n")
        console.wait_for_prompt()
        console.shell("mkswap /dev/vda")
        console.shell("swapon /dev/vda")
        fingerprint = console.shell("fill_pages 1000")["fingerprint"]
        qemu.set_balloon(TARGET)
        qemu.wait_balloon(TARGET)
        console.send("echo shutdown >/sys/power/disk; echo disk >/sys/power/state\n")
        assert qemu.wait_exit() == 0
    return fingerprint


def test_an_image_that_linux_wrote_on_qemu_resumes_here(tmp_path: Path) -> None:
    """Memory is intact, the balloon goes to its target; QEMU's disk had features that ours lacks."""
    kit = find_kit()
    disk = make_disk(tmp_path / "swap.img", 320 << 20)
    fingerprint = sleep(kit, disk)
    config = MachineConfig(
        ram=RAM,
        kernel=kit.kernel,
        initrd=kit.initrd,
        append=APPEND,
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
