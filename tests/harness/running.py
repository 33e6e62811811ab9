"""A `thawvisor run` in the background, with QMP sockets to talk to it by."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.harness.patience import PATIENCE_S
from tests.harness.terminal import SCRIPT


class Running:
    """The process.

    Attributes:
        process: it.
        socket: its QMP socket.
        console: the file that has what the guest printed.
    """

    def __init__(self, folder: Path, *arguments: str | Path) -> None:
        self.socket = folder / "qmp"
        self.console = folder / "console"
        with self.console.open("wb") as console:
            self.process = subprocess.Popen(
                [SCRIPT, "run", "-qmp", f"unix:{self.socket},server=on,wait=off", *arguments],
                stdin=subprocess.PIPE,
                stdout=console,
                stderr=subprocess.PIPE,
            )

    def type(self, line: str) -> None:
        """Type a line at the guest's shell."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()

    def wait_for_prompt(self) -> None:
        """Wait until the guest's shell is there, and the last command done."""
        self.wait_for(lambda: self.console.read_text().endswith("thaw:0> "), "the prompt")

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for something that the process does."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert self.process.poll() is None, f"it ended before {what}: {self.process.communicate()[1]!r}"
            assert time.monotonic() < deadline, f"no sign of {what}"
            time.sleep(0.01)

    def finish(self) -> tuple[int, str]:
        """Wait for the end; return the exit status and what it said on standard error."""
        _, err = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, err.decode()


@contextmanager
def running(folder: Path, *arguments: str | Path) -> Iterator[Running]:
    """Start `thawvisor run` with further arguments, and end it if it still runs."""
    run = Running(folder, *arguments)
    try:
        run.wait_for(lambda: bool(run.console.stat().st_size), "the guest's first word")  # it listens by then
        yield run
    finally:
        run.process.kill()
        run.process.communicate()
