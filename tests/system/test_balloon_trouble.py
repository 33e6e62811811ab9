"""A balloon device that falls silent, changes its mind, its features or its place: nothing is lost."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from devices.virtio.balloon import Balloon
from devices.virtio.block import Block
from devices.virtio.device import VirtioDevice
from devices.virtio.mmio import VirtioMmio
from hv import board, books
from hv.config import Disk
from hv.machine import Machine
from hv.misbehave import fault
from hv.stop import StopReason
from tests.harness.guest import SECOND, Guest, booted, config, make_disk
from tests.system.hibernation import (
    RAM_MIB,
    TARGET,
    TOUCH,
    asleep,
    balloon_of,
    intact,
    judge,
    resumed,
    woken,
    working,
)

TIMEDOUT = -110
ENODEV = -19


@contextmanager
def silence(guest: Guest) -> Iterator[None]:
    """The device answers nothing and forgets who called; afterwards it works, but only when it is called."""
    guest.machine.misbehave(fault("balloon:silent"))
    yield
    guest.machine.behave()


def settle(guest: Guest) -> None:
    """Let the driver find out that its device answers again."""
    guest.wait_for_line("answers again")
    guest.wait_for_balloon()
    assert judge(guest, "answering again") == []


# ---- silence ----


@pytest.mark.parametrize("policy", ["e4", "e3", "e1"])
def test_silent_at_freeze(policy: str, disk: Path) -> None:
    """No used buffer: a timeout is reported, the guest thaws with nothing lost, and later it hibernates."""
    with working(disk, f"balloon.policy={policy}") as guest:
        before = books.take("before", guest.machine, guest)
        with silence(guest):
            guest.type("hibernate", status=TIMEDOUT)
            assert "no answer to deflate for 5 s" in guest.machine.console.text()
            intact(guest)
            assert judge(guest, "silent") == []  # the open request counts as not made on either side
        settle(guest)
        assert list(books.balance([before, books.take("after", guest.machine, guest)])) == []
        guest.type_last("hibernate", StopReason.POWEROFF)
    with woken(disk) as guest:
        guest.wait_for_balloon()
        intact(guest)


def test_silent_under_the_boot_kernel(disk: Path) -> None:
    """A boot kernel with a balloon of its own waits for the host rather than giving the image up."""
    asleep(disk)
    with Machine(config(RAM_MIB, disk, "resumedelay=1", TARGET)) as machine:
        machine.misbehave(fault("balloon:silent=12s@1s"))
        guest = resumed(machine)
        assert "no answer to deflate for 5 s" in machine.console.text()
        guest.wait_for_balloon()
        intact(guest)
        assert judge(guest, "resumed") == []


@pytest.mark.parametrize("policy", ["e0", "discard"])
def test_silent_in_mid_inflation_when_the_queues_go(policy: str) -> None:
    """A freeze that deletes the queues voids a request that was never acknowledged: it has not happened."""
    with working(None, f"balloon.policy={policy}", swap=False) as guest:
        with silence(guest):
            guest.machine.set_balloon_target(2 * TARGET)
            guest.wait_for_line("no answer to inflate for 5 s")
            assert guest.type("balloon").number("num_pages") > TARGET
            guest.machine.set_balloon_target(TARGET)
            guest.type("hibernate", status=ENODEV)
            assert judge(guest, "thawed") == []
        guest.inflate(2 * TARGET)
        intact(guest)
        assert judge(guest, "inflated") == []


@pytest.mark.parametrize("target", [TARGET // 2, 2 * TARGET])
def test_silent_for_a_while(target: int) -> None:
    """A device that missed its notification is reminded: the balloon goes on where it was."""
    with working(None, swap=False) as guest:
        with silence(guest):
            guest.machine.set_balloon_target(target)
            guest.machine.run(guest.machine.now_ns + 13 * SECOND)
            assert guest.machine.console.text().count("no answer to") == 1
            intact(guest)
        settle(guest)
        assert balloon_of(guest).anomalies.double_inflates == balloon_of(guest).anomalies.stray_deflates == 0


@pytest.mark.campaign
@pytest.mark.parametrize("kind", [Balloon, Block])
def test_a_reset_that_does_not_end(
    kind: type[VirtioDevice], disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device that does not finish its reset keeps its queues, and the hibernation is off."""
    reset = VirtioMmio.reset

    def stubborn(transport: VirtioMmio) -> None:
        if not isinstance(transport.device, kind):
            reset(transport)

    with working(disk) as guest:
        with monkeypatch.context() as patch:
            patch.setattr(VirtioMmio, "reset", stubborn)
            guest.type("hibernate", status=TIMEDOUT)
            assert "device does not finish its reset" in guest.machine.console.text()
            intact(guest)
        guest.wait_for_balloon()
        assert judge(guest, "thawed") == []
        guest.type_last("hibernate", StopReason.POWEROFF)
    with woken(disk) as guest:
        intact(guest)


