"""Hibernation of the toy guest: what comes back, what is refused, and what a failure leaves."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hv import board, books
from hv.hibernate import thaw, write_host_image
from hv.machine import Machine, StopReason
from tests.harness.guest import Guest, booted, config, make_disk

RAM_MIB = 64
DISK = 80 * board.MIB
TOUCH = 3000
TARGET = 4000


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A blank disk that an image fits on."""
    return make_disk(tmp_path / "swap.img", DISK)


@contextmanager
def working(disk: Path | None, append: str = "", swap: bool = True) -> Iterator[Guest]:
    """A guest with swap, touched memory and an inflated balloon."""
    with booted(config(RAM_MIB, disk, append)) as guest:
        if swap:
            guest.type("mkswap")
            guest.type("swapon")
        guest.type(f"touch {TOUCH}")
        guest.inflate(TARGET)
        yield guest


def asleep(disk: Path, append: str = "") -> None:
    """Leave an image of a working guest on the disk."""
    with working(disk, append) as guest:
        guest.type_last("hibernate", StopReason.POWEROFF)


@contextmanager
def woken(disk: Path, append: str = "", balloon: int = TARGET) -> Iterator[Guest]:
    """A fresh machine over the same disk, at the resumed guest's prompt."""
    with Machine(config(RAM_MIB, disk, append, balloon)) as machine:
        guest = Guest(machine)
        guest.wait_for_line("PM: resumed from vda")
        guest.boot()
        yield guest


def judge(guest: Guest, label: str) -> list[books.Finding]:
    """Compare both sides' books now."""
    return list(books.balance([books.take(label, guest.machine, guest)]))


def intact(guest: Guest) -> None:
    """The touched pages are all there and right."""
    found = guest.type("verify")
    assert (found.number("touched_pages"), found.number("bad_pages")) == (TOUCH, 0)


def test_e4_goes_back_to_the_target(disk: Path) -> None:
    """The modern policy: empty at freeze, at the host's target again after resume, and nothing leaks."""
    with working(disk) as guest:
        before = books.take("before", guest.machine, guest)
        balloon = guest.machine.balloon
        assert balloon is not None
        guest.type_last("hibernate", StopReason.POWEROFF)
        assert balloon.counters.deflated_pages == TARGET
        assert balloon.actual_pages == 0
    with woken(disk) as guest:
        guest.wait_for_balloon()
        intact(guest)
        assert list(books.balance([before, books.take("resumed", guest.machine, guest)])) == []


def test_e0_asks_nothing_back_and_leaks_the_balloon(disk: Path) -> None:
    """The seed: no deflate request before power-off, and after resume the balloon's pages are nobody's."""
    with working(disk, "balloon.policy=e0") as guest:
        before = books.take("before", guest.machine, guest)
        balloon = guest.machine.balloon
        assert balloon is not None
        guest.type_last("hibernate", StopReason.POWEROFF)
        assert balloon.counters.deflate_requests == 0
        assert balloon.actual_pages == TARGET
    with woken(disk, "balloon.policy=e0", balloon=0) as guest:
        intact(guest)
        after = books.take("resumed", guest.machine, guest)
    assert after.guest.num_pages == after.guest.offline == after.host.ballooned == 0
    assert after.guest.totalram == before.guest.totalram + TARGET
    assert after.guest.kernel - before.guest.kernel == pytest.approx(TARGET, abs=books.SLACK_PAGES)
    assert any("leaked" in finding.text for finding in books.balance([before, after]))


@pytest.mark.parametrize("policy", ["e4", "e0"])
def test_without_swap_it_fails_and_thaws(policy: str) -> None:
    """The seed's own test, swapoff and S4: -ENODEV, the balloon at its target, both sides agree."""
    with working(None, f"balloon.policy={policy}", swap=False) as guest:
        guest.type("hibernate", status=-19)
        guest.wait_for_balloon()
        intact(guest)
        assert judge(guest, "thawed") == []


def test_too_little_swap_fails_and_thaws(tmp_path: Path) -> None:
    """A swap area that cannot hold the image: -ENOSPC, nothing lost, and a smaller image fits afterwards."""
    with working(make_disk(tmp_path / "small.img", 8 * board.MIB)) as guest:
        guest.type("hibernate", status=-28)
        guest.wait_for_balloon()
        intact(guest)
        assert judge(guest, "thawed") == []
        guest.type("release")
        guest.type_last("hibernate", StopReason.POWEROFF)


