"""Reading snapshots, as files from outside: nothing is believed before it was verified."""

import os
import zlib
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import numpy as np

from devices.memory import GuestMemory, GuestMemoryError
from hv import board
from hv.board import PAGE_SIZE
from hv.config import MachineConfig
from hv.elf import PT_LOAD
from hv.errors import HostError, ImageError
from hv.files import open_file, read_at, read_into
from hv.snapshot.format import (
    CRC,
    EHDR,
    PHDR,
    STATE_MAX,
    STATE_NAME,
    STATE_PROLOGUE,
    VERSION,
    Header,
    elf_header,
    front_crc,
    native,
    page_up,
    state_offset,
)

_E_PHNUM = 10  # in EHDR


def open_snapshot(path: Path) -> "Snapshot":
    """Open a snapshot and verify all of it but the contents of RAM.

    Args:
        path: the snapshot.

    Raises:
        ImageError: it is no snapshot, of another version, damaged, or truncated.
    """
    file = open_file(path, "snapshot")
    try:
        return Snapshot(file, f"snapshot {path}")
    except BaseException:
        file.close()
        raise


def looks_like_one(path: Path) -> bool:
    """Whether a file begins as a snapshot does, as other ELF cores of RISC-V machines do too."""
    try:
        with open_file(path, "snapshot") as file:
            ehdr = file.read(EHDR.size)
    except (ImageError, OSError):
        return False
    return len(ehdr) == EHDR.size and ehdr == elf_header(EHDR.unpack(ehdr)[_E_PHNUM])


class Snapshot:
    """An open snapshot (`open_snapshot`). A context manager: it holds the file.

    Attributes:
        name: its role and path, for messages.
        header: what it says of itself.
    """

    def __init__(self, file: FileIO, name: str) -> None:
        self._file = file
        self.name = name
        front, phdrs, runs, text_size = self._read_front()
        crcs_at = state_offset(phdrs) + STATE_PROLOGUE.size
        text_at = crcs_at + runs * CRC.itemsize
        self._crcs = np.frombuffer(front[crcs_at:text_at], CRC).tolist()
        self.header = self._decode(front[text_at : text_at + text_size])
        # The first program header is that of the notes, and those after the runs are for debuggers.
        self._runs = np.frombuffer(front[EHDR.size :], PHDR, 1 + runs)[1:]
        self._check_runs(len(front))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._file.close()

    @property
    def config(self) -> MachineConfig:
        """What the machine was built from, its files where they were then."""
        return self.header.parts.config(self.header.machine.ram_size)

    @property
    def state(self) -> dict[str, Any]:
        """What `Machine.restore` wants.

        Raises:
            ImageError: something in it is not even plain data.
        """
        try:
            return {name: native(part) for name, part in self.header.state.items()}
        except (ValueError, RecursionError) as error:
            raise self._damaged(f"state: {error}") from None

    def load(self) -> GuestMemory:
        """Return new RAM with the snapshot's contents, every one of them verified.

        Raises:
            ImageError: a checksum is wrong, or the file ends early.
            HostError: the host has no memory for it.
        """
        try:
            memory = GuestMemory.allocate(board.DRAM_BASE, self.header.machine.ram_size)
        except GuestMemoryError as error:
            raise HostError(f"{self.name}: {error}; free some memory") from None
        for run, crc in zip(self._runs, self._crcs, strict=True):
            self._file.seek(int(run["offset"]))
            contents = memory.view(int(run["paddr"]), int(run["filesz"])).data
            read_into(self._file, contents, self.name)
            if zlib.crc32(contents) != crc:
                raise self._damaged(f"checksum of RAM at {int(run['paddr']):#x} is wrong")
        return memory

    def _read_front(self) -> tuple[bytes, int, int, int]:
        """Read and verify what precedes the contents; return it, program headers, runs, bytes of state."""
        size = os.fstat(self._file.fileno()).st_size
        ehdr = read_at(self._file, 0, min(EHDR.size, size), self.name)
        phdrs = EHDR.unpack(ehdr)[_E_PHNUM] if len(ehdr) == EHDR.size else 0
        if not phdrs or ehdr != elf_header(phdrs):
            raise self._foreign()
        notes_end = state_offset(phdrs) + STATE_PROLOGUE.size
        start = read_at(self._file, 0, notes_end, self.name)
        if start[state_offset(phdrs) - len(STATE_NAME) :][: len(STATE_NAME)] != STATE_NAME:
            raise self._foreign()
        version, crc, runs, text = STATE_PROLOGUE.unpack(start[state_offset(phdrs) :])
        if version != VERSION:
            raise ImageError(
                f"{self.name}: version {version} is not {VERSION}; restore it with the version that wrote it"
            )
        if runs >= phdrs or text > STATE_MAX:
            raise self._damaged(f"{runs} runs and {text} bytes of state cannot be")
        front = read_at(self._file, 0, page_up(notes_end + runs * CRC.itemsize + text), self.name)
        if front_crc(front, phdrs) != crc:
            raise self._damaged("checksum of the state is wrong")
        return front, phdrs, runs, text

    def _decode(self, text: bytes) -> Header:
        try:
            return msgspec.json.decode(text, type=Header)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise self._damaged(f"state: {str(error)!r:.200}") from None

    def _check_runs(self, contents_at: int) -> None:
        """Refuse runs that are not whole pages, in order, in RAM, and the rest of the file."""
        runs = self._runs
        ram_size = self.header.machine.ram_size
        starts, sizes = runs["paddr"] - np.uint64(board.DRAM_BASE), runs["filesz"]
        # Each is bounded before they are added, so nothing wraps around.
        if (runs["type"] != PT_LOAD).any() or (runs["vaddr"] != runs["paddr"]).any():
            reason = "a run is no PT_LOAD at its physical address"
        elif (starts % PAGE_SIZE != 0).any() or (sizes % PAGE_SIZE != 0).any() or (sizes == 0).any():
            reason = "a run is not of whole pages"
        elif (starts > ram_size).any() or (sizes > ram_size).any() or (starts + sizes > ram_size).any():
            reason = f"a run is outside its {ram_size} bytes of RAM"
        elif (starts[1:] < starts[:-1] + sizes[:-1]).any():
            reason = "runs overlap or are out of order"
        elif (runs["offset"] != contents_at + np.cumsum(sizes) - sizes).any():
            reason = "the contents of a run are not where they must be"
        elif self.header.pages_saved * PAGE_SIZE != sizes.sum():
            reason = f"pages_saved {self.header.pages_saved} is not what the runs have"
        elif os.fstat(self._file.fileno()).st_size != contents_at + sizes.sum():
            reason = "truncated, or of two files"
        else:
            return
        raise self._damaged(reason)

    def _foreign(self) -> ImageError:
        return ImageError(f"{self.name}: not a snapshot; give one that `thawvisor snapshot create` wrote")

    def _damaged(self, reason: str) -> ImageError:
        return ImageError(f"{self.name}: {reason}; use another copy")