# ---- the host changes its mind ----


@pytest.mark.parametrize("policy", ["e0", "e1", "e4"])
@pytest.mark.parametrize("target", [0, 2 * TARGET])
@pytest.mark.parametrize(
    "line",
    ["hibernation entry", "Freezing remaining", "Creating image", "Not enough free swap", "hibernation exit"],
)
def test_a_target_that_moves_in_a_failing_hibernation(
    policy: str, target: int, line: str, tmp_path: Path
) -> None:
    """Before, in and after freeze, in thaw: when it is over the balloon is where the host wants it."""
    with working(make_disk(tmp_path / "small.img", 8 * board.MIB), f"balloon.policy={policy}") as guest:
        guest.machine.uart.receive(b"hibernate\n")
        guest.wait_for_line(line)
        guest.machine.set_balloon_target(target)
        guest.wait_for_line(r"^thaw:-28> $")
        guest.wait_for_balloon()
        intact(guest)
        assert judge(guest, "thawed") == []


@pytest.mark.parametrize("policy", ["e0", "e1", "e3", "e4", "discard"])
@pytest.mark.parametrize("target", [0, TARGET // 2, 2 * TARGET])
def test_a_target_that_moved_while_the_machine_was_off(policy: str, target: int, disk: Path) -> None:
    """The resumed guest goes to what the new host wants, not to what the old one wanted."""
    asleep(disk, f"balloon.policy={policy}")
    with woken(disk, f"balloon.policy={policy}", balloon=target) as guest:
        guest.wait_for_balloon()
        intact(guest)
        assert judge(guest, "resumed") == []


# ---- another device ----


def refused(machine: Machine, said: str) -> None:
    """The guest says so, its memory is intact, and it does not claim to have given a page."""
    guest = resumed(machine)
    console = machine.console.text()
    assert said in console
    assert "restore failed with error -19" in console
    assert "a device did not come back" in console
    intact(guest)
    mem, balloon = guest.type("mem"), guest.type("balloon")
    assert mem.number("offline_pages") == balloon.number("num_pages") == 0
    if machine.balloon is not None:
        assert not machine.balloon.ballooned.any()
    guest.type("release")
    guest.type(f"touch {TOUCH + TARGET}")
    guest.type("verify")


@pytest.mark.parametrize("policy", ["e0", "e1", "e3", "e4", "discard"])
def test_features_withdrawn(policy: str, disk: Path) -> None:
    """A host without MUST_TELL_HOST refuses the features that were agreed on: clear words, clean books."""
    append = f"balloon.policy={policy}"
    asleep(disk, append)
    with Machine(replace(config(RAM_MIB, disk, append, TARGET), balloon_features=frozenset())) as machine:
        refused(machine, "device does not offer features")


@pytest.mark.parametrize("policy", ["e0", "e4"])
@pytest.mark.parametrize(("balloon", "slot"), [(None, 1), (TARGET, 3)], ids=["no balloon", "in another slot"])
def test_the_device_is_not_in_its_place(policy: str, balloon: int | None, slot: int, disk: Path) -> None:
    """No device where the image's kernel had one: clear words, clean books; back in its place, it works."""
    append = f"balloon.policy={policy}"
    asleep(disk, append)
    here = config(RAM_MIB, disk, append, TARGET)
    elsewhere = replace(here, balloon=balloon, balloon_slot=slot)
    with Machine(elsewhere) as machine:
        refused(machine, "no device in its place")
        guest = Guest(machine)
        guest.type_last("hibernate", StopReason.POWEROFF)
    with woken(disk, append) as guest:
        guest.wait_for_balloon()
        assert judge(guest, "back in its place") == []


def test_a_disk_in_another_slot(disk: Path) -> None:
    """The boot kernel finds the image, the image's kernel no disk: it says so and lives without."""
    asleep(disk)
    moved = replace(config(RAM_MIB, disk, balloon=TARGET), disks=(Disk(disk, slot=2),))
    with Machine(moved) as machine:
        guest = resumed(machine)
        assert "no device in its place" in machine.console.text()
        guest.wait_for_balloon()
        intact(guest)
        guest.type("mkswap", status=-16)
        guest.type("hibernate", status=-5)
        guest.wait_for_balloon()
        intact(guest)
        assert judge(guest, "without a disk") == []


def test_a_device_that_never_had_the_feature() -> None:
    """Without MUST_TELL_HOST from the start nothing was agreed on: the guest tells all the same."""
    with booted(replace(config(RAM_MIB), balloon_features=frozenset())) as guest:
        for target in (TARGET, 0):
            guest.inflate(target)
            assert judge(guest, "at the target") == []
        assert balloon_of(guest).counters.deflated_pages == TARGET
