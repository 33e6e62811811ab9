"""Guests: what a scenario asks of the kernel inside the machine, and how the toy kernel answers."""

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar, Protocol

from hv import board
from hv.books import SLACK_PAGES, GuestBooks, guest_books
from hv.config import MachineConfig
from hv.hibernate import Carrier
from hv.scenario.eras import ERAS
from hv.scenario.place import GuestMachine
from hv.shell import Reply, Shell, Workload
from hv.stop import Stop


class Guest(Protocol):
    """The kernel in one machine. None of its calls judges: a run does.

    Methods that talk to the guest's shell need it at its prompt, and leave it there.

    Attributes:
        ram: bytes of RAM that it is at home in.
        own_pages: how far the kernel's own memory may move between two entries in the books and be no leak.
        eras: the balloon drivers that it has.
        carriers: who can carry its image.
        breaks: clauses of the specification that its drivers are known to break, and how.
    """

    ram: ClassVar[int]
    own_pages: ClassVar[int]
    eras: ClassVar[tuple[str, ...]]
    carriers: ClassVar[tuple[Carrier, ...]]
    breaks: ClassVar[Mapping[str, str]]

    def __init__(self, machine: GuestMachine) -> None: ...

    @staticmethod
    def require() -> None:
        """Raise ConfigError unless what it is booted from is there."""

    @staticmethod
    def prepare(config: MachineConfig, era: str) -> MachineConfig:
        """Return the machine that boots it, with an era of the balloon driver.

        Args:
            config: the machine so far; its `append` comes last on the command line.
            era: name of the era.
        """

    def until_prompt(self) -> Stop:
        """Run until the shell waits for a command; CONDITION, or whatever stopped the machine first."""

    def shell(self, line: str) -> Reply:
        """Type a command and run until it is done."""

    def type(self, line: str) -> None:
        """Type a command and do not run."""

    def reply(self) -> Reply:
        """Run until the command that was typed is done."""

    def hibernate_command(self, carrier: Carrier) -> str:
        """Return the shell command that starts a hibernation."""

    def swap_commands(self) -> tuple[str, ...]:
        """Return the shell commands that make swap on the first disk and use it."""

    def swap_off_command(self) -> str:
        """Return the shell command that ends its use."""

    def touch(self, pages: int) -> Reply:
        """Fill fresh pages with a pattern that `verify` knows."""

    def release(self) -> Reply:
        """Free the touched pages."""

    def workload(self, reply: Reply) -> Workload:
        """Read the answer of `touch` or `verify`; raises KeyError when a figure is missing."""

    def verify(self) -> Reply:
        """Check every touched page."""

    def resumed(self) -> bool:
        """Whether this machine's kernel came out of an image."""

    def books(self) -> GuestBooks:
        """Return what the guest says of its pages; raises KeyError when a figure is missing."""


class ToyGuest:
    """The toy kernel in `guest/`.

    Args:
        machine: a machine that boots it.
    """

    ram: ClassVar = 64 * board.MIB
    own_pages: ClassVar = SLACK_PAGES
    eras: ClassVar[tuple[str, ...]] = tuple(ERAS)
    carriers: ClassVar[tuple[Carrier, ...]] = tuple(Carrier)
    breaks: ClassVar[Mapping[str, str]] = {}

    def __init__(self, machine: GuestMachine) -> None:
        self._machine = machine
        self._shell = Shell(machine, machine.serial)

    @staticmethod
    def require() -> None:
        """See `Guest`; it is part of this package."""

    @staticmethod
    def prepare(config: MachineConfig, era: str) -> MachineConfig:
        """See `Guest`."""
        return replace(config, append=f"balloon.policy={era} {config.append}".strip())

    def until_prompt(self) -> Stop:
        """See `Guest`."""
        return self._shell.wait_for_prompt()

    def shell(self, line: str) -> Reply:
        """See `Guest`."""
        return self._shell.command(line)

    def type(self, line: str) -> None:
        """See `Guest`."""
        self._shell.enter(line)

    def reply(self) -> Reply:
        """See `Guest`."""
        return self._shell.reply()

    def hibernate_command(self, carrier: Carrier) -> str:
        """See `Guest`."""
        return {Carrier.SWAP: "hibernate swap", Carrier.HOST: "hibernate platform"}[carrier]

    def swap_commands(self) -> tuple[str, ...]:
        """See `Guest`."""
        return "mkswap", "swapon"

    def swap_off_command(self) -> str:
        """See `Guest`."""
        return "swapoff"

    def touch(self, pages: int) -> Reply:
        """See `Guest`."""
        return self.shell(f"touch {pages}")

    def release(self) -> Reply:
        """See `Guest`."""
        return self.shell("release")

    def verify(self) -> Reply:
        """See `Guest`."""
        return self.shell("verify")

    def workload(self, reply: Reply) -> Workload:
        """See `Guest`."""
        return Workload.of(reply)

    def resumed(self) -> bool:
        """See `Guest`."""
        return "PM: resumed from " in self._machine.console.text()

    def books(self) -> GuestBooks:
        """See `Guest`."""
        return guest_books(self._shell)
