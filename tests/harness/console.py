"""The far end of a serial line: wait for what a guest prints, type at its shell.

The shell's protocol is the toy kernel's: the prompt `thaw:RC> ` on a fresh line carries the status of the
last command, and a command answers in lines of `key value` (`hv.shell` drives the same protocol in our own
machine).
"""

import re
import socket
import time

from hv.shell import parse_values
from tests.harness.patience import PATIENCE_S

PROMPT = re.compile(r"(?m)^thaw:(-?\d+)> ")
ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class ConsoleError(AssertionError):
    """The guest did not print what a test waits for; carries the end of what it did print."""


class SerialConsole:
    """A serial line over a socket.

    Attributes:
        text: everything received, line ends as `\\n`, without terminal escapes.
    """

    def __init__(self, line: socket.socket) -> None:
        self.text = ""
        self._line = line
        self._seen = 0

    def send(self, text: str) -> None:
        """Type."""
        self._line.sendall(text.encode())

    def expect(self, pattern: str | re.Pattern[str], within: float = PATIENCE_S) -> re.Match[str]:
        """Wait until `pattern` matches what came after the last match, and pass over it.

        Args:
            pattern: a regular expression.
            within: seconds.

        Raises:
            ConsoleError: time is up, or the line was closed; ends in the last 2,000 characters received.
        """
        deadline = time.monotonic() + within
        pattern = re.compile(pattern)
        while (match := pattern.search(self.text, self._seen)) is None:
            self._receive(deadline, pattern.pattern)
        self._seen = match.end()
        return match

    def shell(self, command: str, status: int = 0) -> dict[str, int | str]:
        """Type a command at the prompt; return its `key value` lines.

        Args:
            command: without line end.
            status: what the prompt must show afterwards: 0 or a negative errno.

        Raises:
            ConsoleError: no prompt came in time, or it shows another status.
        """
        start = len(self.text)
        self.send(f"{command}\n")
        self.expect(r"\n")  # the echo ends the prompt's line
        shown = int(self.expect(PROMPT)[1])
        answer = self.text[start : self._seen].split("\n")[1:-1]
        if shown != status:
            raise ConsoleError(f"`{command}` ended with {shown}, not {status}: {answer}")
        return parse_values(tuple(answer))

    def wait_for_prompt(self) -> int:
        """Wait for the shell's prompt; return the status that it shows. Raises ConsoleError."""
        return int(self.expect(PROMPT)[1])

    def wait_closed(self) -> None:
        """Take all that comes until the line closes: a full line would stop a machine that still prints.

        Raises ConsoleError when it stays open.
        """
        deadline = time.monotonic() + PATIENCE_S
        while self._read(deadline, "the end of the line"):
            pass

    def _receive(self, deadline: float, awaited: str) -> None:
        """Take what is there, or wait for it."""
        if not self._read(deadline, awaited):
            raise ConsoleError(f"the line closed before {awaited!r}; last was:\n{self.text[-2000:]}")

    def _read(self, deadline: float, awaited: str) -> bool:
        """Take what is there, or wait for it; false when the line is closed."""
        self._line.settimeout(max(deadline - time.monotonic(), 0.001))
        try:
            data = self._line.recv(1 << 16)
        except TimeoutError:
            raise ConsoleError(f"{awaited!r} did not come in time; last was:\n{self.text[-2000:]}") from None
        except ConnectionResetError:
            data = b""
        self.text += ANSI.sub("", data.decode("utf-8", "replace")).replace("\r", "")
        return bool(data)
