"""What is kept of an era's journey: plain data, so that it crosses processes and becomes JSON as it is."""

import shlex
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from hv import board
from hv.compare.pagemap import PageMap
from hv.hibernate import Carrier

PAGE_MOVES = ("inflate", "deflate")


@dataclass(frozen=True)
class Plan:
    """The workload, the same for every era.

    Attributes:
        ram: bytes.
        touch: pages that the guest keeps filled.
        balloon: the host's target in pages.
        carrier: who carries the image.
    """

    ram: int
    touch: int
    balloon: int
    carrier: Carrier

    @property
    def command(self) -> str:
        """The command line of this comparison, without its outputs."""
        sizes = {
            "-m": self.ram,
            "--touch": self.touch * board.PAGE_SIZE,
            "--balloon": self.balloon * board.PAGE_SIZE,
        }
        options = " ".join(f"{name} {_size(count)}" for name, count in sizes.items())
        return f"thawvisor s4 compare --carrier {shlex.quote(self.carrier.value)} {options}"


def _size(count: int) -> str:
    return f"{count // board.MIB}M" if count % board.MIB == 0 else f"{count // 1024}K"


class Transfer(NamedTuple):
    """Requests that a device handled together.

    Attributes:
        ns: virtual time.
        kind: `inflate` or `deflate` (amount in pages), `write` or `read` (of the disk, in bytes).
        requests: how many.
        amount: what they moved.
    """

    ns: int
    kind: str
    requests: int
    amount: int


class Sample(NamedTuple):
    """The host's side at one moment.

    Attributes:
        ns: virtual time.
        ballooned: pages that the host was given and has not given back.
        resident: pages of host memory that guest RAM takes.
    """

    ns: int
    ballooned: int
    resident: int


class Message(NamedTuple):
    """Something said or done.

    Attributes:
        ns: virtual time.
        side: `guest` (its kernel's log) or `host`.
        text: one line.
    """

    ns: int
    side: str
    text: str


@dataclass(frozen=True)
class Leg:
    """A part of the journey on one machine.

    Attributes:
        start_ns: its beginning in the machine's virtual time.
        end_ns: its end.
        samples: before and after all that a device handled, and at both ends. Guest RAM only shrinks when a
            device discards, so the greatest of them is the greatest there was.
        transfers: what the devices handled.
        messages: the guest's kernel and the host.
    """

    start_ns: int
    end_ns: int
    samples: tuple[Sample, ...]
    transfers: tuple[Transfer, ...]
    messages: tuple[Message, ...]

    @property
    def peak(self) -> int:
        """The most pages of host memory that guest RAM took."""
        return max(sample.resident for sample in self.samples)

    def moved(self, *kinds: str) -> int:
        """What transfers of these kinds moved in all."""
        return sum(transfer.amount for transfer in self.transfers if transfer.kind in kinds)

    def requests(self, kind: str) -> int:
        """How many requests of a kind there were."""
        return sum(transfer.requests for transfer in self.transfers if transfer.kind == kind)

    def off_target_ns(self, target: int) -> int | None:
        """Virtual time in which the host had more or fewer pages than `target`; None when it still has."""
        total = 0
        for sample, following in pairwise(self.samples):
            if sample.ballooned != target:
                total += following.ns - sample.ns
        return total if self.samples[-1].ballooned == target else None


class Trouble(NamedTuple):
    """A finding of the books.

    Attributes:
        where: which part of the workload.
        ns: virtual time.
        text: what is wrong, with the figures.
    """

    where: str
    ns: int
    text: str


@dataclass(frozen=True)
class Evidence:
    """All that an era's journey left.

    Attributes:
        era: the driver's policy.
        commit: what it follows.
        asleep: from the command to hibernate until the power is off.
        awake: the next machine, from power-on until the balloon has its target, or the wait for it is over.
        refused: a hibernation without swap, from the command until the balloon has its target.
        image_pages: pages whose contents the image has.
        image_bytes: what was written for it, to the disk or as a host image.
        prompt_ns: when the resumed guest stood at its prompt.
        on_target: whether the balloon came to its target again.
        leaked: pages in use after the resume that no pointer leads to.
        kept_by_host: pages ballooned at power-off that the resumed guest takes for its own.
        boot_balloon: pages ballooned that the resumed guest takes for its own, where the kernel that loaded
            the image had inflated too; None where no kernel loads it.
        maps: who had each page, phase by phase.
        troubles: the books' findings.
        firmware: SHA-256 of the firmware file.
        kernel: SHA-256 of the guest kernel's.
    """

    era: str
    commit: str
    asleep: Leg
    awake: Leg
    refused: Leg
    image_pages: int
    image_bytes: int
    prompt_ns: int
    on_target: bool
    leaked: int
    kept_by_host: int
    boot_balloon: int | None
    maps: tuple[PageMap, ...]
    troubles: tuple[Trouble, ...]
    firmware: str
    kernel: str
