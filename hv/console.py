"""The host's end of a line of the guest's: what the guest printed, when, and what we are waiting to see.

The device hands over each byte as the guest sends it. A line that a caller waits for stops the hart at the
very block that completed it, so the virtual time at which the host answers is the guest's doing and not the
slice's.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from devices.state import Fields, State

LINE_MAX = 4096
"""Bytes of a line; a longer one is broken, or a guest that never ends its line would fill the host."""


class Line(NamedTuple):
    """A line the guest printed.

    Attributes:
        ns: virtual time of its first byte.
        text: the line without its line end.
    """

    ns: int
    text: str


class Console:
    """Collects the guest's output and watches it for one pattern at a time.

    Args:
        now_ns: the machine's virtual clock.
        stop: asks the hart to stop at the end of the current block.
    """

    def __init__(self, now_ns: Callable[[], int], stop: Callable[[], None]) -> None:
        self._now_ns = now_ns
        self._stop = stop
        self._current = bytearray()
        self._started_ns = 0
        self._pattern: re.Pattern[str] | None = None
        self._passed_over = False
        self.lines: list[Line] = []
        self.match: re.Match[str] | None = None
        self.sink: Callable[[bytes], None] | None = None

    def transmit(self, byte: int) -> None:
        """Take one byte from the device (0..255)."""
        if self.sink is not None:
            self.sink(bytes((byte,)))
        if not self._current:
            self._started_ns = self._now_ns()
        if byte == 0x0A:
            self._end_line()
            return
        self._current.append(byte)
        if self._look():
            self._stop()
        if len(self._current) == LINE_MAX:
            self._end_line()

    def _end_line(self) -> None:
        self.lines.append(Line(self._started_ns, self.partial))
        self._current.clear()
        self._passed_over = False

    @property
    def partial(self) -> str:
        """The line that is being printed, as far as it has come."""
        return self._current.decode("utf-8", "replace").rstrip("\r")

    def watch(self, pattern: str, *, fresh: bool = False) -> None:
        """Stop the hart when the line being printed first matches `pattern` (a regular expression).

        The match, once there, stands in `match`. A new watch forgets the old one. A line end is never part
        of the text: a pattern that should wait for a whole line ends in something only its last characters
        can match.

        Args:
            pattern: searched in the line as far as it has come, at each byte.
            fresh: the line that is being printed now does not count, only those after it.
        """
        self._pattern = re.compile(pattern)
        self._passed_over = fresh and bool(self._current)
        self.match = None
        self._look()

    def _look(self) -> bool:
        """Try the pattern on the current line; true when this byte completed the match."""
        if self._pattern is None or self._passed_over or self.match is not None:
            return False
        self.match = self._pattern.search(self.partial)
        return self.match is not None

    def save(self) -> State:
        """Return the line that is being printed; what was before it, and the watch, are not state."""
        return {"line": bytes(self._current), "started_ns": self._started_ns}

    def restore(self, state: object) -> None:
        """Go on from a saved line, with nothing before it and no watch; raises StateError."""
        fields = Fields(state, "console", ("line", "started_ns"))
        line = fields.data("line", 0, LINE_MAX - 1)
        started_ns = fields.integer("started_ns", 0, (1 << 63) - 1)
        self._current[:] = line
        self._started_ns = started_ns
        self._pattern = self.match = None
        self.lines = []

    def text(self) -> str:
        """Return all output so far, line ends as `\\n`."""
        return "".join(f"{line.text}\n" for line in self.lines) + self.partial


class Terminal(NamedTuple):
    """The host's end of one of the guest's lines.

    Attributes:
        console: what the guest printed.
        type: sends bytes to the guest.
    """

    console: Console
    type: Callable[[bytes], None]
