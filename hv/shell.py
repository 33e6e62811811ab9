"""A guest's shell, driven from the host.

The protocol is the toy kernel's (`guest/shell/`), and Linux's on its channel (`hv/linux/rootfs/`): the prompt
is `thaw:RC> ` with the status of the last command, 0 or a negative errno, and commands answer in lines of
`key value`.
"""

import errno
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, Self

from hv.console import Terminal
from hv.machine import Machine
from hv.stop import Stop

PROMPT = r"^thaw:(-?\d+)> $"

PATIENCE_NS = 60_000_000_000
"""Virtual time that a command may take before the host gives up on it."""


@dataclass(frozen=True)
class Reply:
    """What a shell command answered.

    Attributes:
        command: the line that was typed.
        status: 0, or a negative errno.
        lines: the lines it printed, kernel messages included.
        values: its `key value` lines; numbers as int.
        stop: how the machine stopped: CONDITION at the next prompt, else what ended it (POWEROFF after
        `poweroff`).
    """

    command: str
    status: int
    lines: tuple[str, ...]
    stop: Stop
    values: dict[str, int | str] = field(default_factory=dict)

    def number(self, key: str) -> int:
        """Return a value that must be there and must be a number.

        Raises:
            KeyError: the command did not print `key`, or not as a number.
        """
        value = self.values.get(key)
        if not isinstance(value, int):
            raise KeyError(f"`{self.command}` printed no number called {key}: {self.lines}")
        return value

    @property
    def error(self) -> str:
        """The status as the errno's name and text; empty on success."""
        return "" if not self.status else f"{errno.errorcode.get(-self.status)} ({os.strerror(-self.status)})"


class Workload(NamedTuple):
    """The guest's checkable memory, as its shell reports it.

    Attributes:
        pages: pages with a pattern.
        fingerprint: 16 hex digits over their contents.
        bad: pages whose pattern is wrong.
    """

    pages: int
    fingerprint: str
    bad: int

    @classmethod
    def of(cls, reply: Reply) -> Self:
        """Read the answer of `touch` or `verify`; raises KeyError when a figure is missing."""
        bad = reply.number("bad_pages") if "bad_pages" in reply.values else 0
        return cls(reply.number("touched_pages"), str(reply.values.get("fingerprint", "")), bad)


_NUMBER = re.compile(r"-?\d{1,15}")
"""A count; fingerprints have 16 digits, which may all happen to be decimal, and are text."""


def parse_values(lines: tuple[str, ...]) -> dict[str, int | str]:
    """Read `key value` lines: numbers become int, others stay text; other lines are passed over."""
    values: dict[str, int | str] = {}
    for line in lines:
        match line.split():
            case [key, value] if key.isidentifier():
                values[key] = int(value) if _NUMBER.fullmatch(value) else value
    return values


class Runner(Protocol):
    """What lets the guest run: a machine of this package's, or of somebody else's."""

    @property
    def now_ns(self) -> int:
        """Its time since power-on."""

    def run(self, until_ns: int, until: Callable[[], bool] = ...) -> Stop:
        """Run until a time, or until a condition holds, or something ends the run; see `Machine.run`."""


class Shell:
    """Types at a guest's shell, on one of its lines.

    Args:
        runner: what runs a kernel with such a shell.
        terminal: the line that the shell is on.
    """

    def __init__(self, runner: Runner, terminal: Terminal) -> None:
        self._runner = runner
        self._terminal = terminal
        self._typed = "", 0

    def wait_for_prompt(self, within_ns: int = PATIENCE_NS, *, fresh: bool = False) -> Stop:
        """Run until the shell's prompt.

        Args:
            within_ns: virtual time allowed.
            fresh: a prompt that already stands there does not count.

        Returns:
            CONDITION at the prompt, or whatever stopped the machine first.
        """
        console = self._terminal.console
        console.watch(PROMPT, fresh=fresh)
        return self._runner.run(self._runner.now_ns + within_ns, until=lambda: console.match is not None)

    def enter(self, line: str) -> None:
        """Type a command at the prompt, without running.

        Args:
            line: the command, without line end.
        """
        # The prompt's own line, completed by the echo, is no answer.
        self._typed = line, len(self._terminal.console.lines) + 1
        self._terminal.type(line.encode() + b"\n")

    def reply(self, within_ns: int = PATIENCE_NS) -> Reply:
        """Run until the command that was typed last is done, if it is not, and return its answer.

        Args:
            within_ns: virtual time allowed.
        """
        console = self._terminal.console
        line, first = self._typed
        stop = self.wait_for_prompt(within_ns, fresh=len(console.lines) < first)
        status = int(console.match[1]) if console.match else 0
        lines = tuple(entry.text for entry in console.lines[first:])
        return Reply(line, status, lines, stop, parse_values(lines))

    def command(self, line: str, within_ns: int = PATIENCE_NS) -> Reply:
        """Type a command and run until the next prompt.

        Args:
            line: the command, without line end.
            within_ns: virtual time allowed.
        """
        self.enter(line)
        return self.reply(within_ns)


class GuestShell(Shell):
    """Types at one machine's guest.

    Args:
        machine: a machine that boots, or has booted, a kernel with such a shell.
        terminal: the line that the shell is on; None for the UART.

    Attributes:
        machine: it.
    """

    def __init__(self, machine: Machine, terminal: Terminal | None = None) -> None:
        super().__init__(machine, terminal or machine.serial)
        self.machine = machine