def test_twice_in_a_row(disk: Path) -> None:
    """A resumed guest hibernates and resumes again, and its clock never goes back."""
    asleep(disk)
    with woken(disk) as guest:
        guest.wait_for_balloon()
        first = guest.type("uptime").values["uptime"]
        guest.type_last("hibernate", StopReason.POWEROFF)
    with woken(disk) as guest:
        guest.wait_for_balloon()
        intact(guest)
        assert judge(guest, "resumed twice") == []
        assert float(guest.type("uptime").values["uptime"]) > float(first)


def test_an_image_resumes_once(disk: Path) -> None:
    """The mark is taken off before the image runs: the next boot is a fresh one."""
    asleep(disk)
    with woken(disk):
        pass
    with booted(config(RAM_MIB, disk)) as guest:
        assert guest.type("mem").number("touched_pages") == 0


def test_a_damaged_image_boots_fresh(disk: Path) -> None:
    """A flipped bit anywhere in the image: a message and a fresh boot, never a wrong resume."""
    asleep(disk)
    image = disk.read_bytes()
    used = [at for at in range(0, len(image), board.PAGE_SIZE) if any(image[at : at + board.PAGE_SIZE])]
    places = [4096 - 10, used[1] + 5, used[2] + 100, used[len(used) // 2] + 2000, used[-2] + 7, used[-1] + 1]
    for place in places:
        damaged = bytearray(image)
        damaged[place] ^= 0x10
        disk.write_bytes(damaged)
        with booted(config(RAM_MIB, disk)) as guest:
            said = guest.machine.console.text()
            assert "resumed" not in said, f"bit flipped at byte {place}"
            assert "PM: " in said
            assert guest.type("mem").number("touched_pages") == 0


def test_another_ram_size_is_refused(disk: Path) -> None:
    """An image of a 64 MiB machine does not resume on 96 MiB: a message and a fresh boot."""
    asleep(disk)
    with booted(config(96, disk)) as guest:
        assert guest.type("mem").number("touched_pages") == 0


def test_a_truncated_swap_disk_boots_fresh(disk: Path) -> None:
    """A disk that lost its end while the machine was off gives a message and a fresh boot."""
    asleep(disk)
    with disk.open("r+b") as file:
        file.truncate(4 * board.MIB)
    with booted(config(RAM_MIB, disk)) as guest:
        assert guest.type("mem").number("touched_pages") == 0


def test_the_host_image_carries_it_too(tmp_path: Path) -> None:
    """A guest resumes twice from one host image, with fresh devices, memory and balloon right."""
    image = tmp_path / "guest.s4"
    with working(None, swap=False) as guest:
        guest.type_last("hibernate platform", StopReason.HIBERNATE)
        write_host_image(guest.machine, image)
    for _ in range(2):
        with thaw(image, config(RAM_MIB, balloon=TARGET)) as machine:
            guest = Guest(machine)
            guest.wait_for_line("PM: resumed from platform")
            guest.boot()
            guest.wait_for_balloon()
            intact(guest)
            assert judge(guest, "thawed") == []


def test_no_queue_is_touched_while_the_machine_sleeps(disk: Path) -> None:
    """The freezer holds the balloon's work: a target set in the freeze moves no page until the thaw."""
    with working(disk) as guest:
        balloon = guest.machine.balloon
        assert balloon is not None
        guest.machine.console.watch("Freezing remaining freezable tasks")
        guest.machine.uart.receive(b"hibernate\n")
        guest.machine.run(guest.machine.now_ns + 10**9, until=lambda: guest.machine.console.match is not None)
        inflated = balloon.counters.inflated_pages
        guest.machine.set_balloon_target(2 * TARGET)
        stop = guest.machine.run(guest.machine.now_ns + 10**10)
        guest.expect(stop.reason, StopReason.POWEROFF)
        assert balloon.counters.inflated_pages == inflated
    with woken(disk, balloon=2 * TARGET) as guest:
        guest.wait_for_balloon()
        intact(guest)
