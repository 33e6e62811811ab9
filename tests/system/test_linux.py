"""Debian's Linux as a guest: an unmodified kernel, by the command that a user types and through the API."""

import errno
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from devices.virtio.balloon import ALL_FEATURES, BalloonAnomalies
from hv import board, images
from hv.config import MachineConfig
from hv.ledger import Ledger
from hv.linux.kit import Kit
from hv.machine import Machine
from hv.modules import symbols_of
from hv.scenario import LinuxGuest, World
from hv.shell import GuestShell
from hv.stop import StopReason
from tests.harness.terminal import Terminal, terminal

pytestmark = pytest.mark.campaign

CTRL_C = "\x03"
SECOND = 10**9


def config(kit: Kit, bios: Path = images.FIRMWARE) -> MachineConfig:
    """Return the machine that most tests boot."""
    return MachineConfig(
        ram=512 * board.MIB,
        bios=bios,
        kernel=kit.kernel,
        initrd=kit.initrd,
        virtio_console=True,
        rng_seed=1,
    )


def expect_shell(screen: Terminal) -> None:
    """Wait for Linux's prompt."""
    screen.expect(r"~ # ")


def test_a_session_at_a_terminal(kit: Kit) -> None:
    """One command boots to a shell; typing, Ctrl-C and poweroff do what they do everywhere."""
    with terminal("linux", "run", "--dir", kit.folder) as screen:
        expect_shell(screen)
        screen.type("uname -sr\r")
        screen.expect(r"^Linux 6\.12\.")
        expect_shell(screen)
        screen.type("echo begun; sleep 1000\r")
        screen.expect("^begun")
        screen.type(CTRL_C)
        expect_shell(screen)
        screen.type("poweroff\r")
        screen.expect("reboot: Power down")
        assert screen.wait() == 0


@pytest.mark.parametrize("firmware", ["ours", "opensbi"])
def test_both_firmwares(kit: Kit, firmware: str) -> None:
    """Linux finds every device through our firmware and through OpenSBI, and can switch off."""
    with Machine(config(kit, images.FIRMWARE if firmware == "ours" else kit.opensbi)) as machine:
        shell = GuestShell(machine, machine.channel)
        assert shell.wait_for_prompt().reason is StopReason.CONDITION
        drivers = shell.command(
            "for device in /sys/bus/virtio/devices/*; do basename $(readlink $device/driver); done"
        )
        assert sorted(drivers.lines) == ["virtio_balloon", "virtio_console", "virtio_rng"]
        assert shell.command("grep -c firmware /proc/iomem").status == 1  # it is not the kernel's memory
        assert shell.command("head -c 4 /dev/hwrng | wc -c").lines == ("4",)
        assert shell.command("poweroff -f").stop.reason is StopReason.POWEROFF


def test_functions_of_modules_have_names(kit: Kit) -> None:
    """An address in a module gets the name that Linux itself gives it, and so do the frames of a request."""
    with Machine(config(kit)) as machine:
        ledger = Ledger(machine)
        shell = GuestShell(machine, machine.channel)
        shell.wait_for_prompt()
        listed = [
            line.split() for line in shell.command("grep ' [tT] .*virtio_balloon]' /proc/kallsyms").lines
        ]
        symbols = symbols_of((machine.config.bios, machine.config.kernel), machine.hart, machine.memory)
        addresses = {name: int(address, 16) for address, _, name, _ in listed}
        for name in ("tell_host", "virtballoon_freeze", "virtballoon_restore", "update_balloon_size_func"):
            function = symbols.function(addresses[name] + 2)
            assert function is not None
            assert (function.name, function.offset) == (name, 2)
        assert machine.balloon is not None
        machine.set_balloon_target(300)
        machine.run(machine.now_ns + 10 * SECOND, until=lambda: machine.balloon.actual_pages == 300)
        frames = [symbols.function(frame.address) for frame in ledger.log.requests[-1].frames]
        names = [function.name for function in frames if function is not None]
    assert len(names) == len(frames)
    assert {"tell_host", "update_balloon_size_func", "process_one_work"} <= set(names)


def test_two_boots_are_one(kit: Kit) -> None:
    """Two machines with the same inputs end at the same virtual time with the same RAM."""
    ends = []
    for _ in range(2):
        with Machine(config(kit)) as machine:
            GuestShell(machine, machine.channel).wait_for_prompt()
            ends.append((machine.now_ns, machine.ram_sha256(), machine.console.text()))
    assert ends[0] == ends[1]


def test_a_snapshot_goes_on(kit: Kit) -> None:
    """A fork of a running Linux answers as the machine that it was taken of."""
    with Machine(config(kit)) as machine:
        shell = GuestShell(machine, machine.channel)
        shell.wait_for_prompt()
        with machine.fork() as fork:
            answers = [
                GuestShell(each, each.channel)
                .command("head -c 32 /dev/hwrng | md5sum; cat /proc/uptime")
                .lines
                for each in (machine, fork)
            ]
            assert answers[0] == answers[1]
            assert (machine.now_ns, machine.ram_sha256()) == (fork.now_ns, fork.ram_sha256())


@pytest.mark.usefixtures("kit")
@pytest.mark.parametrize("mib", [256, 512, 2048])
def test_linux_hibernates_with_a_balloon(mib: int) -> None:
    """Memory comes back intact from swap, and the balloon goes to the target that the host kept."""
    with World("e3", guest=LinuxGuest) as world:
        world.ram = mib * board.MIB
        run = world.start(touch=1000, target=mib * board.MIB // board.PAGE_SIZE // 4)
        run.hibernate()
        assert run.balloon.counters.deflated_pages == world.target  # today's driver gives all back at freeze
        run = world.next()
        run.until_target()
        run.verify()
        run.balance("resumed")
    assert world.journal.findings == []


@pytest.mark.usefixtures("kit")
def test_linux_without_swap_stays_up() -> None:
    """The hibernation fails, and the balloon, which the freeze has emptied, fills again."""
    with World("e3", guest=LinuxGuest) as world:
        world.disk = None
        run = world.start(touch=1000, target=65536)
        run.hibernate_fails(-errno.ENODEV)
        run.until_target()
        run.verify()
        run.balance("thawed")
        counters = replace(run.balloon.counters)
    assert world.journal.findings == []
    assert (counters.inflated_pages, counters.deflated_pages) == (2 * 65536, 65536)


@pytest.mark.parametrize(
    "parts", [{"legacy_virtio": True}, {"balloon_features": ALL_FEATURES}], ids=["legacy", "all features"]
)
def test_linux_takes_what_is_offered(kit: Kit, parts: dict[str, Any]) -> None:
    """On the legacy interface, and with every balloon feature, pages come and go and no request is odd."""
    with Machine(replace(config(kit), **parts)) as machine:
        balloon = machine.balloon
        assert balloon is not None
        shell = GuestShell(machine, machine.channel)
        shell.wait_for_prompt()
        for target in (20000, 0):
            machine.set_balloon_target(target)
            machine.run(
                machine.now_ns + 10 * SECOND, until=lambda: balloon.actual_pages == balloon.target_pages
            )
            assert int(balloon.ballooned.sum()) == target
        shell.command("fill_pages 1000; release_pages; sleep 5")
        assert (balloon.counters.reported_pages > 0) == ("balloon_features" in parts)
        assert balloon.anomalies == BalloonAnomalies()
