"""Whole machines into host images and out of them: what is kept, and which disks it is kept for."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hv import board
from hv.config import Disk, MachineConfig
from hv.errors import ImageError
from hv.hibernate import thaw, write_host_image
from hv.hostimage.format import Header
from hv.machine import Machine
from hv.shell import GuestShell
from hv.stop import StopReason

RAM = 64 * board.MIB
TARGET = 4096
"""Pages of balloon."""


@contextmanager
def booted(config: MachineConfig) -> Iterator[tuple[Machine, GuestShell]]:
    """Run a guest up to its prompt, with its balloon at the target."""
    with Machine(config) as machine:
        shell = GuestShell(machine)
        shell.wait_for_prompt()
        balloon = machine.balloon
        assert balloon is not None
        stop = machine.run(machine.now_ns + 10**10, until=lambda: balloon.actual_pages == config.balloon)
        assert stop.reason is StopReason.CONDITION
        yield machine, shell


def hibernate(config: MachineConfig, image: Path) -> tuple[Header, object]:
    """Boot, touch 4 MiB, hibernate into an image; return its header and the touched pages' fingerprint."""
    with booted(config) as (machine, shell):
        fingerprint = shell.command("touch 4M").values["fingerprint"]
        assert shell.command("hibernate platform").stop.reason is StopReason.HIBERNATE
        return write_host_image(machine, image), fingerprint


def verify(machine: Machine) -> object:
    """Let a thawed guest resume; return the fingerprint of its touched pages."""
    with machine:
        shell = GuestShell(machine)
        shell.wait_for_prompt()
        reply = shell.command("verify")
        assert reply.values["bad_pages"] == 0
        return reply.values["fingerprint"]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Where the image goes."""
    return tmp_path / "guest.thaw"


@pytest.mark.parametrize(("policy", "ballooned"), [("e0", TARGET), ("e4", 0)])
def test_what_the_host_has_is_not_in_the_image(image: Path, policy: str, ballooned: int) -> None:
    """A guest that sleeps inflated (e0) leaves its balloon out of the image; e4 deflates first."""
    config = MachineConfig(ram=RAM, balloon=TARGET, append=f"balloon.policy={policy}")
    header, fingerprint = hibernate(config, image)
    assert header.pages_ballooned == ballooned
    assert header.pages_saved + header.pages_ballooned + header.pages_zero == RAM // board.PAGE_SIZE
    assert verify(thaw(image, config)) == fingerprint


def test_an_image_belongs_to_its_disks_contents(image: Path, tmp_path: Path) -> None:
    """An image thaws over its disk or a copy of it, any number of times, and over no disk written since."""
    disk = tmp_path / "disk"
    disk.write_bytes(b"once" * 4096)
    config = MachineConfig(ram=RAM, balloon=0, disks=(Disk(disk),))
    _, fingerprint = hibernate(config, image)
    assert verify(thaw(image, config)) == fingerprint
    disk.write_bytes(b"else" * 4096)
    with pytest.raises(ImageError, match=r"contents of disk 0: .*; put its copy of then back"):
        thaw(image, config)
    moved = tmp_path / "moved"
    moved.write_bytes(b"once" * 4096)
    for _ in range(2):  # also: neither a refused thaw nor a finished one keeps the disk locked
        assert verify(thaw(image, MachineConfig(ram=RAM, balloon=0, disks=(Disk(moved),)))) == fingerprint


def test_an_image_belongs_to_its_machine(image: Path) -> None:
    """A machine with less RAM, or without the balloon's device, cannot take the image."""
    config = MachineConfig(ram=RAM, balloon=0)
    hibernate(config, image)
    with pytest.raises(
        ImageError, match=r"bytes of RAM: 67108864 when it was written, 33554432 now; give -m 64M"
    ):
        thaw(image, MachineConfig(ram=board.RAM_MIN, balloon=0))
    with pytest.raises(ImageError, match="device ids in slots"):
        thaw(image, MachineConfig(ram=RAM, balloon=None))
    with pytest.raises(ImageError, match="legacy virtio-mmio: False when it was written, True now"):
        thaw(image, MachineConfig(ram=RAM, balloon=0, legacy_virtio=True))
