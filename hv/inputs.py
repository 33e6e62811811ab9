"""What the host does to a guest that runs, as data, each at its virtual time: a run and its inputs are one.

A run is a function of its machine and of what came from outside. Keys, a balloon target, a press of the power
button enter between two slices; what enters, and when, can be written to a recording, and a machine of the
same parts that is given the same inputs at the same times does the same again (`hv.vm`).

A recording is lines of JSON: a `Header`, then an `Entry` for each input in the order they came, the last one
an `End` unless the process was killed. Each line is written at once. A recording is untrusted input like any
file from outside.
"""

from pathlib import Path
from shlex import quote
from typing import Annotated, TextIO

import msgspec

from hv import board
from hv.errors import HostError, ImageError
from hv.files import open_file, read_at
from hv.hostimage.identity import Digest, Natural

RECORDING_MAX = 1 << 28
"""Bytes of a recording that are read at most."""

POLL_MAX_S = (1 << 32) - 1


class Keys(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="keys"):
    """Bytes typed at the best of the guest's consoles; each character is one byte (ISO 8859-1)."""

    text: str


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="balloon"):
    """The balloon's target, in pages of 4 KiB."""

    pages: Annotated[int, msgspec.Meta(ge=0, le=board.RAM_MAX // board.PAGE_SIZE)]


class PollStats(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="poll-stats"):
    """From now on ask the driver for statistics every so many virtual seconds; 0 for no more."""

    seconds: Annotated[int, msgspec.Meta(ge=0, le=POLL_MAX_S)]


class PowerButton(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="power-button"):
    """The power button is pressed."""


class Reset(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="reset"):
    """The machine is reset: the next entries are of its next boot."""


class End(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="end"):
    """The run has ended, with this in RAM (SHA-256 in hex)."""

    ram: Digest


Input = Keys | Target | PollStats | PowerButton | Reset | End


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An input and its time.

    Attributes:
        boot: how often the machine had been reset before.
        ns: virtual time of that boot.
        input: what came.
    """

    boot: Natural
    ns: Natural
    input: Input


class Recorder:
    """Writes a recording.

    Args:
        path: the recording; what is there is replaced.
        header: its first line.

    Attributes:
        replay_command: the command that does the run again.

    Raises:
        HostError: it cannot be written; `write` raises it too.
    """

    def __init__(self, path: Path, header: msgspec.Struct) -> None:
        self._path = path
        self.replay_command = f"thawvisor replay {quote(str(path))}"
        try:
            self._file: TextIO = path.open("w", encoding="utf-8", buffering=1)
        except OSError as error:
            raise self._failure(error) from None
        self._line(header)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def write(self, boot: int, ns: int, given: Input) -> None:
        """Enter an input; see `Entry`."""
        self._line(Entry(boot, ns, given))

    def _line(self, value: msgspec.Struct) -> None:
        try:
            self._file.write(msgspec.json.encode(value).decode() + "\n")
        except OSError as error:
            raise self._failure(error) from None

    def _failure(self, error: OSError) -> HostError:
        return HostError(f"recording {self._path}: {error.strerror}; choose another place")


def read_recording(path: Path) -> list[bytes]:
    """Return the lines of a recording; raises ImageError when there are none, or too many bytes."""
    with open_file(path, "recording") as file:
        size = file.seek(0, 2)
        if not 0 < size <= RECORDING_MAX:
            raise ImageError(f"recording {path}: {size} bytes; one has 1 to {RECORDING_MAX}")
        return read_at(file, 0, size, f"recording {path}").splitlines()


def decode_entries(lines: list[bytes], path: Path) -> list[Entry]:
    """Read the lines that follow the header.

    Raises:
        ImageError: one is damaged, or out of order; names the line and the field.
    """
    entries: list[Entry] = []
    for number, line in enumerate(lines, 2):
        try:
            entry = msgspec.json.decode(line, type=Entry)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ImageError(f"recording {path}, line {number}: {error}; use another copy") from None
        if entries and (entry.boot, entry.ns) < (entries[-1].boot, entries[-1].ns):
            raise ImageError(f"recording {path}, line {number}: ns goes back; use another copy")
        entries.append(entry)
    return entries
