"""The `thawvisor` command as its users start it: the script of this environment, in a process of its own."""

import codecs
import fcntl
import os
import pty
import re
import select
import subprocess
import sysconfig
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.harness.patience import PATIENCE_S

SCRIPT = Path(sysconfig.get_path("scripts")) / "thawvisor"


class Done(NamedTuple):
    """How a command ended: exit status, and everything it wrote."""

    status: int
    out: str
    err: str


Run = Callable[..., Done]
"""Runs the command with the arguments that it is given."""


def thawvisor(*arguments: str | Path, typed: str = "", shell: str = "") -> Done:
    """Run the command with its standard streams in pipes.

    Args:
        arguments: what follows `thawvisor`.
        typed: all of its standard input.
        shell: what a shell does first, such as `ulimit`; or a redirection behind `>` or `<`.
    """
    command = [SCRIPT, *arguments]
    if shell:
        script = f'exec "$@" {shell}' if shell[0] in "<>" else f'{shell}; exec "$@"'
        command = ["sh", "-c", script, "sh", *command]
    done = subprocess.run(command, input=typed.encode(), capture_output=True, timeout=PATIENCE_S, check=False)
    return Done(done.returncode, *(text.decode().replace("\r", "") for text in (done.stdout, done.stderr)))


def _take_terminal() -> None:
    """Make standard input the terminal that controls this new session, whose Ctrl-C is then a signal."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Terminal:
    """A user at a terminal in which the command runs.

    Attributes:
        process: the command.
        text: everything on the screen so far, without carriage returns.
    """

    def __init__(self, *arguments: str | Path, command: Path = SCRIPT) -> None:
        self._ours, self._theirs = pty.openpty()
        self._settings = termios.tcgetattr(self._ours)
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self._seen = 0
        self.text = ""
        self.process = subprocess.Popen(
            [command, *arguments],
            stdin=self._theirs,
            stdout=self._theirs,
            stderr=self._theirs,
            start_new_session=True,
            preexec_fn=_take_terminal,
        )

    @property
    def restored(self) -> bool:
        """Whether the terminal is as it was before the command began."""
        return termios.tcgetattr(self._ours) == self._settings

    def cpu_s(self) -> float:
        """Seconds of CPU that the command has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return float(int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._ours, keys.encode())

    def quiet_for(self, seconds: float) -> bool:
        """Look at the screen for so long; whether nothing appeared."""
        return not select.select([self._ours], [], [], seconds)[0]

    def expect(self, pattern: str) -> re.Match[str]:
        """Wait until the screen, after the last match, shows a regular expression; `^` is a line's start."""
        deadline = time.monotonic() + PATIENCE_S
        while (match := re.compile(pattern, re.MULTILINE).search(self.text, self._seen)) is None:
            ended = self.process.poll() is not None
            if not self.quiet_for(0 if ended else 1):
                self.text += self._decode(os.read(self._ours, 4096)).replace("\r", "")
            else:
                assert not ended, f"it ended without {pattern!r} in:\n{self.text}"
                assert time.monotonic() < deadline, f"no {pattern!r} in:\n{self.text}"
        self._seen = match.end()
        return match

    def command(self, line: str) -> str:
        """Type a line at the guest's prompt; return what came up to the next prompt, which shows success."""
        self.type(f"{line}\r")
        self.expect(re.escape(line) + "$")
        start = self._seen
        end = self.expect("^thaw:0> ").start()
        return self.text[start:end]

    def wait(self) -> int:
        """Wait for the command's end; return its exit status."""
        return self.process.wait(PATIENCE_S)

    def close(self) -> None:
        """Switch the terminal off, and end the command if it still runs."""
        self.process.kill()
        self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)


@contextmanager
def terminal(*arguments: str | Path) -> Iterator[Terminal]:
    """Start the command in a terminal of its own."""
    screen = Terminal(*arguments)
    try:
        yield screen
    finally:
        screen.close()
