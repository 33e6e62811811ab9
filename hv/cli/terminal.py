"""This process's terminal, or whatever its standard streams are, as the far end of the guest's serial line.

Raw keys in, bytes out; Ctrl-A X leaves (as in QEMU). In raw mode Ctrl-C is a key like any other.
"""

import os
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Self

from hv.errors import HostError

STDIN, STDOUT = 0, 1

ESCAPE = 0x01  # Ctrl-A
HELP = b"\r\nCtrl-A X leaves, Ctrl-A Ctrl-A sends Ctrl-A\r\n"


class Screen:
    """Standard output: what the guest printed, a line at a time.

    As a context manager it leaves the cursor at the start of a line, if a person is looking.
    """

    def __init__(self) -> None:
        self._pending = bytearray()
        self._line_begun = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.flush()
        if self._line_begun and os.isatty(STDOUT):
            with suppress(OSError):  # it may have hung up
                os.write(STDOUT, b"\n")

    def write(self, data: bytes) -> None:
        """Take what the guest printed (`Console.sink`); raises as `flush` does."""
        self._pending += data
        self._line_begun = not data.endswith(b"\n")
        if not self._line_begun:
            self.flush()

    def flush(self) -> None:
        """Show all of it.

        Raises:
            BrokenPipeError: nobody reads any more.
            HostError: it cannot be written.
        """
        data = bytes(self._pending)
        self._pending.clear()
        try:
            while data:
                data = data[os.write(STDOUT, data) :]
        except BrokenPipeError:
            raise
        except OSError as error:
            raise HostError(f"standard output: {error.strerror}; send it elsewhere") from None


class Keyboard:
    """Standard input: what the user types, with the escape taken out.

    Attributes:
        leaving: Ctrl-A X was typed.
        closed: there is no more input.
    """

    def __init__(self) -> None:
        self.leaving = False
        self.closed = False
        self._escaped = False

    @property
    def readers(self) -> list[int]:
        """What to wait on (`select`) before `take`."""
        return [] if self.closed else [STDIN]

    def take(self) -> bytes:
        """Return what was typed for the guest; waits, unless there is something."""
        return self._filter(_read())

    def _filter(self, typed: bytes) -> bytes:
        self.closed = not typed
        keys = bytearray()
        for key in typed:
            if not self._escaped:
                self._escaped = key == ESCAPE
                if not self._escaped:
                    keys.append(key)
                continue
            self._escaped = False
            if key in b"xX":
                self.leaving = True
            elif key == ESCAPE:
                keys.append(key)
            else:
                os.write(STDOUT, HELP)
        return bytes(keys)


def _read() -> bytes:
    """Read standard input; a terminal that has gone away has no more."""
    try:
        return os.read(STDIN, 4096)
    except OSError:
        return b""


@contextmanager
def keyboard() -> Iterator[Keyboard]:
    """Give out the keyboard; as long, a terminal is in raw mode."""
    if not os.isatty(STDIN):
        yield Keyboard()
        return
    before = termios.tcgetattr(STDIN)
    try:
        tty.setraw(STDIN, termios.TCSADRAIN)  # not TCSAFLUSH: what was typed ahead is for the guest
        yield Keyboard()
    finally:
        termios.tcsetattr(STDIN, termios.TCSADRAIN, before)
