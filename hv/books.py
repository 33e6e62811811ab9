"""Both sides' books: what the guest says of its pages, what the host knows of them, and whether they agree.

An entry is taken at a moment when the guest stands at its prompt. The guest's figures come from its own
shell (`mem`, `balloon`), the host's from the device model and from the memory itself: neither side is told
the other's. Counts are pages of 4 KiB.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

import numpy as np

from devices.memory import Pages
from devices.virtio.balloon import Balloon
from hv import board
from hv.machine import Machine
from hv.shell import GuestShell, Shell

SLACK_PAGES = 64
"""How far the toy kernel's own memory (stacks, slabs, rings) may move between entries and be no leak."""


class GuestBooks(NamedTuple):
    """The guest's side: `mem` and `balloon`.

    Attributes:
        totalram: pages the guest manages (`totalram_pages`).
        free: of these, free.
        touched: of these, filled by `touch`.
        offline: pages it has given to the host (PG_offline).
        num_pages: what its driver believes to be in the balloon.
        actual: what its driver last wrote to config `actual`; None if it does not say.
        target: what it reads from config `num_pages`; None if it does not say.
    """

    totalram: int
    free: int
    touched: int
    offline: int
    num_pages: int
    actual: int | None
    target: int | None

    @property
    def kernel(self) -> int:
        """Pages in use that are not the workload's: the kernel's own, and whatever has leaked."""
        return self.totalram - self.free - self.touched


class HostBooks(NamedTuple):
    """The host's side: the balloon device and the memory.

    Attributes:
        target: config `num_pages`.
        actual: config `actual`, as the driver wrote it.
        ballooned: pages that the device was given and has not given back.
        backed: of these, pages that take host memory all the same.
        resident: pages of host memory that guest RAM takes.
        hinted: pages that the guest keeps apart for the host, which has asked for hints, and does not use.
    """

    target: int
    actual: int
    ballooned: int
    backed: int
    resident: int
    hinted: int


class Memory(Protocol):
    """Guest RAM as its host sees it from outside."""

    def held(self) -> Pages:
        """For each page, whether the host holds memory for it."""

    def resident_bytes(self) -> int:
        """Return the host memory that it takes."""


class Host(Protocol):
    """What the host's side is read from: a machine of this package's, or of somebody else's."""

    @property
    def balloon(self) -> Balloon | None:
        """The balloon device."""

    @property
    def memory(self) -> Memory:
        """Guest RAM."""


class Entry(NamedTuple):
    """Both sides at one moment.

    Attributes:
        label: what had just happened.
        ns: virtual time of the machine.
        guest: the guest's side.
        host: the host's side.
    """

    label: str
    ns: int
    guest: GuestBooks
    host: HostBooks


class Finding(NamedTuple):
    """A difference between the books.

    Attributes:
        label: the entry it was found in.
        text: what is wrong, with the figures.
    """

    label: str
    text: str


def take(label: str, machine: Machine, shell: GuestShell) -> Entry:
    """Read both sides' books; the guest must stand at its prompt, the machine must have a balloon.

    Args:
        label: what has just happened.
        machine: the host's side.
        shell: the guest's.

    Raises:
        KeyError: the guest's answer lacks a figure.
    """
    return Entry(label, machine.now_ns, guest_books(shell), host_books(machine))


def guest_books(shell: Shell) -> GuestBooks:
    """Ask the toy kernel's shell for the guest's side; raises KeyError when the answer lacks a figure."""
    mem, device = shell.command("mem"), shell.command("balloon")
    return GuestBooks(
        totalram=mem.number("totalram_pages"),
        free=mem.number("free_pages"),
        touched=mem.number("touched_pages"),
        offline=mem.number("offline_pages"),
        num_pages=device.number("num_pages"),
        actual=device.number("actual_pages"),
        target=device.number("target_pages"),
    )


def host_books(machine: Host) -> HostBooks:
    """Read the host's side; the machine must have a balloon."""
    balloon = machine.balloon
    assert balloon is not None
    ballooned = balloon.ballooned
    return HostBooks(
        target=balloon.target_pages,
        actual=balloon.actual_pages,
        ballooned=int(np.count_nonzero(ballooned)),
        backed=int(np.count_nonzero(ballooned & machine.memory.held())),
        resident=machine.memory.resident_bytes() // board.PAGE_SIZE,
        hinted=int(np.count_nonzero(balloon.hinted)),
    )


def balance(entries: Iterable[Entry], leak: int = 0, slack: int = SLACK_PAGES) -> Iterator[Finding]:
    """Compare both sides in every entry, and every entry with the first.

    Args:
        entries: in order, of one guest.
        leak: pages that are known to have leaked since the first entry.
        slack: how many more or fewer of the kernel's own pages are no leak.

    Yields:
        One finding a difference; none when the books balance.
    """
    first: Entry | None = None
    for entry in entries:
        first = first or entry
        guest, host = entry.guest, entry.host
        differences = {
            "the guest counts {} pages in its balloon, the host was given {}": (
                guest.num_pages,
                host.ballooned,
            ),
            "the guest counts {} offline pages, the host was given {}": (guest.offline, host.ballooned),
            "the guest last reported {} pages, config `actual` says {}": (guest.actual, host.actual),
            "config `actual` says {}, the host was given {} pages": (host.actual, host.ballooned),
            "the guest reads a target of {}, the host set {}": (guest.target, host.target),
            "the balloon holds {} pages, the target is {}": (host.ballooned, host.target),
            "{} ballooned pages still take host memory, {} should": (host.backed, 0),
            "managed and offline pages are {}, at first they were {}": (
                guest.totalram + guest.offline,
                first.guest.totalram + first.guest.offline,
            ),
        }
        for text, (left, right) in differences.items():
            if left is not None and left != right:
                yield Finding(entry.label, text.format(left, right))
        kernel, at_first = guest.kernel - host.hinted, first.guest.kernel - first.host.hinted
        grown = kernel - at_first - (0 if entry is first else leak)
        if abs(grown) > slack:
            yield Finding(entry.label, f"{grown} pages are in use and nobody's: leaked")
