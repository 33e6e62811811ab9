"""A guest at work, asleep and awake again: what the tests of hibernation have in common."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devices.virtio.balloon import Balloon
from hv import board, books
from hv.machine import Machine
from hv.stop import StopReason
from tests.harness.guest import Guest, booted, config

RAM_MIB = 64
DISK = 80 * board.MIB
TOUCH = 3000
TARGET = 4000


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
        yield resumed(machine)


def resumed(machine: Machine) -> Guest:
    """Run a machine to the prompt of the guest that wakes up in it."""
    guest = Guest(machine)
    guest.wait_for_line("PM: resumed from")
    guest.boot()
    return guest


def balloon_of(guest: Guest) -> Balloon:
    """The host's side of the balloon."""
    assert guest.machine.balloon is not None
    return guest.machine.balloon


def judge(guest: Guest, label: str) -> list[books.Finding]:
    """Compare both sides' books now."""
    return list(books.balance([books.take(label, guest.machine, guest)]))


def intact(guest: Guest) -> None:
    """The touched pages are all there and right."""
    found = guest.type("verify")
    assert (found.number("touched_pages"), found.number("bad_pages")) == (TOUCH, 0)
